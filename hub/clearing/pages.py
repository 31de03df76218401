"""Klärfälle and Störungen: the list, one item, acting on it."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from contextlib import suppress
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from hub.cases import opening, troubles
from hub.clearing import acts, service
from hub.identity.access import CASEWORKER, IT
from hub.identity.pages import PostedForm, SignedIn
from hub.kit import web
from hub.kit.problems import Problem

router = APIRouter(include_in_schema=False)

SOLUTIONS = {
    "accepted": "angenommen",
    "closed": "geschlossen",
    "delivered": "zugestellt",
    "assigned": "zugeordnet",
    "discarded": "verworfen",
    "released": "freigegeben",
    "noted": "zur Kenntnis genommen",
    "retried": "neu gestartet",
    "arrived": "eingetroffen",
}


@router.get("/clearing")
def clearing(request: Request, actor: SignedIn) -> Response:
    """What waits for a person because the machine cannot go on."""
    if not actor.roles & {CASEWORKER, IT}:
        raise Problem(403, "auth.forbidden", "Kein Zugriff", "Für Klärfälle fehlt Ihnen die Berechtigung.")
    usual = troubles.KLAERFALL if CASEWORKER in actor.roles else troubles.STOERUNG
    kind = request.query_params.get("kind", usual)
    kind = kind if kind in {troubles.KLAERFALL, troubles.STOERUNG} else usual
    solved = request.query_params.get("state") == "solved"
    with request.app.state.db.read() as session:
        items = service.listed(session, actor, kind, solved=solved)
        counts = service.counts(session, actor)
    return web.render(
        request,
        "clearing.html",
        active="clearing",
        items=items,
        kind=kind,
        solved=solved,
        counts=counts,
        solutions=SOLUTIONS,
    )


@router.get("/clearing/{trouble_id}")
def item(request: Request, actor: SignedIn, trouble_id: UUID) -> Response:
    """One item with everything needed to decide."""
    return _item(request, trouble_id)


def _item(
    request: Request,
    trouble_id: UUID,
    status: int = 200,
    fault: str = "",
    text: str = "",
    ticked: Collection[UUID] = (),
) -> Response:
    actor = request.state.actor
    with request.app.state.db.read() as session:
        found = service.detail(session, actor, trouble_id)
        _, case = service.find(session, actor, trouble_id)
    if case is not None and found["reads"]:
        with request.app.state.db.write() as session:
            opening.note_read(session, actor, case, trouble=str(trouble_id))
    return web.render(
        request,
        "clearing_item.html",
        status,
        active="clearing",
        item=found,
        solutions=SOLUTIONS,
        fault=fault,
        text=text,
        ticked=ticked,
    )


@router.post("/clearing/{trouble_id}")
def act(request: Request, actor: SignedIn, trouble_id: UUID, form: PostedForm) -> Response:
    """Do what was chosen."""
    choice = form.get("choice", "")
    text = form.get(f"text-{choice}", "")
    ticked = _ids(form.many("document"))
    try:
        with request.app.state.db.write() as session:
            said = acts.act(session, actor, trouble_id, choice, text, ticked)
    except Problem as problem:
        if problem.status == 422 or (problem.code == "case.unknown" and choice == "assign"):
            return _item(request, trouble_id, 422, problem.detail, text, ticked)
        raise
    return web.to("/clearing", said)


def _ids(given: Iterable[str]) -> set[UUID]:
    found = set()
    for text in given:
        with suppress(ValueError):
            found.add(UUID(text))
    return found
