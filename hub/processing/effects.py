"""What the engine asked for becomes rows and jobs; slices pick them up by kind and never see the engine."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid5

from sqlalchemy import bindparam, select, update
from sqlalchemy.orm import Session

import workflows
from hub import audit, jobs
from hub.cases import content, deadlines, events, rows
from hub.cases.kinds import FILE, NOTICE, SEND, TIMER
from hub.cases.model import Case, Effect
from hub.kit.clock import now
from hub.kit.keys import DataKey
from hub.library.expressions import value_or
from hub.library.process import Process

_WAITING = select(Effect.wait).where(Effect.case_id == bindparam("case"), Effect.state == "open")
_JOBS = {"delivery": SEND, "file": FILE, "notice": NOTICE}


def effect_id(case_id: UUID, wait: str) -> UUID:
    """The effect's id: derived from case and wait, so that the same step always asks for the same effect."""
    return uuid5(case_id, wait)


def apply(session: Session, case: Case, process: Process, key: DataKey, step: workflows.Step) -> None:
    """Write the effects of one step."""
    effects: list[dict[str, Any]] = []
    for effect in step.effects:
        match effect:
            case workflows.Cancel():
                _cancel(session, case, effect.closes)
            case workflows.Ended():
                _ended(session, case, effect.outcome)
            case _:
                effects.append(_row(session, case, key, effect, step))
    if effects:
        rows.add(session, Effect, effects)
    _follow_routing(session, case, step)


def _row(session: Session, case: Case, key: DataKey, effect: Any, step: workflows.Step) -> dict[str, Any]:
    row: dict[str, Any] = {
        "id": effect_id(case.id, effect.wait),
        "tenant_id": case.tenant_id,
        "case_id": case.id,
        "wait": effect.wait,
        "element": effect.element,
        "name": effect.name[:200],
        "state": "open",
        "body": None,
        "department": None,
        "role": None,
        "due_at": None,
        "created_at": now(),
        "kind": "",
        "spec": {},
    }
    match effect:
        case workflows.UserTask():
            row |= {
                "kind": "user-task",
                "role": effect.role,
                "due_at": effect.due,
                "department": effect.department or case.department,
                "spec": {"form": effect.form, "not_by": list(effect.not_by), "variables": list(effect.variables)},
                "body": content.seal_json(key, {"variables": step.variables}),
            }
        case workflows.Delivery():
            filing = effect.operation == "file" and effect.connector == "dms"
            row |= {
                "kind": "delivery",
                "spec": {
                    "connector": effect.connector,
                    "operation": effect.operation,
                    "variables": list(effect.variables),
                },
                "body": content.seal_json(key, {"input": effect.input, "variables": step.variables}),
            }
            _enqueue(session, case, row, "file" if filing else "delivery")
        case workflows.Notice():
            row |= {
                "kind": "notice",
                "spec": {"template": effect.template, "document": effect.document},
                "body": content.seal_json(key, {"input": effect.input, "variables": step.variables}),
            }
            _enqueue(session, case, row, "notice")
        case workflows.Timer():
            row |= {"kind": "timer", "spec": {"deadline": effect.deadline}, "due_at": effect.due}
            if effect.due is not None:
                jobs.enqueue(session, TIMER, str(row["id"]), case.id, due=effect.due, tenant=case.tenant_id)
        case workflows.MessageWait():
            row |= {"kind": "message-wait", "spec": {"message": effect.message}}
    return row


def _enqueue(session: Session, case: Case, row: dict[str, Any], what: str) -> None:
    jobs.enqueue(session, _JOBS[what], str(row["id"]), case.id, tenant=case.tenant_id)


def _cancel(session: Session, case: Case, wait: str) -> None:
    row = session.execute(
        update(Effect)
        .where(Effect.case_id == case.id, Effect.wait == wait, Effect.state == "open")
        .values(state="cancelled", done_at=now())
        .returning(Effect.id, Effect.kind)
    ).first()
    if row is None:
        return
    for kind in {"timer": (TIMER,), "delivery": (SEND, FILE), "notice": (NOTICE,)}.get(row.kind, ()):
        jobs.cancel(session, kind, str(row.id), tenant=case.tenant_id)


def _ended(session: Session, case: Case, outcome: str) -> None:
    open_waits = session.connection().execute(_WAITING, {"case": case.id}).scalars().all()
    for wait in open_waits:
        _cancel(session, case, wait)
    rows.change_case(session, case, state="closed", outcome=outcome, closed_at=now())
    deadlines.close_all(session, case.id)
    events.record(
        session,
        tenant=case.tenant_id,
        case_id=case.id,
        kind="closed",
        public=True,
        summary="Ihr Vorgang ist abgeschlossen.",
        detail={"outcome": outcome},
    )
    audit.record(
        session,
        actor="hub",
        action="case.closed",
        subject=str(case.id),
        tenant=case.tenant_id,
        detail={"outcome": outcome},
    )


def _follow_routing(session: Session, case: Case, step: workflows.Step) -> None:
    """A case follows the department its process routed it to (process variable `department`)."""
    department = value_or("department", None, step.variables) if "department" in step.variables else None
    if isinstance(department, str) and department and department != case.department:
        session.execute(
            update(Effect)
            .where(
                Effect.case_id == case.id,
                Effect.kind == "user-task",
                Effect.state == "open",
                Effect.department == case.department,
            )
            .values(department=department)
        )
        rows.change_case(session, case, department=department)
