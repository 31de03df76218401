"""Jobs of processing: advance a case, fire a timer."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy.orm import Session

from hub.cases import signals, vault
from hub.cases.kinds import ADVANCE, TIMER
from hub.cases.model import Case, Effect
from hub.jobs import Inside, Job
from hub.processing import service


def advance(session: Session, job: Job) -> None:
    """Let a case take the events that wait for it."""
    assert job.subject is not None
    service.advance(session, service.case_of(session, job.subject))


def fire_timer(session: Session, job: Job) -> None:
    """A due timer becomes an event for the engine, unless its wait was closed meanwhile."""
    effect = session.get(Effect, UUID(job.key))
    if effect is None or effect.state != "open":
        return
    case = session.get(Case, effect.case_id)
    assert case is not None
    signals.send(
        session,
        tenant=case.tenant_id,
        case_id=case.id,
        key=vault.key(session, case.data_key_id),
        kind="timer",
        wait=effect.wait,
        body={},
    )


HANDLERS = (Inside(ADVANCE, advance), Inside(TIMER, fire_timer))
