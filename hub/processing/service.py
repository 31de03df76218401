"""A case takes its next step: pure engine step in, effects and state out, all in one transaction."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, delete, select, update
from sqlalchemy.orm import Session

import workflows
from hub.cases import content, deadlines, events, rows, vault
from hub.cases.facts import facts
from hub.cases.model import Case, Effect, Signal
from hub.kit.clock import now
from hub.kit.keys import DataKey
from hub.kit.pipeline import later
from hub.library import service as library
from hub.library.process import Process
from hub.processing import effects
from hub.processing.model import ProcessInstance
from workflows import Context, DeliveryDone, MessageReceived, Step, TaskDone, TimerFired

_STATE = select(ProcessInstance.state, ProcessInstance.revision).where(ProcessInstance.case_id == bindparam("case"))
_SIGNALS = (
    select(Signal.id, Signal.kind, Signal.wait, Signal.message, Signal.body)
    .where(Signal.case_id == bindparam("case"))
    .order_by(Signal.id)
)
_OVER = later(delete(ProcessInstance).where(ProcessInstance.case_id == bindparam("case")))
_TAKEN = later(delete(Signal).where(Signal.id == bindparam("signal")))
_WAIT_OVER = later(
    update(Effect.__table__)  # type: ignore[arg-type]
    .where(Effect.case_id == bindparam("case"), Effect.wait == bindparam("over"), Effect.state == "open")
    .values(state="done", done_at=bindparam("at"))
)


@dataclass(slots=True)
class Turn:
    """One advance of one case: what is read once and shared by all steps of the turn."""

    session: Session
    case: Case
    process: Process
    key: DataKey
    data: dict[str, Any]
    due: dict[str, datetime]

    def context(self) -> Context:
        return Context(
            now=now(),
            instance=str(self.case.id),
            application=self.data.get("application", {}),
            case=facts(self.case, deadlines={name: at.date().isoformat() for name, at in self.due.items()}),
            data={name: value for name, value in self.data.items() if name != "application"},
            deadlines=self.due,
        )


def advance(session: Session, case: Case) -> None:
    """Start the case's process, or give it the events that wait for it; the caller holds the case's lock."""
    if case.process_version_id is None or case.state in {"closed", "clearing"}:
        return
    process = library.load(session, case.process_version_id)
    key = vault.key(session, case.data_key_id)
    turn = Turn(session, case, process, key, _data(session, case, process, key), deadlines.instants(session, case.id))
    row = session.connection().execute(_STATE, {"case": case.id}).first()
    revision = row.revision if row else 0
    if row is None:
        step = process.model.start(turn.context())
        _take(turn, step, first=True)
        state = step.state
        done = step.done
    else:
        state, done = key.open(row.state), False
    if not done:
        state, done = _resume(turn, state)
    _keep(turn, state, revision, done)


def _data(session: Session, case: Case, process: Process, key: DataKey) -> dict[str, Any]:
    """Only what the model's expressions read is decrypted."""
    if not process.model.reads & {"application", "data"}:
        return {}
    return content.get_data(session, case.id, key)


def _resume(turn: Turn, state: bytes) -> tuple[bytes, bool]:
    """Take every waiting signal in the order it came; a message nobody waits for yet stays."""
    progress, done = True, False
    # Read once: who adds a signal later asks for the case's next turn in the same transaction.
    waiting = list(turn.session.connection().execute(_SIGNALS, {"case": turn.case.id}))
    while progress and not done:
        progress = False
        for row in list(waiting):
            event = _event(turn, row)
            if event is None:
                continue
            step = turn.process.model.resume(state, event, turn.context())
            turn.session.connection().execute(_TAKEN, {"signal": row.id})
            waiting.remove(row)
            if step.stale:
                continue
            progress = True
            _close_wait(turn, event.wait)
            _take(turn, step)
            state, done = step.state, step.done
            if done:
                break
    return state, done


def _event(turn: Turn, row: Any) -> workflows.Event | None:
    body = content.open_json(turn.key, row.body)
    match row.kind:
        case "task":
            return TaskDone(row.wait, body["variables"])
        case "delivery":
            return DeliveryDone(row.wait, body["outcome"], body.get("variables", {}))
        case "timer":
            return TimerFired(row.wait)
    wait = turn.session.scalar(
        select(Effect.wait)
        .where(
            Effect.case_id == turn.case.id,
            Effect.kind == "message-wait",
            Effect.state == "open",
            Effect.element.is_not(None),
            Effect.spec["message"].as_string() == row.message,
        )
        .order_by(Effect.id)
        .limit(1)
    )
    return MessageReceived(wait, row.message, body) if wait else None


def _close_wait(turn: Turn, wait: str) -> None:
    turn.session.connection().execute(_WAIT_OVER, {"case": turn.case.id, "over": wait, "at": now()})


def _take(turn: Turn, step: Step, *, first: bool = False) -> None:
    """Write what a step did to the case's story and turn its effects into rows and jobs."""
    visited = [entry.element for entry in step.history if entry.kind != "flow"]
    if visited:
        events.record(
            turn.session,
            tenant=turn.case.tenant_id,
            case_id=turn.case.id,
            kind="process.started" if first else "process.step",
            summary="Prozess gestartet" if first else "Prozessschritt",
            detail={
                "visited": [[entry.element, entry.kind, list(entry.names)] for entry in step.history],
                "version": turn.process.profile.version,
            },
        )
    effects.apply(turn.session, turn.case, turn.process, turn.key, step)


def _keep(turn: Turn, state: bytes, revision: int, done: bool) -> None:
    if done:
        if revision:
            turn.session.connection().execute(_OVER, {"case": turn.case.id})
        return
    rows.put(
        turn.session,
        ProcessInstance,
        {
            "case_id": turn.case.id,
            "tenant_id": turn.case.tenant_id,
            "state": turn.key.seal(state),
            "revision": revision + 1,
            "updated_at": now(),
        },
        key=("case_id",),
        change=("state", "revision", "updated_at"),
    )


def case_of(session: Session, case_id: UUID) -> Case:
    """The case. Raises LookupError."""
    case = rows.case_of(session, case_id)
    if case is None:
        raise LookupError(f"case {case_id}")
    return case
