"""What a transaction does with statements nobody waits for, and with what it has read already."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import Table, func, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from hub.kit import once
from hub.kit.database import Base, Database, new_id
from hub.kit.model import DataKeyRow
from hub.kit.pipeline import later

TABLE = DataKeyRow.__table__
assert isinstance(TABLE, Table)
ADD = later(insert(TABLE))
COUNT = select(func.count()).select_from(TABLE)


@pytest.fixture(params=["sqlite", "postgresql"])
def db(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    url = f"sqlite:///{tmp_path / 'hub.db'}" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    database = Database(url)
    DataKeyRow.metadata.create_all(database.engine, tables=[Base.metadata.tables["data_key"]])
    yield database
    database.dispose()


def add(session: Session, key_id: UUID | None = None) -> UUID:
    row = {"id": key_id or new_id(), "tenant_id": "worms", "wrapped": b"x", "created_at": datetime.now(UTC)}
    session.connection().execute(ADD, row)
    return row["id"]  # type: ignore[return-value]


def rows(db: Database) -> int:
    with db.read() as session:
        return session.scalar(COUNT) or 0


def test_a_reader_sees_what_was_queued_before_it(db: Database) -> None:
    with db.write() as session:
        for _ in range(3):
            add(session)
        assert session.scalar(COUNT) == 3


def test_an_error_of_a_queued_statement_stops_the_commit(db: Database) -> None:
    def twice() -> None:
        with db.write() as session:
            add(session, add(session))
            add(session)

    with pytest.raises(IntegrityError):
        twice()
    assert rows(db) == 0
    with db.write() as session:  # the connection is as good as before
        add(session)
    assert rows(db) == 1


def test_after_a_failed_savepoint_the_transaction_goes_on(db: Database) -> None:
    def three_of_which_one_is_there(session: Session, known: UUID) -> None:
        with session.begin_nested():
            add(session)
            add(session, known)
            add(session)

    for _ in range(10):  # the error shows at another place each time, as the answers happen to come
        with db.write() as session:
            known = add(session)
            with pytest.raises(IntegrityError):
                three_of_which_one_is_there(session, known)
            add(session)
    assert rows(db) == 20


def test_many_at_once_never_get_a_connection_that_still_waits_for_answers(db: Database) -> None:
    def one(_: int) -> None:
        with db.write() as session:
            add(session)

    with ThreadPoolExecutor(12) as pool:
        list(pool.map(one, range(120)))
    assert rows(db) == 120


def test_what_is_read_once_is_forgotten_with_the_transaction(db: Database) -> None:
    with db.write() as session:
        add(session)
        assert once.once(session, "keys", "all", lambda: session.scalar(COUNT)) == 1
        add(session)
        assert once.once(session, "keys", "all", lambda: session.scalar(COUNT)) == 1
        once.forget(session, "keys", "all")
        assert once.once(session, "keys", "all", lambda: session.scalar(COUNT)) == 2
    with db.write() as session:
        assert once.known(session, "keys", "all") is None
    with db.read() as session:
        assert once.once(session, "keys", "all", lambda: 1) == 1
        assert once.once(session, "keys", "all", lambda: 2) == 2
