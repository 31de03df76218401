"""Working on cases: open one, claim its tasks, decide. Every access is decided by `access.may` and audited.

What an actor may not read does not exist for that actor: the answer is the same 404 as for an unknown number.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from hub.cases import acting, content, documents, opening, vault
from hub.cases.documents import Stored
from hub.cases.model import Case, Effect
from hub.identity import people
from hub.identity.access import Actor, may
from hub.inbox.schemas import Opened
from hub.kit.clock import now
from hub.kit.problems import Problem
from hub.library import service as library
from hub.library.process import ProfileError
from hub.library.profile import Form


def open_case(session: Session, actor: Actor, number: str) -> Opened:
    """The case with this number, if the actor may read it. Raises Problem 404."""
    case = opening.by_number(session, actor, number)
    process = library.load(session, case.process_version_id) if case.process_version_id else None
    return Opened(case, opening.title_of(session, case), process)


def document(session: Session, actor: Actor, number: str, document_id: UUID) -> tuple[Case, Stored]:
    """A document of a case the actor may read. Raises Problem 404; 403 while it is in quarantine."""
    case = open_case(session, actor, number).case
    for found in documents.of_case(session, case.id, vault.key):
        if found.id == document_id:
            if found.flag:
                raise Problem(
                    403,
                    "document.quarantined",
                    "Dokument gesperrt",
                    "Dieses Dokument ist auffällig und wird deshalb nicht angezeigt.",
                )
            return case, found
    raise Problem(404, "document.unknown", "Dokument nicht gefunden", "Dieses Dokument gibt es zu dem Vorgang nicht.")


# --- tasks -------------------------------------------------------------------------------------------------------


def open_task(session: Session, actor: Actor, effect_id: UUID) -> tuple[Effect, Case]:
    """A task the actor may work on, open or already done. Raises Problem 404."""
    effect = session.get(Effect, effect_id)
    case = session.get(Case, effect.case_id) if effect and effect.kind == "user-task" else None
    if effect is None or case is None or not may(actor, "case.work", opening.facts_of(case, effect.department)):
        raise Problem(
            404,
            "task.unknown",
            "Aufgabe nicht gefunden",
            "Diese Aufgabe gibt es nicht, oder sie gehört nicht zu Ihrem Aufgabenbereich.",
        )
    return effect, case


def form_of(session: Session, case: Case, effect: Effect) -> Form:
    """The form of a task. A process without it is a fault of the process: the task can still be finished plainly."""
    if case.process_version_id is None:
        return Form(title=effect.name)
    try:
        return library.load(session, case.process_version_id).form(effect.spec["form"])
    except (ProfileError, KeyError):
        return Form(title=effect.name)


def hindrance(session: Session, actor: Actor, effect: Effect) -> str | None:
    """Why the actor may not complete a task that is open, in German; None when nothing stands against it."""
    if effect.role and effect.role not in actor.roles:
        return "Diese Aufgabe gehört zu einer anderen Rolle" + (
            " (Prozessverantwortung)." if effect.role == "process_owner" else "."
        )
    if effect.department and effect.department not in actor.departments:
        return "Diese Aufgabe gehört zu einem anderen Fachbereich."
    not_by = list(effect.spec.get("not_by") or ())
    if not_by and session.scalar(
        select(Effect.id)
        .where(
            Effect.case_id == effect.case_id,
            Effect.element.in_(not_by),
            Effect.state == "done",
            Effect.done_by == actor.id,
        )
        .limit(1)
    ):
        return (
            "Vier-Augen-Prinzip: Sie haben in diesem Vorgang schon den anderen Teil der Prüfung erledigt. "
            "Diese Aufgabe muss eine zweite Person übernehmen."
        )
    if effect.claimed_by and effect.claimed_by != actor.id:
        name = people.names(session, actor.tenant, [effect.claimed_by]).get(effect.claimed_by, effect.claimed_by)
        return f"Diese Aufgabe hat {name} übernommen."
    return None


def claim(session: Session, actor: Actor, effect_id: UUID, *, over: bool = False) -> Case:
    """Take a task; with `over` also one that somebody else had taken (deputy). Raises Problem 403, 404, 409."""
    effect, case = open_task(session, actor, effect_id)
    before = effect.claimed_by
    _refuse_other_hindrances(session, actor, effect)
    free = Effect.claimed_by.is_(None) | (Effect.claimed_by == actor.id)
    done = session.execute(
        update(Effect)
        .where(Effect.id == effect.id, Effect.state == "open", Effect.id.is_not(None) if over else free)
        .values(claimed_by=actor.id, claimed_at=now())
        .returning(Effect.id)
    ).scalar()
    if done is None:
        raise _conflict(session, actor, effect.id)
    if over and before not in (None, actor.id):
        summary = f"Aufgabe „{effect.name}“ von einer anderen Person übernommen."
        acting.tell(session, actor, case, "task.taken-over", summary, element=effect.element)
    detail = {"task": str(effect.id), "from": before} if before else {"task": str(effect.id)}
    acting.prove(session, actor, case, "task.claimed", **detail)
    return case


def release(session: Session, actor: Actor, effect_id: UUID) -> Case:
    """Give a task back to the department. Raises Problem 404, 409."""
    effect, case = open_task(session, actor, effect_id)
    done = session.execute(
        update(Effect)
        .where(Effect.id == effect.id, Effect.state == "open", Effect.claimed_by == actor.id)
        .values(claimed_by=None, claimed_at=None)
        .returning(Effect.id)
    ).scalar()
    if done is None:
        raise _conflict(session, actor, effect.id)
    acting.prove(session, actor, case, "task.released", task=str(effect.id))
    return case


def complete(session: Session, actor: Actor, effect_id: UUID, answers: Mapping[str, Any]) -> Case:
    """Finish a task with checked answers: keep them, tell the engine, write the story. Raises Problem 403, 404, 409.

    The case is locked first, then the task is closed by one conditional update, so that of two who press at the same
    time exactly one decides.
    """
    effect, case = open_task(session, actor, effect_id)
    acting.lock(session, case)
    if case.state in {"closed", "clearing"} or effect.state != "open":
        raise _conflict(session, actor, effect.id)
    _refuse_other_hindrances(session, actor, effect)
    form = form_of(session, case, effect)
    outcome = answers.get(form.submit.name)
    mine = Effect.claimed_by.is_(None) | (Effect.claimed_by == actor.id)
    if not acting.close(session, actor, effect, str(outcome)[:40] if outcome else None, mine):
        raise _conflict(session, actor, effect.id)
    key = vault.key(session, case.data_key_id)
    content.put_data(session, tenant=case.tenant_id, case_id=case.id, key=key, name=effect.element, value=dict(answers))
    wanted = effect.spec.get("variables") or ()
    acting.answer(session, case, effect, "task", {"variables": {name: answers.get(name) for name in wanted}})
    label = next((item.label for item in form.submit.actions if item.value == outcome), None)
    acting.tell(
        session,
        actor,
        case,
        "task.done",
        f"{effect.name}: {label or 'erledigt'}",
        element=effect.element,
        detail={"task": str(effect.id), "outcome": outcome},
        body=content.seal_json(key, dict(answers)),
        dedupe=f"task:{effect.id}",
    )
    acting.prove(session, actor, case, "task.done", task=str(effect.id), element=effect.element, outcome=outcome)
    return case


def _refuse_other_hindrances(session: Session, actor: Actor, effect: Effect) -> None:
    """Role, department and four eyes; who has claimed the task is decided by the update itself."""
    reason = hindrance(session, actor, effect)
    if reason and not (effect.claimed_by and effect.claimed_by != actor.id and "übernommen" in reason):
        raise Problem(403, "task.not-yours", "Diese Aufgabe können Sie nicht erledigen", reason)


def _conflict(session: Session, actor: Actor, effect_id: UUID) -> Problem:
    """Somebody was faster: a 409 that says what happened and what to do."""
    row = session.execute(select(Effect.state, Effect.claimed_by, Effect.done_by).where(Effect.id == effect_id)).one()
    who = row.done_by if row.state == "done" else row.claimed_by
    name = people.names(session, actor.tenant, [who]).get(who, who) if who else None
    if row.state == "done":
        by = "Sie haben" if who == actor.id else f"{name or 'Jemand anderes'} hat"
        return Problem(
            409,
            "task.done",
            "Diese Aufgabe ist schon erledigt",
            f"{by} diese Aufgabe bereits abgeschlossen. Ihre Eingabe wurde nicht noch einmal gespeichert.",
        )
    if row.state == "open" and who and who != actor.id:
        return Problem(
            409,
            "task.claimed",
            "Diese Aufgabe hat schon jemand übernommen",
            f"{name} bearbeitet diese Aufgabe. Ihre Eingabe wurde nicht gespeichert.",
        )
    if row.state == "open":
        return Problem(
            409,
            "task.not-claimed",
            "Diese Aufgabe lässt sich gerade nicht ändern",
            "Der Stand hat sich inzwischen geändert. Bitte öffnen Sie den Vorgang noch einmal.",
        )
    return Problem(
        409,
        "task.withdrawn",
        "Diese Aufgabe ist nicht mehr nötig",
        "Der Vorgang ist inzwischen weitergelaufen. Ihre Eingabe wurde nicht gespeichert.",
    )
