"""Recording, sealing and proving the audit trail.

A hash chain per tenant: ``digest(n) = SHA-256(digest(n-1) | n | canonical bytes of entry n)``. Entries are chained
after their commit by one sealer at a time, so that business transactions never wait for each other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import orjson
from sqlalchemy import bindparam, func, insert, select, text, update
from sqlalchemy.orm import Session

from hub.audit.model import AuditEntry, AuditHead
from hub.kit.clock import now
from hub.kit.database import Database, new_id
from hub.kit.pipeline import later
from hub.kit.settings import settings

BATCH = 500
_SEALER = 0x0A0D17  # key of the advisory lock that makes the sealer the only one
_START = bytes(32)

_INSERT = later(
    insert(AuditEntry).values(
        {name: bindparam(name) for name in ("id", "tenant_id", "at", "actor", "action", "subject", "detail")}
    )
)
# One statement a batch instead of one an entry.
_PLACE_ALL = text(
    "UPDATE audit_entry AS e SET position = v.place, digest = v.sum FROM unnest("
    "CAST(:entrys AS uuid[]), CAST(:places AS bigint[]), CAST(:sums AS bytea[])) AS v(id, place, sum) WHERE e.id = v.id"
)
_PLACE = (
    update(AuditEntry.__table__)  # type: ignore[arg-type]
    .where(AuditEntry.id == bindparam("entry"))
    .values(position=bindparam("place"), digest=bindparam("sum"))
)
_COLUMNS = (
    AuditEntry.id, AuditEntry.tenant_id, AuditEntry.at, AuditEntry.actor,
    AuditEntry.action, AuditEntry.subject, AuditEntry.detail,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Verdict:
    """What ``verify`` found. ``first_break`` names tenant, position and kind of the first fault in German."""

    ok: bool
    sealed: int
    unsealed: int
    first_break: str | None
    heads: Mapping[str, str]


def record(
    session: Session,
    *,
    actor: str,
    action: str,
    subject: str,
    tenant: str | None = None,
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Note one act in the caller's transaction. ``detail`` holds ids and codes, never content or applicants' names."""
    session.connection().execute(
        _INSERT,
        {
            "id": new_id(),
            "tenant_id": tenant or settings().tenant,
            "at": now(),
            "actor": actor,
            "action": action,
            "subject": subject,
            "detail": dict(detail) if detail else None,
        },
    )


def seal(db: Database, *, limit: int = 100_000) -> int:
    """Chain committed entries, in batches; gives their number. Returns at once when another sealer is at work."""
    total = 0
    while total < limit:
        with db.write() as session:
            count = _seal_batch(session)
        total += count
        if count < BATCH:
            break
    return total


def verify(db: Database) -> Verdict:
    """Prove every chain: finds altered, removed, inserted and re-ordered entries, and counts the unsealed tail."""
    sealed, heads = 0, {}
    with db.read() as session:
        ends = {head.tenant_id: head for head in session.scalars(select(AuditHead))}
        tenants = set(ends) | set(session.scalars(select(AuditEntry.tenant_id).distinct()))
        fault: str | None = None
        for tenant in sorted(tenants):
            end = ends.get(tenant)
            # Entries sealed while this runs lie behind the head read above: they are not looked at.
            last = end.position if end else 0
            digest, place = _START, 0
            for row in _sealed(session, tenant, last):
                place += 1
                if row.position != place:
                    fault = fault or f"{tenant}: Eintrag {place} fehlt (gefunden: {row.position})"
                    place = row.position
                digest = _digest(digest, place, row)
                if digest != row.digest:
                    fault = fault or f"{tenant}: Eintrag {place} wurde verändert, eingefügt oder vertauscht"
                    digest = row.digest or b""
                sealed += 1
            if end and (place != last or digest != end.digest):
                fault = fault or f"{tenant}: Das Ende der Kette fehlt (erwartet {last}, gefunden {place})"
            heads[tenant] = digest.hex()
        unsealed = session.scalar(select(func.count()).where(AuditEntry.position.is_(None))) or 0
    return Verdict(fault is None, sealed, unsealed, fault, heads)


def _seal_batch(session: Session) -> int:
    if session.get_bind().dialect.name == "postgresql":
        free = session.scalar(text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": _SEALER})
        if not free:
            return 0
    rows = session.execute(
        select(*_COLUMNS).where(AuditEntry.position.is_(None)).order_by(AuditEntry.id).limit(BATCH)
    ).all()
    if not rows:
        return 0
    places: list[dict[str, Any]] = []
    for tenant, entries in groupby(sorted(rows, key=lambda row: row.tenant_id), key=lambda row: row.tenant_id):
        head = session.get(AuditHead, tenant)
        if head is None:
            head = AuditHead(tenant_id=tenant, position=0, digest=_START, sealed_at=now())
            session.add(head)
        place, digest = head.position, head.digest
        for row in entries:
            place += 1
            digest = _digest(digest, place, row)
            places.append({"entry": row.id, "place": place, "sum": digest})
        head.position, head.digest, head.sealed_at = place, digest, now()
    if session.get_bind().dialect.name == "postgresql":
        columns = {f"{name}s": [place[name] for place in places] for name in ("entry", "place", "sum")}
        session.connection().execute(_PLACE_ALL, columns)
    else:
        session.connection().execute(_PLACE, places)
    return len(rows)


def _sealed(session: Session, tenant: str, last: int) -> Iterator[Any]:
    """Sealed entries of a tenant in order, page by page, so that memory stays flat."""
    after = 0
    while True:
        page = session.execute(
            select(*_COLUMNS, AuditEntry.position, AuditEntry.digest)
            .where(AuditEntry.tenant_id == tenant, AuditEntry.position > after, AuditEntry.position <= last)
            .order_by(AuditEntry.position)
            .limit(2000)
        ).all()
        yield from page
        if len(page) < 2000:
            return
        after = page[-1].position


def _digest(before: bytes, place: int, row: Any) -> bytes:
    """The chain's next link. Canonical form: JSON array with sorted keys, instants in UTC with microseconds."""
    at = row.at.isoformat(timespec="microseconds")
    members = [str(row.id), row.tenant_id, at, row.actor, row.action, row.subject, row.detail]
    canonical = orjson.dumps(members, option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(before + place.to_bytes(8, "big") + canonical).digest()
