"""The job that delivers: plan, call, record, and decide who acts next. No transaction is open during a call.

A step that may have happened is never blindly repeated: `repeat: never` asks the target first, everything else repeats
with the same idempotency key.
"""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy.orm import Session

import connectors
from connectors import Outcome, PlannedStep
from hub.cases import rows
from hub.cases.model import Effect
from hub.catalogue import service as catalogue
from hub.catalogue.service import NotConfiguredError
from hub.delivery import breaker, ledger, message, verdict
from hub.delivery.verdict import Sent
from hub.jobs import Job
from hub.jobs.lease import Lease
from hub.kit.clock import now
from hub.kit.database import Database

log = structlog.get_logger(__name__)
LEASE_S = 120
Begun = tuple[Sent, PlannedStep, bool]


def send(db: Database, job: Job, lease: Lease) -> None:
    """Carry an effect to its target, step by step, until it is delivered or somebody else has to act."""
    begun: Begun | None = lease.begun  # type: ignore[assignment] # what `begin` returned
    while begun is not None:
        sent, step, must_ask = begun
        at, clock = now(), time.perf_counter()
        outcome = _call(sent, step, must_ask)
        took = int((time.perf_counter() - clock) * 1000)
        with db.write() as session:  # `done` of this step and `started` of the next in one commit, before its call
            lease.hold_case(session)
            goes_on = _end(session, db, lease, sent, step, outcome, at, took, asked=must_ask)
            begun = begin(db, session, job, lease) if goes_on else None


def begin(db: Database, session: Session, job: Job, lease: Lease) -> Begun | None:
    """Everything for the next call, with `started` written; None when there is nothing to call now.

    The first time it runs in the transaction that claims the job.
    """
    effect = rows.snapshot(session, Effect, UUID(job.key))
    if effect is None or effect.state != "open":
        lease.finish(session)
        return None
    case = rows.case_of(session, effect.case_id)
    assert case is not None
    try:
        target = message.find_target(session, case, effect)
        instance = catalogue.instance(target)
        plan = connectors.plan(instance.manifest, effect.spec["operation"])
    except (NotConfiguredError, KeyError) as error:
        verdict.not_configured(session, effect, case, str(error).strip("'\""))
        lease.finish(session)
        return None
    health = breaker.look(session, case.tenant_id, target)
    if health.open_until is not None:
        lease.again(session, due=health.open_until)
        return None
    operation = effect.spec["operation"]
    tries, new = ledger.open_delivery(
        session, tenant=case.tenant_id, delivery_id=effect.id, case_id=case.id, target=target, operation=operation
    )
    key = verdict.case_key(session, case)
    begun = {} if new else ledger.steps(session, effect.id, key)
    saved: dict[str, Any] = {}
    position, step, state = len(plan) - 1, plan[-1], "done"  # all steps done, only the end was not recorded
    for place, candidate in enumerate(plan):
        known, result = begun.get(candidate.id, ("planned", {}))
        saved |= result
        if known != "done":
            position, step, state = place, candidate, known
            break
    text, attachments = message.build(session, db, effect, case, saved)
    sent = Sent(
        effect=effect,
        case=case,
        target=target,
        instance=instance,
        message=text,
        attachments=attachments,
        saved=saved,
        tries=tries,
        last=step.last,
        ailing=health.failures > 0,
    )
    must_ask = state in {"started", "unknown"} and _asks_first(instance.manifest, operation, step)
    if state in {"started", "unknown"} and step.repeat == "never" and not must_ask:
        verdict.ask_person(session, sent, step)
        lease.finish(session)
        return None
    ledger.mark_started(session, tenant=case.tenant_id, delivery_id=effect.id, step=step, position=position)
    return sent, step, must_ask


def _asks_first(manifest: connectors.Manifest, operation: str, step: PlannedStep) -> bool:
    return step.repeat != "safe" and manifest.operation(operation).lookup is not None


def _call(sent: Sent, step: PlannedStep, must_ask: bool) -> Outcome:
    """One call. Unforeseen exceptions count as unknown."""
    try:
        if must_ask:
            return connectors.lookup(
                sent.instance.manifest, step.operation, sent.instance, sent.message, sent.attachments
            )
        return connectors.perform(step, sent.instance, sent.message, sent.attachments)
    except Exception as error:  # the contract: whatever was not foreseen is unknown
        log.error("delivery_crashed", connector=sent.target.connector, step=step.id, exc_info=error)
        return Outcome("unknown", say="Der Ausgang der Übergabe ist unbekannt.", detail=type(error).__name__)


def _end(
    session: Session,
    db: Database,
    lease: Lease,
    sent: Sent,
    step: PlannedStep,
    outcome: Outcome,
    at: datetime,
    took: int,
    *,
    asked: bool,
) -> bool:
    """Record the attempt and decide; True when the delivery goes on with another call at once."""
    ledger.attempt(
        session,
        tenant=sent.case.tenant_id,
        delivery_id=sent.effect.id,
        step=f"{step.id} (Nachfrage)" if asked else step.id,
        at=at,
        milliseconds=took,
        outcome=outcome,
    )
    if sent.ailing or outcome.kind in breaker.FAILURES:  # a healthy target stays so without a look
        breaker.note(session, sent.case.tenant_id, sent.target, outcome)
    match outcome.kind:
        case "delivered" | "handed-over":
            last = verdict.step_done(session, sent, step, outcome, found=asked)
            if not last:
                return True
            lease.finish(session)
        case "absent":
            ledger.unplan(session, sent.effect.id, step.id)
            return True
        case "transient":
            ledger.mark(session, sent.effect.id, step.id, "unknown") if asked else ledger.unplan(
                session, sent.effect.id, step.id
            )
            lease.again(session, due=verdict.try_later(session, sent, step, outcome))
        case "unknown":
            ledger.mark(session, sent.effect.id, step.id, "unknown")
            due = verdict.unknown(session, sent, step, outcome, asked=asked)
            if due is None:
                lease.finish(session)
            else:
                lease.again(session, due=due)
        case "rejected":
            ledger.mark(session, sent.effect.id, step.id, "failed")
            verdict.rejected(session, sent, outcome)
            lease.finish(session)
        case _:
            ledger.unplan(session, sent.effect.id, step.id)
            verdict.configuration(session, sent, outcome)
            lease.finish(session)
    return False
