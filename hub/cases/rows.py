"""Writing rows on the hot path: statements built once, run on the connection, past the ORM's unit of work.

An ``insert(Model).values(...)`` through ``Session.execute`` costs about five times what the database needs. Values
are given by column name; defaults of the column apply. Objects already loaded in the session do not notice the change.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import Insert, Table, insert
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from hub.cases.model import Case
from hub.kit.database import Base

_CASE = "cases.read"
Row = Mapping[str, Any]
Rows = Row | Sequence[Row]


def case_of(session: Session, case_id: UUID) -> Case | None:
    """The case, read once in a transaction: sessions hold objects weakly, so each job in it would read it anew."""
    case: Case | None = session.info.get(_CASE, {}).get(case_id) or session.get(Case, case_id)
    if case is not None:
        session.info.setdefault(_CASE, {})[case_id] = case
    return case


def add(session: Session, model: type[Base], rows: Rows) -> None:
    """Insert one row, or several with the same columns."""
    session.connection().execute(_plain(model), rows)


def add_new(session: Session, model: type[Base], rows: Rows, *, key: tuple[str, ...]) -> None:
    """Insert what is not there yet; a row with the same key stays as it is."""
    session.connection().execute(_unless_there(model, key, _dialect(session)), rows)


def put(session: Session, model: type[Base], row: Row, *, key: tuple[str, ...], change: tuple[str, ...]) -> None:
    """Insert a row; one with the same key gets the values of the columns named in ``change`` instead."""
    session.connection().execute(_or_change(model, key, change, _dialect(session)), row)


def _dialect(session: Session) -> str:
    return session.connection().dialect.name


def _table(model: type[Base]) -> Table:
    table = model.__table__
    assert isinstance(table, Table)
    return table


def _special(model: type[Base], dialect: str) -> postgresql.Insert | sqlite.Insert:
    return postgresql.insert(_table(model)) if dialect == "postgresql" else sqlite.insert(_table(model))


@lru_cache(maxsize=64)
def _plain(model: type[Base]) -> Insert:
    return insert(_table(model))


@lru_cache(maxsize=64)
def _unless_there(model: type[Base], key: tuple[str, ...], dialect: str) -> Insert:
    return _special(model, dialect).on_conflict_do_nothing(index_elements=list(key))


@lru_cache(maxsize=64)
def _or_change(model: type[Base], key: tuple[str, ...], change: tuple[str, ...], dialect: str) -> Insert:
    statement = _special(model, dialect)
    changed = {name: statement.excluded[name] for name in change}
    return statement.on_conflict_do_update(index_elements=list(key), set_=changed)
