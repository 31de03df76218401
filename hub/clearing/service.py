"""Clearing items: who sees which, and what each choice does.

A Klärfall belongs to the department whose case it is, a Störung to IT. A choice that starts something again does not
solve the item: the later success does, so that nothing looks finished that is not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, false, or_, select
from sqlalchemy.orm import Session

from hub.cases import opening, troubles
from hub.cases.model import Case, Trouble
from hub.clearing import ledger, releasing
from hub.identity.access import CASEWORKER, IT, PROTECTED, Actor, may, readable_classes
from hub.kit.problems import Problem


@dataclass(frozen=True, slots=True)
class Choice:
    """What somebody may do about an item: button, explanation, and whether a text or a case number is needed."""

    value: str
    label: str
    help: str
    style: str = "secondary"
    asks: str | None = None  # text | case | release


CHOICES = {
    choice.value: choice
    for choice in (
        Choice(
            "accept",
            "Annehmen und bearbeiten",
            "Die Fehler sind unerheblich oder geklärt; der Vorgang läuft an.",
            "primary",
        ),
        Choice(
            "return",
            "Zur Berichtigung zurückgeben",
            "Die antragstellende Person bekommt Ihren Text im Portal. Der Klärfall "
            "bleibt offen, bis die Berichtigung da ist.",
            asks="text",
        ),
        Choice(
            "close",
            "Ohne Bearbeitung schließen",
            "Der Vorgang wird beendet. Der Eingang bleibt nachgewiesen.",
            "danger",
        ),
        Choice(
            "retry",
            "Erneut versuchen",
            "Der Hub übergibt noch einmal. Bei Erfolg ist der Punkt von selbst erledigt.",
            "primary",
        ),
        Choice("retry-job", "Auftrag erneut starten", "Der gescheiterte Auftrag läuft noch einmal.", "primary"),
        Choice(
            "delivered",
            "Ist im Zielsystem vorhanden",
            "Sie haben im Zielsystem nachgesehen: Der Vorgang ist dort angelegt. Der Hub übergibt nicht noch einmal.",
        ),
        Choice(
            "repeat",
            "Ist dort nicht vorhanden, erneut senden",
            "Sie haben im Zielsystem nachgesehen: Der Vorgang fehlt dort. Der Hub übergibt noch einmal.",
            "primary",
        ),
        Choice(
            "assign",
            "Vorgang zuordnen",
            "Die Meldung kommt zu diesem Vorgang und wird dort verarbeitet.",
            "primary",
            asks="case",
        ),
        Choice("discard", "Meldung verwerfen", "Die Meldung betrifft uns nicht. Sie bleibt gespeichert.", "danger"),
        Choice(
            "release",
            "Freigeben",
            "Sie haben geklärt, dass die Dokumente harmlos sind. Dann sind sie beim Vorgang lesbar und werden mit "
            "übergeben und abgelegt.",
            asks="release",
        ),
        Choice(
            "noted",
            "Zur Kenntnis genommen",
            "Es ist nichts weiter zu tun, oder Sie haben es außerhalb erledigt.",
            "primary",
        ),
    )
}


def visible(actor: Actor) -> ColumnElement[bool]:
    """The items an actor may see: Klärfälle of readable cases, Störungen for IT; the same rule as `allowed`."""
    works = CASEWORKER in actor.roles
    unprotected = or_(Case.id.is_(None), Case.protected_person.is_(False))
    own = (
        and_(Case.department.in_(sorted(actor.departments)), Case.secrecy.in_(sorted(readable_classes(actor))))
        if works
        else false()
    )
    homeless = and_(
        Case.id.is_(None), or_(Trouble.department.is_(None), Trouble.department.in_(sorted(actor.departments)))
    )
    caseworker = or_(own, and_(homeless, Trouble.kind == troubles.KLAERFALL)) if works else false()
    operator = Trouble.kind == troubles.STOERUNG if IT in actor.roles else false()
    rule = and_(Trouble.tenant_id == actor.tenant, or_(caseworker, operator))
    return rule if PROTECTED in actor.clearances else and_(rule, unprotected)


def listed(
    session: Session, actor: Actor, kind: str, *, solved: bool = False, limit: int = 100
) -> list[dict[str, Any]]:
    """Items of a kind, oldest first; solved ones newest first."""
    order = Trouble.solved_at.desc() if solved else Trouble.created_at
    rows = session.execute(
        select(Trouble, Case)
        .outerjoin(Case, Case.id == Trouble.case_id)
        .where(visible(actor), Trouble.kind == kind, Trouble.state == ("solved" if solved else "open"))
        .order_by(order)
        .limit(limit)
    ).all()
    return [_shown(session, actor, trouble, case) for trouble, case in rows if allowed(actor, trouble, case)]


def counts(session: Session, actor: Actor) -> dict[str, int]:
    """How many open items of each kind the actor sees."""
    rows = session.execute(
        select(Trouble.kind, Trouble.id)
        .outerjoin(Case, Case.id == Trouble.case_id)
        .where(visible(actor), Trouble.state == "open")
        .limit(2000)
    ).all()
    return {kind: sum(1 for row in rows if row.kind == kind) for kind in (troubles.KLAERFALL, troubles.STOERUNG)}


def allowed(actor: Actor, trouble: Trouble, case: Case | None) -> bool:
    """Whether the actor may see and clear an item."""
    if trouble.tenant_id != actor.tenant:
        return False
    if case is None:
        if trouble.kind == troubles.STOERUNG:
            return IT in actor.roles
        return CASEWORKER in actor.roles and (trouble.department is None or trouble.department in actor.departments)
    facts = opening.facts_of(case)
    return may(actor, "trouble.clear" if trouble.kind == troubles.STOERUNG else "case.work", facts)


def find(session: Session, actor: Actor, trouble_id: UUID) -> tuple[Trouble, Case | None]:
    """An item the actor may see. Raises Problem 404."""
    trouble = session.get(Trouble, trouble_id)
    case = session.get(Case, trouble.case_id) if trouble and trouble.case_id else None
    if trouble is None or not allowed(actor, trouble, case):
        raise Problem(
            404,
            "trouble.unknown",
            "Nicht gefunden",
            "Diesen Klärfall gibt es nicht, oder er gehört nicht zu Ihrem Aufgabenbereich.",
        )
    return trouble, case


def detail(session: Session, actor: Actor, trouble_id: UUID) -> dict[str, Any]:
    """An item for its page, with what can be done about it."""
    trouble, case = find(session, actor, trouble_id)
    shown = _shown(session, actor, trouble, case)
    more = trouble.detail or {}
    return shown | {
        "choices": [CHOICES[name] for name in trouble.choices if name in CHOICES] if trouble.state == "open" else [],
        "problems": more.get("problems", ()) if shown["reads"] else (),
        "inbound": _inbound(session, more),
        "withheld": releasing.shown(session, trouble, case) if case and shown["reads"] else (),
        "missed": releasing.in_words(releasing.missed(session, case))
        if case and shown["reads"] and trouble.state == "open" and "release" in trouble.choices
        else (),
        "tried": more.get("tried"),
    }


def _shown(session: Session, actor: Actor, trouble: Trouble, case: Case | None) -> dict[str, Any]:
    reads = case is not None and may(actor, "case.read", opening.facts_of(case))
    return {
        "id": trouble.id,
        "kind": trouble.kind,
        "code": trouble.code,
        "title": trouble.title,
        "message": trouble.message,
        "state": trouble.state,
        "created_at": trouble.created_at,
        "solved_at": trouble.solved_at,
        "solved_by": trouble.solved_by,
        "solution": trouble.solution,
        "number": case.number if case else None,
        "reads": reads,
        "case_title": opening.title_of(session, case) if case and reads else None,
        "tried": (trouble.detail or {}).get("tried"),
    }


def _inbound(session: Session, more: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What an unmatched message says it belongs to; only that, its payload waits for its case."""
    if "inbound" not in more or (found := ledger.message(session, UUID(more["inbound"]))) is None:
        return []
    return [
        ("Von", found.instance),
        ("Meldung", found.event),
        *((name.replace("_", " ").capitalize(), str(value)) for name, value in found.match.items()),
    ]
