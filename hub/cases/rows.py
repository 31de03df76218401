"""Writing rows on the hot path: statements built once, run on the connection, past the ORM's unit of work.

An ``insert(Model).values(...)`` through ``Session.execute`` costs about five times what the database needs. Values
are given by column name; defaults of the column apply. Objects already loaded in the session do not notice the change.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import Insert, Select, Table, Update, bindparam, insert, select, update
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import set_committed_value

from hub.cases.model import Case
from hub.kit.database import Base
from hub.kit.once import known, once
from hub.kit.pipeline import later
from hub.kit.upsert import Rows, add_new, put

M = TypeVar("M", bound=Base)
__all__ = ["add", "add_new", "case_of", "change_case", "put", "snapshot"]


def case_of(session: Session, case_id: UUID) -> Case | None:
    """The case, read once in a transaction: sessions hold objects weakly, so each job in it would read it anew."""
    return once(session, "case", case_id, lambda: snapshot(session, Case, case_id))


def snapshot(session: Session, model: type[M], row_id: UUID) -> M | None:
    """A row as an object of its own, a third of the price of ``Session.get``; what is set on it is written nowhere."""
    row = session.connection().execute(_whole(model), {"which": row_id}).first()
    return None if row is None else model(**row._mapping)


def change_case(session: Session, case: Case, **values: Any) -> None:
    """Change columns of a case, in the row and in the objects that the transaction holds of it."""
    session.connection().execute(
        _change(tuple(values)), {"which": case.id} | {f"new_{k}": v for k, v in values.items()}
    )
    for held in {case, known(session, "case", case.id) or case}:
        for name, value in values.items():
            set_committed_value(held, name, value)


def add(session: Session, model: type[Base], rows: Rows) -> None:
    """Insert one row, or several with the same columns."""
    session.connection().execute(_plain(model), rows)


@lru_cache(maxsize=16)
def _whole(model: type[Base]) -> Select[Any]:
    table = model.__table__
    return select(*table.c).where(table.c.id == bindparam("which"))


@lru_cache(maxsize=64)
def _change(names: tuple[str, ...]) -> Update:
    table = Case.__table__
    assert isinstance(table, Table)
    values: dict[str, Any] = {name: bindparam(f"new_{name}") for name in names}
    return later(update(table).where(table.c.id == bindparam("which")).values(values))


@lru_cache(maxsize=64)
def _plain(model: type[Base]) -> Insert:
    table = model.__table__
    assert isinstance(table, Table)
    return later(insert(table))
