"""Releasing withheld documents: which there are and why, what has already left without them, and letting them go.

A document that is released late is not sent after what was already handed over, and a package for the e-file that is
already made does not change. The page says so before the release, and what was missed stays noted with it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from hub.cases import acting, documents, vault, withheld, wording
from hub.cases.model import Case, Effect, Trouble
from hub.clearing import ledger
from hub.identity.access import Actor
from hub.kit.clock import now
from hub.kit.problems import Problem

Filing = Literal["ahead", "near", "done", "never"]


@dataclass(frozen=True, slots=True)
class Missed:
    """What goes on without a document that is still withheld: names of deliveries that are done, and under way.

    `filing`: ahead (the document will be part of it), near (it has begun; nobody can tell), done (it was prepared
    without the document), never (the case was closed without one).
    """

    handed_over: list[str] = field(default_factory=list)
    under_way: list[str] = field(default_factory=list)
    filing: Filing = "ahead"


@dataclass(frozen=True, slots=True)
class Withheld:
    """A document of the item for its page; `released` tells by whom and when, and what had left without it."""

    id: UUID
    title: str
    size: int
    reason: str
    held: bool
    released: Mapping[str, Any] | None


def is_filing(effect: Effect) -> bool:
    """Whether an effect files the case in the e-file."""
    return effect.spec.get("operation") == "file" and effect.spec.get("connector") == "dms"


def shown(session: Session, trouble: Trouble, case: Case) -> list[Withheld]:
    """The documents an item is about. Their titles are opened: only for those who may read the case."""
    why = {UUID(item["id"]): item["flag"] for item in _listed(trouble)}
    released = (trouble.detail or {}).get("released", {})
    return [
        Withheld(
            id=found.id,
            title=found.title,
            size=found.size,
            reason=withheld.reason(why[found.id]),
            held=found.flag is not None,
            released=released.get(str(found.id)),
        )
        for found in (documents.of_case(session, case.id, vault.key) if why else ())
        if found.id in why
    ]


def missed(session: Session, case: Case) -> Missed:
    """What a document that is released now comes too late for."""
    effects = session.scalars(
        select(Effect)
        .where(Effect.case_id == case.id, Effect.kind == "delivery", Effect.state != "cancelled")
        .order_by(Effect.created_at, Effect.id)
    ).all()
    sent = [effect for effect in effects if not effect.spec.get("quiet") and not is_filing(effect)]
    begun = ledger.begun(session, [effect.id for effect in sent if effect.state == "open"])
    return Missed(
        handed_over=[
            effect.name
            for effect in sent
            if effect.outcome in {"delivered", "handed-over"} or begun.get(effect.id) in {"delivered", "handed-over"}
        ],
        under_way=[effect.name for effect in sent if begun.get(effect.id) in {"running", "waiting"}],
        filing=_filing(case, [effect for effect in effects if is_filing(effect)]),
    )


def _filing(case: Case, filings: Collection[Effect]) -> Filing:
    """The package is made once per filing; from then on its effect names the documents that travel."""
    if any(effect.state == "open" and "documents" not in effect.spec for effect in filings):
        return "near"
    if filings:
        return "done"
    return "never" if case.state == "closed" else "ahead"


def release(
    session: Session, actor: Actor, trouble: Trouble, case: Case, chosen: Collection[UUID], reason: str
) -> tuple[str, bool]:
    """Clear the flags of the chosen documents; gives a German sentence and whether any is still withheld.

    The reason is sealed in the story of the case; the audit trail names document, flag and digest. Raises Problem 409,
    422. The caller has locked the case.
    """
    if trouble.code != withheld.SUSPICIOUS:
        raise Problem(422, "trouble.choice", "Auswahl nicht möglich", "Schadsoftware wird nicht freigegeben.")
    known = {UUID(item["id"]) for item in _listed(trouble)}
    if not chosen or not known.issuperset(chosen):
        raise Problem(
            422, "trouble.documents-missing", "Dokument fehlt", "Bitte wählen Sie aus, was Sie freigeben wollen."
        )
    if not reason:
        raise Problem(422, "trouble.text-missing", "Begründung fehlt", "Bitte begründen Sie die Freigabe.")
    late = missed(session, case)
    freed = withheld.release(session, case.id, chosen)
    if not freed:
        raise Problem(409, "document.not-withheld", "Schon erledigt", "Diese Dokumente sind nicht mehr gesperrt.")
    for document, (flag, digest) in freed.items():
        acting.prove(session, actor, case, "document.released", document=str(document), flag=flag, sha256=digest)
    _note(session, actor, trouble, freed, late)
    said = f"{len(freed)} Dokumente sind freigegeben." if len(freed) > 1 else "Das Dokument ist freigegeben."
    acting.tell(
        session,
        actor,
        case,
        "document.released",
        f"Zurückgehalten, jetzt freigegeben: {len(freed)} {'Dokumente' if len(freed) > 1 else 'Dokument'}.",
        detail={"documents": [str(document) for document in freed]} | asdict(late),
        body=wording.seal(session, case.data_key_id, reason),
    )
    held = any(flag is not None for flag in withheld.flags(session, known).values())
    return " ".join([said, *in_words(late)]), held


def in_words(late: Missed) -> list[str]:
    """What a release comes too late for, in German sentences; empty when it comes in time for everything."""
    said = []
    if late.handed_over:
        said.append(
            f"Schon ohne das Freigegebene übergeben: {', '.join(late.handed_over)}. Wird es dort gebraucht, geben Sie "
            "es bitte von Hand weiter."
        )
    if late.under_way:
        said.append(f"Gerade unterwegs, vielleicht noch ohne das Freigegebene: {', '.join(late.under_way)}.")
    if late.filing == "near":
        said.append("Die Ablage in der E-Akte hat schon begonnen; ob das Freigegebene dabei ist, zeigt die Akte.")
    elif late.filing == "done":
        said.append("Die Ablage in der E-Akte ist schon gemacht; das Freigegebene kommt nicht von selbst in die Akte.")
    elif late.filing == "never":
        said.append("Der Vorgang ist ohne Ablage abgeschlossen; das Freigegebene bleibt beim Vorgang im Hub.")
    return said


def _listed(trouble: Trouble) -> list[Mapping[str, Any]]:
    return list((trouble.detail or {}).get("withheld", ()))


def _note(session: Session, actor: Actor, trouble: Trouble, freed: Collection[UUID], late: Missed) -> None:
    """What was missed stays with the item: the page tells it also when the item is long solved."""
    note = {"at": now().isoformat(), "by": actor.name, "missed": in_words(late)}
    released = (trouble.detail or {}).get("released", {}) | {str(document): note for document in freed}
    trouble.detail = (trouble.detail or {}) | {"released": released}
