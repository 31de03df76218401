"""The append-only story of a case; what is public also goes to the applicant's portal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from hub import jobs
from hub.cases import rows
from hub.cases.kinds import PUSH
from hub.cases.model import CaseEvent
from hub.kit.clock import now
from hub.kit.database import new_id


def record(
    session: Session,
    *,
    tenant: str,
    case_id: UUID,
    kind: str,
    summary: str,
    actor: str = "hub",
    element: str | None = None,
    detail: Mapping[str, Any] | None = None,
    body: bytes | None = None,
    public: bool = False,
    dedupe: str | None = None,
    push: bool | None = None,
) -> None:
    """Append one event. `summary` is German, for people, and names no person; `dedupe` makes a repetition a no-op.

    A public event asks for a push to the portal unless `push` is False (several events in one step are told once).
    """
    event = {
        "id": new_id(),
        "tenant_id": tenant,
        "case_id": case_id,
        "at": now(),
        "kind": kind,
        "actor": actor,
        "element": element,
        "summary": summary,
        "detail": dict(detail) if detail else None,
        "body": body,
        "public": public,
        "dedupe": dedupe,
    }
    if dedupe is None:
        rows.add(session, CaseEvent, event)
    else:
        rows.add_new(session, CaseEvent, event, key=("case_id", "dedupe"))
    if public if push is None else push:
        jobs.enqueue(session, PUSH, str(case_id), case_id, tenant=tenant)
