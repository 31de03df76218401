"""Sealed content of a case: everything personal passes through here on its way to and from the database."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from hub.cases import rows
from hub.cases.model import CaseData
from hub.kit.clock import now
from hub.kit.keys import DataKey
from hub.kit.once import know, known, once

_DATA = select(CaseData.name, CaseData.body).where(CaseData.case_id == bindparam("case"))


def _plain(value: object) -> object:
    if isinstance(value, Decimal | UUID | date | datetime):
        return str(value)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, set | frozenset | tuple):
        return list(value)
    raise TypeError(f"cannot be stored: {type(value).__name__}")


def to_bytes(value: object) -> bytes:
    """JSON bytes; decimals and dates become strings (FEEL and mappings read them back exactly)."""
    return orjson.dumps(value, default=_plain)


def seal_json(key: DataKey, value: object) -> bytes:
    """A JSON value, sealed with the case's data key."""
    return key.seal(to_bytes(value))


def open_json(key: DataKey, sealed: bytes) -> Any:
    """The value that `seal_json` sealed. Raises if it was altered."""
    return orjson.loads(key.open(sealed))


def put_data(session: Session, *, tenant: str, case_id: UUID, key: DataKey, name: str, value: object) -> None:
    """Keep an answer or result under its element id; a later one replaces it."""
    plain = to_bytes(value)
    if (present := known(session, "data", case_id)) is not None:
        know(session, "data", case_id, present | {name: orjson.loads(plain)})
    rows.put(
        session,
        CaseData,
        {"case_id": case_id, "name": name, "tenant_id": tenant, "body": key.seal(plain), "updated_at": now()},
        key=("case_id", "name"),
        change=("body", "updated_at"),
    )


def get_data(session: Session, case_id: UUID, key: DataKey) -> dict[str, Any]:
    """All answers and results of a case by element id; the application is under `application`."""

    def read() -> dict[str, Any]:
        found = session.connection().execute(_DATA, {"case": case_id})
        return {name: open_json(key, body) for name, body in found}

    return dict(once(session, "data", case_id, read))


def begin_data(session: Session, case_id: UUID) -> None:
    """The case is new: it has no data yet."""
    know(session, "data", case_id, {})
