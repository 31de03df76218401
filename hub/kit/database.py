"""Database access: column types, the declarative base and transactions for PostgreSQL and SQLite.

Services receive a session and never commit; ``Database.write()`` at the edge does.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import JSON, DateTime, Dialect, Engine, LargeBinary, MetaData, Uuid, create_engine, event
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.orm import DeclarativeBase, ORMExecuteState, Session, sessionmaker
from sqlalchemy.types import TypeDecorator
from uuid_utils.compat import uuid7

from hub.kit import once, pipeline

__all__ = ["Base", "Bytes", "Database", "Instant", "JsonText", "Uuid", "is_transient", "new_id", "normal_url"]

AfterCommit = Callable[[dict[Any, Any]], None]
InSession = Callable[[Session], None]

_NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    """Base of all tables. Constraints get predictable names, so migrations can address them on both databases."""

    metadata = MetaData(naming_convention=_NAMES)


class Instant(TypeDecorator[datetime]):
    """An instant: aware UTC in, aware UTC out. SQLite keeps it as naive UTC text, PostgreSQL as timestamptz."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse naive values: nobody can tell which instant they mean."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("naive datetime: instants are stored in UTC and need a time zone")
        utc = value if value.tzinfo is UTC else value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """PostgreSQL answers in the session's zone (set to UTC), SQLite without one."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


JsonText = JSON().with_variant(JSONB(), "postgresql")
Bytes = LargeBinary


def new_id() -> UUID:
    """A new UUIDv7: ordered by time, so that indexes grow at their end (RFC 9562 §5.7)."""
    return uuid7()


def normal_url(url: str) -> URL:
    """``url`` with the drivers this project uses: psycopg 3 and the stdlib's sqlite3."""
    parsed = make_url(url)
    if parsed.drivername in {"postgresql", "postgres"}:
        return parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername not in {"postgresql+psycopg", "sqlite"}:
        raise ValueError(f"unsupported database {parsed.drivername!r}: expected postgresql:// or sqlite:///path")
    return parsed


# Serialization failure, deadlock, lock not available, too many connections, server shutting down or starting.
_TRY_AGAIN = {"40001", "40P01", "55P03", "53300", "57P01", "57P02", "57P03"}


def is_transient(error: BaseException) -> bool:
    """True when the same transaction may succeed later: connection lost, deadlock, lock timeout, server restart."""
    if not isinstance(error, DBAPIError):
        return False
    if error.connection_invalidated:
        return True
    if isinstance(error.orig, sqlite3.OperationalError):
        return error.orig.sqlite_errorcode & 0xFF in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
    state = getattr(error.orig, "sqlstate", None)
    # A connection that never came about has no SQLSTATE.
    return state in _TRY_AGAIN or (isinstance(error, OperationalError) and state is None)


class Database:
    """One database and its transactions. Thread-safe; survives a fork by forgetting the parent's connections."""

    def __init__(self, url: str, *, pool_size: int = 5, pool_overflow: int = 10, pool_timeout_s: float = 30) -> None:
        self.url = normal_url(url)
        self.dialect: str = "postgresql" if self.url.drivername.startswith("postgresql") else "sqlite"
        if self.dialect == "sqlite" and not self.url.database:
            raise ValueError("SQLite needs a file: connections in memory do not share their content")
        self.engine = self._engine(pool_size, pool_overflow, pool_timeout_s)
        self._reading = self.engine.execution_options(
            **({"isolation_level": "AUTOCOMMIT"} if self.dialect == "postgresql" else {"hub_read": True})
        )
        self._write = sessionmaker(self.engine, expire_on_commit=False)
        self._read = sessionmaker(self._reading, expire_on_commit=False, autoflush=False, class_=_ReadSession)
        self.after_begin: list[InSession] = []
        self.before_commit: list[InSession] = []
        self.after_commit: list[AfterCommit] = []
        self._turn = _Turn()
        _live.add(self)

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A transaction: committed at the end of the block, rolled back by an exception.

        Callables in ``after_begin`` and ``before_commit`` get the session and may use it; after the commit those in
        ``after_commit`` get ``session.info``. SQLite writers of one process queue
        up here (its own waiting is unfair and sleeps); a nested ``write()`` in one thread is refused there.
        """
        if self.dialect == "sqlite":
            with self._turn, self._write() as session:
                yield from self._within(session)
        else:
            # The connection is held longer than the commit: it must leave its pipeline before others get it.
            with (
                self.engine.connect() as connection,
                self._write(bind=connection) as session,
                pipeline.open_for(connection),
            ):
                yield from self._within(session)
        for tell in self.after_commit:
            tell(session.info)

    def _within(self, session: Session) -> Iterator[Session]:
        once.begin(session)
        for tell in self.after_begin:
            tell(session)
        yield session
        for tell in self.before_commit:
            tell(session)
        session.commit()

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session that only reads. Nothing is committed; writing through it raises ``RuntimeError``."""
        with self._read() as session:
            yield session

    def dispose(self) -> None:
        """Close all connections of this process."""
        self.engine.dispose()

    def after_fork(self) -> None:
        """Forget (not close) connections that belong to the parent process; called by itself in every child."""
        self.engine.dispose(close=False)
        self._turn = _Turn()

    def _engine(self, pool_size: int, pool_overflow: int, pool_timeout_s: float) -> Engine:
        shared: dict[str, Any] = {
            "json_serializer": _dump_json,
            "json_deserializer": orjson.loads,
            "pool_size": pool_size,
            "max_overflow": pool_overflow,
            "pool_timeout": pool_timeout_s,
        }
        if self.dialect == "postgresql":
            engine = create_engine(
                self.url,
                connect_args={
                    "prepare_threshold": 2,
                    "connect_timeout": 5,
                    "application_name": "ozg-hub",
                    "keepalives_idle": 30,
                    "options": "-c timezone=UTC -c jit=off -c idle_in_transaction_session_timeout=300000",
                },
                **shared,
            )
            pipeline.prepare(engine)
            return engine
        engine = create_engine(self.url, connect_args={"timeout": 30}, **shared)
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine


class _ReadSession(Session):
    """Refuses to write, because on PostgreSQL reading happens outside a transaction."""


@event.listens_for(_ReadSession, "before_flush")
def _no_flush(session: Session, *_: object) -> None:
    raise RuntimeError("a read session must not write: use Database.write()")


@event.listens_for(_ReadSession, "do_orm_execute")
def _no_writing(state: ORMExecuteState) -> None:
    if state.is_insert or state.is_update or state.is_delete:
        raise RuntimeError("a read session must not write: use Database.write()")


class _Turn:
    """A lock that names the mistake when one thread opens a second writing transaction inside the first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._owner: int | None = None

    def __enter__(self) -> None:
        me = threading.get_ident()
        if self._owner == me:
            raise RuntimeError(
                "write() inside write() of the same thread: SQLite has one writer, it would wait for itself"
            )
        self._lock.acquire()
        self._owner = me

    def __exit__(self, *_: object) -> None:
        self._owner = None
        self._lock.release()


def _dump_json(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS).decode()


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    """Durable WAL; transactions are begun by us, because the driver's own start is deferred."""
    connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=30000"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Any) -> None:
    reading = connection.get_execution_options().get("hub_read")
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


_live: weakref.WeakSet[Database] = weakref.WeakSet()


def _forget_parents_connections() -> None:
    for database in list(_live):
        database.after_fork()


os.register_at_fork(after_in_child=_forget_parents_connections)
