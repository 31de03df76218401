"""The demo city's caseworkers: they do the tasks of the sample applications the way the samples say."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from hub.cases.model import Case, Effect
from hub.identity.access import Actor, CaseFacts, may
from hub.identity.model import UserAccount
from hub.identity.service import actor_of
from hub.inbox import service as inbox
from hub.kit.database import Database
from hub.library import service as library


def work(db: Database, cases: dict[UUID, dict[str, Any]]) -> int:
    """Do every open task of these cases (case id to answers by element); how many were done."""
    with db.read() as session:
        waiting = session.execute(
            select(Effect.id, Effect.case_id).where(
                Effect.case_id.in_(cases), Effect.kind == "user-task", Effect.state == "open"
            )
        ).all()
    done = 0
    for effect_id, case_id in waiting:
        done += _do(db, effect_id, cases[case_id])
    return done


def _do(db: Database, effect_id: UUID, answers: dict[str, Any]) -> int:
    with db.write() as session:
        effect = session.get(Effect, effect_id)
        if effect is None or effect.state != "open":
            return 0
        case = session.get(Case, effect.case_id)
        assert case is not None
        actor = _somebody(session, case, effect)
        if actor is None:
            return 0
        inbox.complete(session, actor, effect.id, _answers(session, case, effect, answers))
        return 1


def _somebody(session: Session, case: Case, effect: Effect) -> Actor | None:
    """A caseworker who may do this task; four eyes where the model asks for them."""
    before = set(
        session.scalars(
            select(Effect.done_by).where(
                Effect.case_id == case.id,
                Effect.element.in_(effect.spec.get("not_by") or [""]),
                Effect.done_by.is_not(None),
            )
        )
    )
    facts = CaseFacts(case.tenant_id, effect.department or case.department, case.secrecy, case.protected_person)
    for account in session.scalars(select(UserAccount).where(UserAccount.active).order_by(UserAccount.login)):
        actor = actor_of(account)
        if may(actor, "case.work", facts) and effect.role in actor.roles and actor.id not in before:
            return actor
    return None


def _answers(session: Session, case: Case, effect: Effect, told: dict[str, Any]) -> dict[str, Any]:
    """What the sample says, or the form's first action with every compulsory field filled in."""
    given = told.get(effect.element)
    if isinstance(given, list):
        given = given.pop(0) if given else None
    if isinstance(given, dict):
        return dict(given)
    assert case.process_version_id is not None
    form = library.load(session, case.process_version_id).form(effect.spec["form"])
    first = form.submit.actions[0]
    filled: dict[str, Any] = {form.submit.name: first.value}
    for field in form.fields:
        if (field.required or field.name in first.needs) and field.name not in filled:
            filled[field.name] = (
                field.choices[0]["value"] if field.choices else True if field.type == "boolean" else "–"
            )
    return filled
