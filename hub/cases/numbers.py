"""Numbers people read aloud: the case number and the Aktenzeichen."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from hub.cases.model import AktenzeichenCounter

NUMBER_NAMES = ("aktenzeichen", "file_number", "kassenzeichen", "register_number", "booking_number", "number")
"""Names under which far systems give a number the case is known by, the best first."""

_ALPHABET = "23456789ABCDEFGHJKLMNPQRSTVWXYZ"  # without 0/O, 1/I, U: safe on the telephone


def case_number(case_id: UUID) -> str:
    """The Vorgangsnummer of a case, for example `V-7K3M-92QX-C`: derived from its id, no counter to contend for.

    Eight characters from the random part of the UUID and a check character (weighted sum modulo 31). Uniqueness is
    kept by the database; with 10 million cases a collision has a chance of about one in 85,000 per new case.
    """
    rest = case_id.int & ((1 << 62) - 1)
    digits = []
    for _ in range(8):
        rest, digit = divmod(rest, len(_ALPHABET))
        digits.append(digit)
    check = sum((place + 2) * digit for place, digit in enumerate(digits)) % len(_ALPHABET)
    text = "".join(_ALPHABET[digit] for digit in digits)
    return f"V-{text[:4]}-{text[4:]}-{_ALPHABET[check]}"


def next_aktenzeichen(session: Session, tenant: str, plan: str, year: int) -> str:
    """Allot the next Aktenzeichen of an Aktenplan position and year, e.g. `963.21-0042/2026`.

    One upsert with RETURNING: unique under concurrency on both databases; a rolled-back transaction leaves no
    duplicate, at worst a gap, which is allowed.
    """
    table = AktenzeichenCounter.__table__
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    statement = (
        insert(AktenzeichenCounter)
        .values(tenant_id=tenant, plan=plan, year=year, last=1)
        .on_conflict_do_update(index_elements=["tenant_id", "plan", "year"], set_={"last": table.c.last + 1})
        .returning(table.c.last)
    )
    number = session.execute(statement).scalar_one()
    return f"{plan}-{number:04d}/{year}"


def skip_to(session: Session, tenant: str, plan: str, year: int, last: int) -> None:
    """Continue after numbers given elsewhere (a take-over from an older register)."""
    session.execute(
        update(AktenzeichenCounter)
        .where(
            AktenzeichenCounter.tenant_id == tenant,
            AktenzeichenCounter.plan == plan,
            AktenzeichenCounter.year == year,
            AktenzeichenCounter.last < last,
        )
        .values(last=last)
    )
