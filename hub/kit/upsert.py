"""Insert, unless there or else change: what PostgreSQL and SQLite spell alike and SQLAlchemy keeps in two dialects.

Statements are built once per table and dialect. Rows go by column name, past the ORM's unit of work: defaults of the
columns apply, objects already loaded in the session do not notice the change.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from hub.kit.database import Base
from hub.kit.pipeline import later

Row = Mapping[str, Any]
Rows = Row | Sequence[Row]
Insert = postgresql.Insert | sqlite.Insert
DIALECTS = ("postgresql", "sqlite")


def add_new(session: Session, model: type[Base], rows: Rows, *, key: tuple[str, ...]) -> None:
    """Insert what is not there yet; a row with the same key stays as it is."""
    session.connection().execute(_later_unless_there(model, key, _dialect(session)), rows)


def put(
    session: Session, model: type[Base], row: Row, *, key: tuple[str, ...], change: tuple[str, ...] | None = None
) -> None:
    """Insert a row; one with the same key gets its values for the columns in ``change`` (all but the key) instead."""
    changed = change if change is not None else tuple(name for name in row if name not in key)
    session.connection().execute(_later_or_change(model, key, changed, _dialect(session)), row)


@lru_cache(maxsize=256)
def unless_there(model: type[Base], key: tuple[str, ...], dialect: str) -> Insert:
    """The statement of ``add_new``, for who adds a ``returning``."""
    return insert(model, dialect).on_conflict_do_nothing(index_elements=list(key))


@lru_cache(maxsize=256)
def or_change(model: type[Base], key: tuple[str, ...], change: tuple[str, ...], dialect: str) -> Insert:
    """The statement of ``put``, for who adds a ``returning``."""
    statement = insert(model, dialect)
    changed = {name: statement.excluded[name] for name in change}
    return statement.on_conflict_do_update(index_elements=list(key), set_=changed)


@lru_cache(maxsize=256)
def _later_unless_there(model: type[Base], key: tuple[str, ...], dialect: str) -> Insert:
    return later(unless_there(model, key, dialect))


@lru_cache(maxsize=256)
def _later_or_change(model: type[Base], key: tuple[str, ...], change: tuple[str, ...], dialect: str) -> Insert:
    return later(or_change(model, key, change, dialect))


def insert(model: type[Base], dialect: str) -> Insert:
    """The dialect's own insert, which knows what to do on a conflict."""
    table = model.__table__
    assert isinstance(table, Table)
    return postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)


def _dialect(session: Session) -> str:
    return session.connection().dialect.name
