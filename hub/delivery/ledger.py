"""The ledger's writes: `started` is committed before a call, `done` before the next step, one row for every attempt."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Insert, bindparam, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from connectors import Outcome, PlannedStep
from hub.cases import content, rows
from hub.catalogue.service import Target
from hub.delivery.model import Delivery, DeliveryAttempt, DeliveryStep, FarNumber
from hub.kit.clock import now
from hub.kit.database import new_id
from hub.kit.keys import DataKey
from hub.kit.pipeline import later

_STEPS = select(DeliveryStep.step, DeliveryStep.state, DeliveryStep.result).where(
    DeliveryStep.delivery_id == bindparam("delivery")
)
_STEP_DONE = later(
    update(DeliveryStep.__table__)  # type: ignore[arg-type]
    .where(DeliveryStep.delivery_id == bindparam("delivery"), DeliveryStep.step == bindparam("which"))
    .values(state="done", result=bindparam("saved"), done_at=bindparam("at"))
)
_CLOSE = later(
    update(Delivery.__table__)  # type: ignore[arg-type]
    .where(Delivery.id == bindparam("delivery"))
    .values(
        state=bindparam("now_state"),
        outcome=bindparam("now_outcome"),
        say=bindparam("now_say"),
        tries=Delivery.tries + 1,
        expected_by=bindparam("receipt_by"),
        finished_at=bindparam("ended"),
    )
)


def _open(make: type[postgresql.Insert] | type[sqlite.Insert]) -> Insert:
    names = ("id", "tenant_id", "case_id", "operation", "created_at", "instance", "instance_version", "connector")
    values: dict[str, Any] = {name: bindparam(name) for name in names}
    statement = make(Delivery).values(values | {"tries": 0, "state": "running"})
    pinned = {name: statement.excluded[name] for name in ("instance", "instance_version", "connector", "state")}
    again = statement.on_conflict_do_update(index_elements=["id"], set_=pinned)
    return again.returning(Delivery.tries, Delivery.created_at)


_OPEN = {"postgresql": _open(postgresql.Insert), "sqlite": _open(sqlite.Insert)}


def open_delivery(
    session: Session, *, tenant: str, delivery_id: UUID, case_id: UUID, target: Target, operation: str
) -> tuple[int, bool]:
    """Make sure the delivery has its row, pinned to the target's present version.

    Gives how often it was tried so far, and whether it is new: then it has no steps yet.
    """
    at = now()
    values = {
        "id": delivery_id,
        "tenant_id": tenant,
        "case_id": case_id,
        "operation": operation,
        "created_at": at,
        "instance": target.name,
        "instance_version": target.version,
        "connector": target.connector,
    }
    row = session.connection().execute(_OPEN[session.get_bind().dialect.name], values).one()
    return row.tries, row.created_at == at


def steps(session: Session, delivery_id: UUID, key: DataKey) -> dict[str, tuple[str, dict[str, Any]]]:
    """The steps begun so far: id to (state, saved values)."""
    found = session.connection().execute(_STEPS, {"delivery": delivery_id})
    return {step: (state, content.open_json(key, result) if result else {}) for step, state, result in found}


def mark_started(session: Session, *, tenant: str, delivery_id: UUID, step: PlannedStep, position: int) -> None:
    """Before the call: from here on the outcome may be unknown."""
    rows.put(
        session,
        DeliveryStep,
        {
            "delivery_id": delivery_id,
            "step": step.id,
            "tenant_id": tenant,
            "position": position,
            "state": "started",
            "started_at": now(),
            "done_at": None,
        },
        key=("delivery_id", "step"),
        change=("state", "started_at", "done_at"),
    )


def mark_done(session: Session, delivery_id: UUID, step: str, saved: Mapping[str, Any], key: DataKey) -> None:
    """The step's result is known and kept."""
    session.connection().execute(
        _STEP_DONE,
        {
            "delivery": delivery_id,
            "which": step,
            "saved": content.seal_json(key, dict(saved)),
            "at": now(),
        },
    )


def mark(session: Session, delivery_id: UUID, step: str, state: str) -> None:
    """`unknown` or `failed`."""
    session.execute(
        update(DeliveryStep)
        .where(DeliveryStep.delivery_id == delivery_id, DeliveryStep.step == step)
        .values(state=state)
    )


def unplan(session: Session, delivery_id: UUID, step: str) -> None:
    """The step certainly had no effect: it may be begun again."""
    session.execute(delete(DeliveryStep).where(DeliveryStep.delivery_id == delivery_id, DeliveryStep.step == step))


def attempt(
    session: Session, *, tenant: str, delivery_id: UUID, step: str, at: datetime, milliseconds: int, outcome: Outcome
) -> None:
    """One row a call, success or not."""
    rows.add(
        session,
        DeliveryAttempt,
        {
            "id": new_id(),
            "tenant_id": tenant,
            "delivery_id": delivery_id,
            "step": step,
            "at": at,
            "milliseconds": milliseconds,
            "outcome": outcome.kind,
            "status": outcome.status,
            "say": outcome.say or None,
            "detail": outcome.detail or None,
            "request": outcome.request or None,
            "answer": outcome.answer or None,
        },
    )


def close(
    session: Session, delivery_id: UUID, *, state: str, outcome: Outcome, expected_by: datetime | None = None
) -> None:
    """How the delivery stands after an attempt."""
    session.connection().execute(
        _CLOSE,
        {
            "delivery": delivery_id,
            "now_state": state,
            "now_outcome": outcome.kind,
            "now_say": outcome.say or None,
            "receipt_by": expected_by,
            "ended": now() if state in {"delivered", "handed-over", "failed"} else None,
        },
    )


def remember_numbers(
    session: Session, *, tenant: str, instance: str, case_id: UUID, numbers: Mapping[str, Any]
) -> None:
    """Numbers by which the far system will name the case."""
    known = [
        {
            "tenant_id": tenant,
            "instance": instance,
            "name": name,
            "value": value,
            "case_id": case_id,
            "created_at": now(),
        }
        for name, value in numbers.items()
        if isinstance(value, str) and 0 < len(value) <= 160
    ]
    if known:
        rows.add_new(session, FarNumber, known, key=("tenant_id", "instance", "name", "value"))
