"""Writing rows on the hot path: statements built once, run on the connection, past the ORM's unit of work.

An ``insert(Model).values(...)`` through ``Session.execute`` costs about five times what the database needs. Values
are given by column name; defaults of the column apply. Objects already loaded in the session do not notice the change.
"""

from __future__ import annotations

from functools import lru_cache
from uuid import UUID

from sqlalchemy import Insert, Table, insert
from sqlalchemy.orm import Session

from hub.cases.model import Case
from hub.kit.database import Base
from hub.kit.upsert import Rows, add_new, put

__all__ = ["add", "add_new", "case_of", "put"]

_CASE = "cases.read"


def case_of(session: Session, case_id: UUID) -> Case | None:
    """The case, read once in a transaction: sessions hold objects weakly, so each job in it would read it anew."""
    case: Case | None = session.info.get(_CASE, {}).get(case_id) or session.get(Case, case_id)
    if case is not None:
        session.info.setdefault(_CASE, {})[case_id] = case
    return case


def add(session: Session, model: type[Base], rows: Rows) -> None:
    """Insert one row, or several with the same columns."""
    session.connection().execute(_plain(model), rows)


@lru_cache(maxsize=64)
def _plain(model: type[Base]) -> Insert:
    table = model.__table__
    assert isinstance(table, Table)
    return insert(table)
