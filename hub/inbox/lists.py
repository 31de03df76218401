"""The lists of the inbox: waiting tasks and cases, exactly those the actor may read, page by page."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, func, or_, select, tuple_
from sqlalchemy.orm import Session

from hub.cases.model import Case, Deadline, Effect
from hub.cases.opening import facts_of, readable, title_of
from hub.catalogue.model import Department
from hub.identity import people
from hub.identity.access import Actor, may
from hub.inbox.schemas import CaseRow, Due, Page, TaskRow, Wish
from hub.kit.clock import berlin_date
from hub.library import service as library

_NUMBER = re.compile(r"[^0-9A-Z]")


def tasks(session: Session, actor: Actor, wish: Wish) -> Page[TaskRow]:
    """The tasks that wait for the actor, oldest first."""
    wanted = [Effect.kind == "user-task", Effect.state == "open", *_open_to(actor), *readable(actor, Effect.department)]
    if wish.whose == "mine":
        wanted.append(Effect.claimed_by == actor.id)
    elif wish.whose != "all":
        wanted.append(or_(Effect.claimed_by.is_(None), Effect.claimed_by == actor.id))
    if wish.department:
        wanted.append(Effect.department == wish.department)
    if wish.service:
        wanted.append(Case.process == wish.service)
    if after := _cursor(wish.after):
        wanted.append(tuple_(Effect.created_at, Effect.id) > after)
    rows = session.execute(
        select(Effect, Case)
        .join(Case, Case.id == Effect.case_id)
        .where(*wanted)
        .order_by(Effect.created_at, Effect.id)
        .limit(wish.size + 1)
    ).all()
    found = [
        (effect, case)
        for effect, case in rows[: wish.size]
        if may(actor, "case.work", facts_of(case, effect.department))
    ]
    last = rows[wish.size - 1][0] if len(rows) > wish.size else None
    return Page(_task_rows(session, actor, found), f"{last.created_at.isoformat()}~{last.id}" if last else None)


def task_row(session: Session, actor: Actor, effect: Effect, case: Case) -> TaskRow:
    """One line of the task list."""
    return _task_rows(session, actor, [(effect, case)])[0]


def _task_rows(session: Session, actor: Actor, found: Sequence[tuple[Effect, Case]]) -> list[TaskRow]:
    shown = {row.id: row for row in case_rows(session, [case for _, case in found])}
    names = people.names(session, actor.tenant, (effect.claimed_by for effect, _ in found))
    return [
        TaskRow(
            id=effect.id,
            name=effect.name,
            case=shown[case.id],
            claimed_by=effect.claimed_by,
            claimed_name=names.get(effect.claimed_by or "", effect.claimed_by),
            mine=effect.claimed_by == actor.id,
            created_at=effect.created_at,
            due=_sooner(shown[case.id].due, effect.due_at),
        )
        for effect, case in found
    ]


def _open_to(actor: Actor) -> list[ColumnElement[bool]]:
    """Tasks of the actor's roles, in the actor's departments."""
    return [
        Effect.tenant_id == actor.tenant,
        or_(Effect.role.is_(None), Effect.role.in_(sorted(actor.roles))),
    ]


def count_tasks(session: Session, actor: Actor) -> dict[str, int]:
    """How many tasks each view holds: mine, free, all."""
    mine = func.count().filter(Effect.claimed_by == actor.id)
    taken = func.count(Effect.claimed_by)
    row = session.execute(
        select(mine, taken, func.count())
        .select_from(Effect)
        .join(Case, Case.id == Effect.case_id)
        .where(
            Effect.kind == "user-task", Effect.state == "open", *_open_to(actor), *readable(actor, Effect.department)
        )
    ).one()
    return {"mine": int(row[0]), "free": int(row[2]) - int(row[1]) + int(row[0]), "all": int(row[2])}


def cases(session: Session, actor: Actor, wish: Wish) -> Page[CaseRow]:
    """The cases of the actor's departments, newest first."""
    wanted = readable(actor)
    wanted.append(Case.state == "closed" if wish.state == "closed" else Case.state != "closed")
    if wish.department:
        wanted.append(Case.department == wish.department)
    if wish.service:
        wanted.append(Case.process == wish.service)
    if after := _cursor(wish.after):
        wanted.append(tuple_(Case.received_at, Case.id) < after)
    rows = session.scalars(
        select(Case).where(*wanted).order_by(Case.received_at.desc(), Case.id.desc()).limit(wish.size + 1)
    ).all()
    found = [case for case in rows[: wish.size] if may(actor, "case.list", facts_of(case))]
    last = rows[wish.size - 1] if len(rows) > wish.size else None
    return Page(case_rows(session, found), f"{last.received_at.isoformat()}~{last.id}" if last else None)


