"""The audit trail: recorded inside transactions, sealed after them, and no change stays unnoticed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import delete, func, select, update

from hub.audit import record, seal, verify
from hub.audit.model import AuditEntry, AuditHead
from hub.kit.clock import now
from hub.kit.database import Database, new_id


def note(db: Database, count: int, tenant: str = "worms", first: int = 0) -> None:
    with db.write() as session:
        for number in range(first, first + count):
            record(session, actor="user:1", action="case.read", subject=f"case:{number}", tenant=tenant,
                   detail={"count": number, "amount": 1.50, "why": "Prüfung"})  # fmt: skip


@pytest.fixture
def sealed(db: Database) -> Database:
    note(db, 20)
    assert seal(db) == 20
    return db


def entry(db: Database, position: int) -> AuditEntry:
    with db.read() as session:
        return session.scalars(select(AuditEntry).where(AuditEntry.position == position)).one()


def test_an_untouched_trail_is_proven_and_its_tail_is_counted(sealed: Database) -> None:
    note(sealed, 3, first=20)
    verdict = verify(sealed)
    assert (verdict.ok, verdict.sealed, verdict.unsealed, verdict.first_break) == (True, 20, 3, None)


def test_what_is_rolled_back_was_never_recorded(db: Database) -> None:
    with pytest.raises(ZeroDivisionError), db.write() as session:  # noqa: PT012 - the block is what rolls back
        record(session, actor="a", action="b", subject="c")
        _ = 1 / 0
    assert verify(db).unsealed == 0


def test_each_tenant_has_a_chain_of_its_own(sealed: Database) -> None:
    note(sealed, 5, tenant="speyer")
    seal(sealed)
    verdict = verify(sealed)
    assert verdict.ok
    assert set(verdict.heads) == {"speyer", "worms"}


@pytest.mark.parametrize(
    ("column", "value"),
    [("actor", "user:2"), ("action", "case.write"), ("subject", "case:99"), ("detail", {"count": 0}), ("at", now())],
)
def test_an_altered_entry_is_found(sealed: Database, column: str, value: object) -> None:
    with sealed.write() as session:
        session.execute(update(AuditEntry).where(AuditEntry.position == 7).values({column: value}))
    assert "Eintrag 7" in (verify(sealed).first_break or "")


def test_a_removed_entry_is_found(sealed: Database) -> None:
    with sealed.write() as session:
        session.execute(delete(AuditEntry).where(AuditEntry.position == 7))
    assert "Eintrag 7 fehlt" in (verify(sealed).first_break or "")


def test_a_removed_end_is_found(sealed: Database) -> None:
    with sealed.write() as session:
        session.execute(delete(AuditEntry).where(AuditEntry.position > 17))
    assert "Ende der Kette" in (verify(sealed).first_break or "")


def test_an_emptied_table_is_found(sealed: Database) -> None:
    with sealed.write() as session:
        session.execute(delete(AuditEntry))
    assert not verify(sealed).ok


def test_an_entry_added_behind_the_sealer_is_found(sealed: Database) -> None:
    with sealed.write() as session:
        session.add(AuditEntry(id=new_id(), tenant_id="worms", at=now(), actor="x", action="y", subject="z",
                               position=21, digest=bytes(32)))  # fmt: skip
        session.execute(update(AuditHead).values(position=21))
    assert "Eintrag 21" in (verify(sealed).first_break or "")


def test_exchanged_entries_are_found(sealed: Database) -> None:
    one, other = entry(sealed, 4), entry(sealed, 5)
    with sealed.write() as session:
        for row, place in ((one, None), (other, 4), (one, 5)):
            session.execute(update(AuditEntry).where(AuditEntry.id == row.id).values(position=place))
    assert "Eintrag 4" in (verify(sealed).first_break or "")


def test_sealing_goes_on_while_entries_come_in(db: Database) -> None:
    with ThreadPoolExecutor(4) as pool:
        writing = [pool.submit(note, db, 5, first=5 * number) for number in range(20)]
        sealing = [pool.submit(seal, db) for _ in range(20)]
        for written in writing:
            written.result()
        for count in sealing:
            count.result()
    seal(db)
    with db.read() as session:
        places = session.scalars(select(AuditEntry.position).order_by(AuditEntry.position)).all()
        assert session.scalar(select(func.count()).where(AuditEntry.digest.is_(None))) == 0
    assert places == list(range(1, 101))
    assert verify(db).ok
