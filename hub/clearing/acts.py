"""What each choice about a clearing item does. Nothing is solved by a click that only starts something again."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import update
from sqlalchemy.orm import Session

from hub import audit, jobs
from hub.cases import acting, deadlines, opening, troubles, wording
from hub.cases.kinds import ADVANCE, FILE, INBOUND, SEND
from hub.cases.model import Case, Effect, Submission, Trouble
from hub.clearing import ledger, releasing
from hub.clearing.service import find
from hub.identity.access import Actor
from hub.kit.clock import now
from hub.kit.problems import Problem


@dataclass(frozen=True, slots=True)
class Answer:
    """What somebody gave with a choice: a text or number, and the documents that were ticked."""

    text: str = ""
    documents: frozenset[UUID] = frozenset()


def act(
    session: Session, actor: Actor, trouble_id: UUID, choice: str, text: str = "", documents: Collection[UUID] = ()
) -> str:
    """Do what was chosen; returns a German sentence for the actor. Raises Problem 404, 409, 422."""
    trouble, case = find(session, actor, trouble_id)
    if case is not None:
        acting.lock(session, case)
        session.refresh(case)
        session.refresh(trouble)  # whoever held the lock before may have done it
    if trouble.state != "open":
        raise Problem(409, "trouble.solved", "Schon erledigt", "Diesen Punkt hat inzwischen jemand erledigt.")
    if choice not in trouble.choices or choice not in _ACTS:
        raise Problem(422, "trouble.choice", "Auswahl nicht möglich", "Diese Möglichkeit gibt es hier nicht.")
    audit.record(
        session,
        actor=actor.id,
        action="trouble.cleared",
        subject=str(case.id if case else trouble.id),
        tenant=actor.tenant,
        detail={"trouble": str(trouble.id), "code": trouble.code, "choice": choice},
    )
    return _ACTS[choice](session, actor, trouble, case, Answer(text.strip(), frozenset(documents)))


def _solve(session: Session, actor: Actor, trouble: Trouble, solution: str) -> None:
    troubles.solve(session, tenant=trouble.tenant_id, dedupe=trouble.dedupe, by=actor.id, solution=solution)


def _tried(session: Session, actor: Actor, trouble: Trouble, what: str) -> None:
    """The item stays open, with a note of what was started when."""
    note = {"what": what, "at": now().isoformat(), "by": actor.name}
    session.execute(
        update(Trouble).where(Trouble.id == trouble.id).values(detail=(trouble.detail or {}) | {"tried": note})
    )


def _needed(case: Case | None) -> Case:
    if case is None:
        raise Problem(409, "trouble.no-case", "Ohne Vorgang nicht möglich", "Zu diesem Punkt gibt es keinen Vorgang.")
    return case


def _accept(session: Session, actor: Actor, trouble: Trouble, given: Case | None, answer: Answer) -> str:
    case = _needed(given)
    opened = session.execute(
        update(Case).where(Case.id == case.id, Case.state == "clearing").values(state="open").returning(Case.id)
    ).scalar()
    if opened is None:
        raise Problem(
            409, "case.not-clearing", "Nicht mehr in Klärung", "Der Vorgang ist inzwischen nicht mehr in Klärung."
        )
    if trouble.submission_id:
        session.execute(update(Submission).where(Submission.id == trouble.submission_id).values(state="accepted"))
    acting.tell(session, actor, case, "accepted", "Ihr Antrag ist geprüft und wird bearbeitet.", public=True)
    jobs.enqueue(session, ADVANCE, str(case.id), case.id, tenant=case.tenant_id)
    _solve(session, actor, trouble, "accepted")
    return "Der Antrag ist angenommen, der Vorgang läuft an."


def _return(session: Session, actor: Actor, trouble: Trouble, given: Case | None, answer: Answer) -> str:
    case = _needed(given)
    if not answer.text:
        raise Problem(
            422, "trouble.text-missing", "Text fehlt", "Bitte schreiben Sie, was die Person berichtigen soll."
        )
    summary = "Bitte berichtigen oder ergänzen Sie Ihren Antrag."
    body = wording.seal(session, case.data_key_id, answer.text)
    acting.tell(session, actor, case, "returned", summary, public=True, body=body)
    acting.prove(session, actor, case, "case.returned", trouble=str(trouble.id))
    _tried(session, actor, trouble, "Zur Berichtigung zurückgegeben")
    if case.protected_person:
        return (
            "Die Bitte um Berichtigung ist vermerkt. Die Person ist geschützt: Ihr Text geht nicht ins Portal, bitte "
            "teilen Sie ihn auf einem geschützten Weg mit. Der Klärfall bleibt offen."
        )
    return "Die Bitte um Berichtigung ist unterwegs. Der Klärfall bleibt offen."


def _close(session: Session, actor: Actor, trouble: Trouble, given: Case | None, answer: Answer) -> str:
    case = _needed(given)
    if case.state == "closed":
        raise Problem(409, "case.closed", "Schon abgeschlossen", "Der Vorgang ist inzwischen abgeschlossen.")
    session.execute(
        update(Case).where(Case.id == case.id).values(state="closed", outcome="closed_in_clearing", closed_at=now())
    )
    if trouble.submission_id:
        session.execute(update(Submission).where(Submission.id == trouble.submission_id).values(state="accepted"))
    deadlines.close_all(session, case.id)
    summary, outcome = "Ihr Vorgang ist ohne weitere Bearbeitung abgeschlossen.", {"outcome": "closed_in_clearing"}
    acting.tell(session, actor, case, "closed", summary, public=True, detail=outcome)
    acting.prove(session, actor, case, "case.closed", **outcome)
    _solve(session, actor, trouble, "closed")
    return "Der Vorgang ist abgeschlossen."


def _effect(session: Session, trouble: Trouble) -> Effect:
    effect = session.get(Effect, trouble.effect_id) if trouble.effect_id else None
    if effect is None or effect.state != "open":
        raise _not_waiting()
    return effect


def _not_waiting() -> Problem:
    return Problem(409, "effect.closed", "Nicht mehr nötig", "Der Vorgang wartet nicht mehr auf diese Übergabe.")


def _enqueue(session: Session, effect: Effect) -> None:
    """Filing that was prepared already is only sent again; anything else starts where it failed."""
    kind = FILE if releasing.is_filing(effect) and "documents" not in effect.spec else SEND
    jobs.enqueue(session, kind, str(effect.id), effect.case_id, tenant=effect.tenant_id)


def _retry(session: Session, actor: Actor, trouble: Trouble, given: Case | None, answer: Answer) -> str:
    effect = _effect(session, trouble)
    _enqueue(session, effect)
    _tried(session, actor, trouble, "Erneut versucht")
    return "Der Hub versucht es jetzt noch einmal. Bei Erfolg verschwindet der Punkt von selbst."


def _repeat(session: Session, actor: Actor, trouble: Trouble, given: Case | None, answer: Answer) -> str:
    case, effect = _needed(given), _effect(session, trouble)
    ledger.forget_unknown_step(session, effect.id)
    _enqueue(session, effect)
    summary = f"{effect.name}: im Zielsystem nicht vorhanden, wird erneut gesendet."
    acting.tell(session, actor, case, "delivery.repeat", summary, element=effect.element)
    _tried(session, actor, trouble, "Erneut gesendet, weil im Zielsystem nichts lag")
    return "Der Hub sendet noch einmal. Bei Erfolg verschwindet der Punkt von selbst."


def _delivered(session: Session, actor: Actor, trouble: Trouble, given: Case | None, answer: Answer) -> str:
    case, effect = _needed(given), _effect(session, trouble)
    if not acting.close(session, actor, effect, "delivered"):
        raise _not_waiting()
    ledger.settle(session, effect.id)
    jobs.cancel(session, SEND, str(effect.id), tenant=effect.tenant_id)
    acting.tell(
        session,
        actor,
        case,
        "delivery.delivered",
        f"{effect.name}: im Zielsystem nachgesehen und vorhanden.",
        element=effect.element,
        detail={"delivery": str(effect.id), "confirmed": "by-hand"},
    )
    if not effect.spec.get("quiet"):
        acting.answer(session, case, effect, "delivery", {"outcome": "delivered", "variables": {}})
    _solve(session, actor, trouble, "delivered")
    return "Vermerkt: Der Vorgang ist im Zielsystem vorhanden und läuft weiter."


def _retry_job(session: Session, actor: Actor, trouble: Trouble, given: Case | None, answer: Answer) -> str:
    job = (trouble.detail or {}).get("job")
    if not job or not jobs.retry(session, UUID(job)):
        raise Problem(409, "job.not-failed", "Nicht mehr nötig", "Diesen gescheiterten Auftrag gibt es nicht mehr.")
    _solve(session, actor, trouble, "retried")
    return "Der Auftrag läuft noch einmal. Scheitert er wieder, erscheint er hier erneut."


def _assign(session: Session, actor: Actor, trouble: Trouble, given: Case | None, answer: Answer) -> str:
    case = opening.by_number(session, actor, answer.text, "case.work")
    inbound = UUID((trouble.detail or {})["inbound"])
    if not ledger.redirect(session, inbound, case.number):
        raise Problem(409, "inbound.handled", "Schon verarbeitet", "Diese Meldung ist inzwischen verarbeitet.")
    jobs.enqueue(session, INBOUND, str(inbound), case.id, tenant=trouble.tenant_id)
    acting.prove(session, actor, case, "inbound.assigned", inbound=str(inbound))
    _solve(session, actor, trouble, "assigned")
    return f"Die Meldung ist dem Vorgang {case.number} zugeordnet."


def _discard(session: Session, actor: Actor, trouble: Trouble, given: Case | None, answer: Answer) -> str:
    ledger.discard(session, UUID((trouble.detail or {})["inbound"]))
    _solve(session, actor, trouble, "discarded")
    return "Die Meldung ist verworfen."


def _release(session: Session, actor: Actor, trouble: Trouble, given: Case | None, answer: Answer) -> str:
    said, held = releasing.release(session, actor, trouble, _needed(given), answer.documents, answer.text)
    if held:
        _tried(session, actor, trouble, "Zum Teil freigegeben")
        return f"{said} Der Klärfall bleibt offen, bis über alles entschieden ist."
    _solve(session, actor, trouble, "released")
    return said


def _noted(session: Session, actor: Actor, trouble: Trouble, given: Case | None, answer: Answer) -> str:
    _solve(session, actor, trouble, "noted")
    return "Vermerkt."


_ACTS: dict[str, Callable[[Session, Actor, Trouble, Case | None, Answer], str]] = {
    "accept": _accept,
    "return": _return,
    "close": _close,
    "retry": _retry,
    "retry-job": _retry_job,
    "delivered": _delivered,
    "repeat": _repeat,
    "assign": _assign,
    "discard": _discard,
    "release": _release,
    "noted": _noted,
}
