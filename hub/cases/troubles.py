"""Clearing items: what failed for good becomes a row with choices, seen by those who can act."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, update
from sqlalchemy.orm import Session

from hub.cases import rows
from hub.cases.model import Trouble
from hub.kit.clock import now
from hub.kit.database import new_id
from hub.kit.pipeline import later

_SOLVE = (
    update(Trouble.__table__)  # type: ignore[arg-type]
    .where(Trouble.tenant_id == bindparam("tenant"), Trouble.dedupe == bindparam("which"), Trouble.state == "open")
    .values(state="solved", solved_at=bindparam("at"), solved_by=bindparam("by"), solution=bindparam("how"))
)

_SETTLE = later(_SOLVE)

KLAERFALL = "klaerfall"  # for the department
STOERUNG = "stoerung"  # for IT


def open_trouble(
    session: Session,
    *,
    tenant: str,
    kind: str,
    code: str,
    title: str,
    message: str,
    dedupe: str,
    choices: Sequence[str],
    case_id: UUID | None = None,
    submission_id: UUID | None = None,
    effect_id: UUID | None = None,
    department: str | None = None,
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Open a clearing item, or reopen the one with the same `dedupe`; it is solved by a later success, not a click."""
    values = {
        "kind": kind,
        "code": code,
        "title": title,
        "message": message,
        "choices": list(choices),
        "case_id": case_id,
        "submission_id": submission_id,
        "effect_id": effect_id,
        "department": department,
        "detail": dict(detail) if detail else None,
        "state": "open",
        "created_at": now(),
        "solved_at": None,
        "solved_by": None,
        "solution": None,
    }
    row = {"id": new_id(), "tenant_id": tenant, "dedupe": dedupe} | values
    rows.put(session, Trouble, row, key=("tenant_id", "dedupe"), change=tuple(values))


def settle(session: Session, *, tenant: str, dedupe: str, by: str, solution: str) -> None:
    """Mark the item solved if there is one and it is open: after a success, which rarely had one."""
    values = {"tenant": tenant, "which": dedupe, "at": now(), "by": by, "how": solution}
    session.connection().execute(_SETTLE, values)


def solve(session: Session, *, tenant: str, dedupe: str, by: str, solution: str) -> bool:
    """Mark an open item solved; says whether there was one."""
    done = session.connection().execute(
        _SOLVE, {"tenant": tenant, "which": dedupe, "at": now(), "by": by, "how": solution}
    )
    return bool(done.rowcount)