def search(session: Session, actor: Actor, text: str) -> list[CaseRow]:
    """Cases with this Vorgangsnummer (spaces and dashes do not matter) or Aktenzeichen; nothing else is searched."""
    given = text.strip()[:120]
    bare = _NUMBER.sub("", given.upper()).removeprefix("V")
    number = f"V-{bare[:4]}-{bare[4:8]}-{bare[8:]}"
    found = session.scalars(
        select(Case)
        .where(*readable(actor), or_(Case.number == number, Case.aktenzeichen == given))
        .order_by(Case.received_at.desc())
        .limit(50)
    ).all()
    return case_rows(session, [case for case in found if may(actor, "case.list", facts_of(case))])


def case_rows(session: Session, found: Sequence[Case]) -> list[CaseRow]:
    """Lines for cases the actor may read: the titles are opened here."""
    ids = [case.id for case in found]
    dues = next_deadlines(session, ids)
    titles = dict(departments(session, found))
    services: dict[UUID | None, str] = {}
    for case in found:
        if case.process_version_id not in services:
            services[case.process_version_id] = service_title(session, case)
    return [
        CaseRow(
            id=case.id,
            number=case.number,
            title=title_of(session, case),
            service=services[case.process_version_id],
            department=titles.get(case.department, case.department),
            state=case.state,
            received_at=case.received_at,
            aktenzeichen=case.aktenzeichen,
            due=dues.get(case.id),
            protected=case.protected_person,
        )
        for case in found
    ]


def service_title(session: Session, case: Case) -> str:
    """The title of the case's service."""
    if case.process_version_id is None:
        return case.process
    return library.load(session, case.process_version_id).profile.title


def next_deadlines(session: Session, ids: Sequence[UUID]) -> dict[UUID, Due]:
    """The running deadline that ends first, by case."""
    rows = session.execute(
        select(Deadline.case_id, Deadline.due_on, Deadline.title)
        .where(Deadline.case_id.in_(ids), Deadline.state.in_(("running", "overdue")), Deadline.due_on.is_not(None))
        .order_by(Deadline.due_on.desc())
    )
    return {case_id: Due(due, title) for case_id, due, title in rows if due}


def departments(session: Session, found: Sequence[Case]) -> Sequence[tuple[str, str]]:
    """Ids and titles of the departments of some cases."""
    if not found:
        return []
    return session.execute(
        select(Department.id, Department.title).where(
            Department.tenant_id == found[0].tenant_id, Department.id.in_({case.department for case in found})
        )
    ).all()


def own_departments(session: Session, actor: Actor) -> list[tuple[str, str]]:
    """The actor's departments with their titles, for a filter."""
    titles = dict(
        session.execute(select(Department.id, Department.title).where(Department.tenant_id == actor.tenant)).all()
    )
    return sorted(((item, titles.get(item, item)) for item in actor.departments), key=lambda pair: pair[1].casefold())


def own_services(session: Session, actor: Actor) -> list[tuple[str, str]]:
    """The released services with their titles, for a filter."""
    return [(process.id, process.profile.title) for process in library.all_released(session, actor.tenant)]


def _sooner(due: Due | None, task_due: datetime | None) -> Due | None:
    if task_due is None:
        return due
    own = berlin_date(task_due)
    return due if due and due.on <= own else Due(own, "Aufgabe")


def _cursor(text: str | None) -> Any:
    at, _, last = (text or "").partition("~")
    try:
        return (datetime.fromisoformat(at), UUID(last))
    except ValueError:
        return None
