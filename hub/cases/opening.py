"""Opening a case for a person: one rule for every page, and an audit entry for every read.

What an actor may not see does not exist for that actor: the answer is the same 404 as for an unknown number.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, false, select
from sqlalchemy.orm import Session

from hub.cases import acting, vault
from hub.cases.model import Case, Effect
from hub.identity.access import CASEWORKER, PROTECTED, Action, Actor, CaseFacts, may, readable_classes
from hub.kit.problems import Problem


def facts_of(case: Case, department: str | None = None) -> CaseFacts:
    """What decides about access to a case; `department` is that of a task, when it differs from the case's."""
    return CaseFacts(case.tenant_id, department or case.department, case.secrecy, case.protected_person)


def allowed(session: Session, actor: Actor, case: Case, action: Action) -> bool:
    """Whether the actor may do this with a case: as the competent department, or because a task of it waits there."""
    if may(actor, action, facts_of(case)):
        return True
    elsewhere = session.scalars(
        select(Effect.department)
        .where(
            Effect.case_id == case.id,
            Effect.kind == "user-task",
            Effect.state == "open",
            Effect.department.in_(sorted(actor.departments)),
        )
        .distinct()
    )
    return any(may(actor, action, facts_of(case, department)) for department in elsewhere)


def unknown_case() -> Problem:
    """The one answer for a case that does not exist and for one the actor may not see."""
    return Problem(
        404,
        "case.unknown",
        "Vorgang nicht gefunden",
        "Diesen Vorgang gibt es nicht, oder er gehört nicht zu Ihrem Aufgabenbereich.",
    )


def by_number(session: Session, actor: Actor, number: str, action: Action = "case.read") -> Case:
    """The case with this number, if the actor may do this with it. Raises Problem 404."""
    case = session.scalar(
        select(Case).where(Case.tenant_id == actor.tenant, Case.number == number.strip().upper()[:20])
    )
    if case is None or not allowed(session, actor, case, action):
        raise unknown_case()
    return case


def readable(actor: Actor, department: Any = Case.department) -> list[ColumnElement[bool]]:
    """The conditions that leave only cases the actor may read; the same rule as `access.may`, for whole lists."""
    conditions = [
        Case.tenant_id == actor.tenant,
        department.in_(sorted(actor.departments)),
        Case.secrecy.in_(sorted(readable_classes(actor))),
    ]
    if CASEWORKER not in actor.roles:
        conditions.append(false())
    if PROTECTED not in actor.clearances:
        conditions.append(Case.protected_person.is_(False))
    return conditions


def title_of(session: Session, case: Case) -> str:
    """The case's title, opened. It names people: only for those who may read the case."""
    return vault.key(session, case.data_key_id).open(case.title).decode()


def note_read(session: Session, actor: Actor, case: Case, action: str = "case.read", **detail: Any) -> None:
    """Keep in the audit trail who read what."""
    acting.prove(session, actor, case, action, number=case.number, **detail)
