"""Events the engine still has to take: written by any slice, taken by processing in the order they came."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from hub import jobs
from hub.cases import rows
from hub.cases.content import seal_json
from hub.cases.kinds import ADVANCE
from hub.cases.model import Signal
from hub.kit.clock import now
from hub.kit.database import new_id
from hub.kit.keys import DataKey


def send(
    session: Session,
    *,
    tenant: str,
    case_id: UUID,
    key: DataKey,
    kind: str,
    wait: str | None = None,
    message: str | None = None,
    body: Mapping[str, Any],
) -> None:
    """Leave an event for the engine and a job that makes the case advance, both in the caller's transaction."""
    rows.add(
        session,
        Signal,
        {
            "id": new_id(),
            "tenant_id": tenant,
            "case_id": case_id,
            "kind": kind,
            "wait": wait,
            "message": message,
            "body": seal_json(key, body),
            "created_at": now(),
        },
    )
    jobs.enqueue(session, ADVANCE, str(case_id), case_id, tenant=tenant)
