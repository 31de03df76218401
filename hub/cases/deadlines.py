"""The deadlines of a case: started from the profile's rules, moved by what happens, met when the case is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, time
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, select, update
from sqlalchemy.orm import Session

from hub import jobs
from hub.cases import rows
from hub.cases.calendar import end_of_period
from hub.cases.kinds import TIMER
from hub.cases.model import Case, Deadline, Effect
from hub.kit.clock import BERLIN
from hub.kit.database import new_id
from hub.kit.once import forget, know, once
from hub.kit.pipeline import later
from hub.library.expressions import value_or
from hub.library.profile import DeadlineRule

_RUNNING = select(Deadline.name, Deadline.due_on).where(
    Deadline.case_id == bindparam("case"), Deadline.state == "running"
)
_MET = later(
    update(Deadline.__table__)  # type: ignore[arg-type]
    .where(Deadline.case_id == bindparam("case"), Deadline.state == "running")
    .values(state="met")
)


def applicable(rules: Iterable[DeadlineRule], day: date) -> list[DeadlineRule]:
    """The rules that are in force on a day."""
    return [rule for rule in rules if rule.valid_from <= day and (rule.valid_to is None or day <= rule.valid_to)]


def end_of_day(day: date) -> datetime:
    """The instant at which a legal day ends: midnight in Berlin at its end, in UTC."""
    return datetime.combine(day, time(23, 59, 59), BERLIN).astimezone(UTC)


def last_day(rule: DeadlineRule, starts_on: date, scope: Mapping[str, Any]) -> date | None:
    """When a deadline ends that starts on a day: the rule's `due` expression wins over its period.

    None means that the rule does not apply to this case (`due` gave null) or says neither.
    """
    if rule.due is not None:
        given = value_or(rule.due, None, {"starts_on": starts_on}, scope)
        return date.fromisoformat(given) if isinstance(given, str) else given
    if rule.period is None:
        return None
    return end_of_period(starts_on, rule.period, unit=rule.unit, shift=rule.end_shift)


def open_all(
    session: Session,
    *,
    tenant: str,
    case_id: UUID,
    rules: Iterable[DeadlineRule],
    received_on: date,
    scope: Mapping[str, Any],
) -> None:
    """Write the deadlines of a new case; those that start with receipt run from that day."""
    new: list[dict[str, Any]] = []
    for rule in applicable(rules, received_on):
        due = last_day(rule, received_on, scope) if rule.starts == "received" else None
        starts = due is not None
        if rule.starts == "received" and not starts:
            continue
        new.append(
            {
                "id": new_id(),
                "tenant_id": tenant,
                "case_id": case_id,
                "name": rule.id,
                "title": rule.title,
                "legal_basis": rule.legal_basis,
                "state": "running" if starts else "not_started",
                "starts_on": received_on if starts else None,
                "due_on": due,
            }
        )
    if new:
        rows.add(session, Deadline, new)
    know(session, "deadlines", case_id, {row["name"]: end_of_day(row["due_on"]) for row in new if row["due_on"]})


def start(
    session: Session, *, case_id: UUID, rules: Iterable[DeadlineRule], event: str, day: date, scope: Mapping[str, Any]
) -> list[str]:
    """Start every deadline that begins with `event` on `day`; returns the titles of those that started."""
    started = []
    for rule in applicable(rules, day):
        if rule.starts != event or (due := last_day(rule, day, scope)) is None:
            continue
        changed = session.execute(
            update(Deadline)
            .where(Deadline.case_id == case_id, Deadline.name == rule.id, Deadline.state == "not_started")
            .values(state="running", starts_on=day, due_on=due)
            .returning(Deadline.title)
        ).scalar()
        forget(session, "deadlines", case_id)
        if changed:
            started.append(changed)
            _reschedule(session, case_id, rule.id, due)
    return started


def move(session: Session, *, case_id: UUID, name: str, due: date) -> None:
    """Set a deadline to a day (an extension, or a date that came with the data) and move the timers that follow it."""
    session.execute(
        update(Deadline).where(Deadline.case_id == case_id, Deadline.name == name).values(state="running", due_on=due)
    )
    forget(session, "deadlines", case_id)
    _reschedule(session, case_id, name, due)


def _reschedule(session: Session, case_id: UUID, name: str, due: date) -> None:
    timers = session.scalars(
        select(Effect).where(Effect.case_id == case_id, Effect.kind == "timer", Effect.state == "open")
    ).all()
    for timer in timers:
        if timer.spec.get("deadline") == name:
            jobs.cancel(session, TIMER, str(timer.id), tenant=timer.tenant_id)
            jobs.enqueue(session, TIMER, str(timer.id), case_id, due=end_of_day(due), tenant=timer.tenant_id)


def instants(session: Session, case_id: UUID) -> dict[str, datetime]:
    """The running deadlines of a case by name, as instants for the engine."""

    def read() -> dict[str, datetime]:
        found = session.connection().execute(_RUNNING, {"case": case_id})
        return {name: end_of_day(due) for name, due in found if due}

    return once(session, "deadlines", case_id, read)


def of_case(session: Session, case_id: UUID) -> list[Mapping[str, Any]]:
    """The deadlines of a case for showing."""
    found = session.scalars(select(Deadline).where(Deadline.case_id == case_id).order_by(Deadline.id))
    return [
        {
            "name": row.name,
            "title": row.title,
            "legal_basis": row.legal_basis,
            "state": row.state,
            "starts_on": row.starts_on,
            "due_on": row.due_on,
        }
        for row in found
    ]


def close_all(session: Session, case_id: UUID) -> None:
    """The case is closed: what was running is met."""
    session.connection().execute(_MET, {"case": case_id})
    forget(session, "deadlines", case_id)


def follow(
    session: Session,
    *,
    case: Case,
    rules: Iterable[DeadlineRule],
    event: str,
    payload: Mapping[str, Any],
    day: date,
    scope: Mapping[str, Any],
) -> list[str]:
    """What a message of the leading application does to the deadlines: it starts them or moves them.

    The start day is the payload's `complete_on` (or `<start>_on`) if there is one, else the day of the message.
    Returns the titles of the deadlines that changed.
    """
    rules = list(rules)
    given = payload.get("complete_on") if event == "complete-confirmed" else payload.get(f"{event}_on")
    start_day = date.fromisoformat(given) if isinstance(given, str) else day
    changed = start(session, case_id=case.id, rules=rules, event=event, day=start_day, scope=scope)
    for rule in rules:
        message, _, field = (rule.extendable or "").partition(".")
        if message == event and isinstance(payload.get(field), str):
            move(session, case_id=case.id, name=rule.id, due=date.fromisoformat(payload[field]))
            changed.append(rule.title)
    return changed
