"""Finding the Akte before one is created, and giving it its Aktenzeichen.

An Akte is found by what identifies its subject (plot, business, Kassenzeichen, person); the hub keeps only keyed
hashes of that. Our own numbers are unique per Aktenplan position and year; where the application or the DMS gives the
number, ours stays away.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from hub.cases import rows, vault
from hub.cases.model import Akte, AkteKey, Case
from hub.cases.numbers import next_aktenzeichen
from hub.kit.clock import now, today_berlin
from hub.kit.database import new_id
from hub.library.expressions import german, value_or
from hub.library.profile import Filing
from hub.records.efile import Known

_QUALIFIERS = frozenset({"year"})
_PERSONS = frozenset({"subject", "applicant"})
_ASKED = (
    AkteKey.tenant_id == bindparam("tenant"),
    AkteKey.plan == bindparam("plan"),
    AkteKey.hash.in_(bindparam("hashes", expanding=True)),
)
_OWNER = select(AkteKey.akte_id).where(*_ASKED).limit(1)
_KNOWN = (
    select(Akte.id, Akte.aktenzeichen, Akte.far_id).join(AkteKey, AkteKey.akte_id == Akte.id).where(*_ASKED).limit(1)
)
_TAKEN = select(Akte.id).where(Akte.tenant_id == bindparam("tenant"), Akte.aktenzeichen == bindparam("number"))


@dataclass(frozen=True, slots=True)
class Found:
    """The Akte a case is filed in; `new` when the DMS has to create it."""

    id: UUID
    aktenzeichen: str
    new: bool
    far_id: str | None = None


class NoAkteError(Exception):
    """The profile forbids creating an Akte and none was found: the registry office has to decide."""


def marks(case: Case, filing: Filing, values: Mapping[str, Any], tables: Mapping[str, Any]) -> dict[str, str]:
    """What identifies the subject of the Akte beyond doubt (Kassenzeichen, plot, register number), best first.

    A person's name is no mark: two people may bear it.
    """
    found = {}
    for name in filing.file.find_by:
        if name in _QUALIFIERS | _PERSONS:
            continue
        if name in filing.file.keys:
            value = value_or(filing.file.keys[name], None, values, tables)
        else:
            value = values.get(name) or (case.foreign_numbers or {}).get(name) or tables["application"].get(name)
        if value:
            found[name] = german(value)
    return found


def hashes(case: Case, filing: Filing, values: Mapping[str, Any], tables: Mapping[str, Any]) -> list[str]:
    """Keyed hashes by which the hub finds the Akte again: of the marks, and of the person where the profile says so."""
    qualifier = str(today_berlin().year) if _QUALIFIERS & set(filing.file.find_by) else ""
    found = marks(case, filing, values, tables)
    if _PERSONS & set(filing.file.find_by) and case.subject_hash:
        found["subject"] = case.subject_hash
    return [vault.keyed_hash("akte", f"{filing.plan}\n{name}\n{value}\n{qualifier}") for name, value in found.items()]


def is_known(session: Session, case: Case, filing: Filing, keys: list[str]) -> bool:
    """Whether the hub itself has filed in this Akte before."""
    return _owner(session, case.tenant_id, filing.plan, keys) is not None


def find_or_create(
    session: Session, case: Case, filing: Filing, keys: list[str], in_efile: Known | None = None
) -> Found:
    """The Akte for a case: an existing one if any key is known, otherwise a new one with its Aktenzeichen.

    Two cases of one subject at the same time agree on one Akte: the key's primary key decides who creates it.
    Raises NoAkteError.
    """
    tenant = case.tenant_id
    asked = {"tenant": tenant, "plan": filing.plan, "hashes": keys}
    known = session.connection().execute(_KNOWN, asked).first()
    if known is not None:
        _remember(session, tenant, filing.plan, keys, known.id)
        return Found(known.id, known.aktenzeichen, new=False, far_id=known.far_id)
    if in_efile is not None:
        return _take_over(session, tenant, filing, keys, in_efile)
    if not filing.file.create:
        raise NoAkteError(f"Im Aktenplan {filing.plan} gibt es zu diesem Vorgang keine Akte.")
    akte_id = new_id()
    number = case.aktenzeichen if filing.number == "specialist-app" else None
    number = number or next_aktenzeichen(session, tenant, filing.plan, today_berlin().year)
    if session.connection().execute(_TAKEN, {"tenant": tenant, "number": number}).first() is not None:
        number = next_aktenzeichen(session, tenant, filing.plan, today_berlin().year)
    row = {
        "id": akte_id,
        "tenant_id": tenant,
        "plan": filing.plan,
        "aktenzeichen": number,
        "led_by": filing.number,
        "created_at": now(),
    }
    rows.add(session, Akte, row)
    _remember(session, tenant, filing.plan, keys, akte_id)
    first = session.connection().execute(_KNOWN, asked).first()
    if first is not None and first.id != akte_id:
        return Found(first.id, first.aktenzeichen, new=False)
    return Found(akte_id, number, new=True)


def _take_over(session: Session, tenant: str, filing: Filing, keys: list[str], known: Known) -> Found:
    """Note an Akte that the e-file had before the hub filed in it."""
    row = {
        "id": new_id(),
        "tenant_id": tenant,
        "plan": filing.plan,
        "aktenzeichen": known.aktenzeichen,
        "led_by": "dms",
        "far_id": known.far_id or None,
        "created_at": now(),
    }
    rows.add_new(session, Akte, row, key=("tenant_id", "aktenzeichen"))
    akte_id = session.execute(
        select(Akte.id).where(Akte.tenant_id == tenant, Akte.aktenzeichen == known.aktenzeichen)
    ).scalar_one()
    _remember(session, tenant, filing.plan, keys, akte_id)
    return Found(akte_id, known.aktenzeichen, new=False, far_id=known.far_id or None)


def _remember(session: Session, tenant: str, plan: str, keys: list[str], akte_id: UUID) -> None:
    new = [{"tenant_id": tenant, "plan": plan, "hash": value, "akte_id": akte_id} for value in keys]
    if new:
        rows.add_new(session, AkteKey, new, key=("tenant_id", "plan", "hash"))


def _owner(session: Session, tenant: str, plan: str, keys: list[str]) -> UUID | None:
    """The Akte that one of the hashes belongs to."""
    asked = {"tenant": tenant, "plan": plan, "hashes": keys}
    owner: UUID | None = session.connection().execute(_OWNER, asked).scalar()
    return owner


def note_on_case(session: Session, case: Case, found: Found, led_by: str) -> None:
    """The case carries the Aktenzeichen, unless the application's own number leads."""
    if case.aktenzeichen is None and led_by != "dms":
        rows.change_case(session, case, aktenzeichen=found.aktenzeichen)
