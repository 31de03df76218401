"""The trace of a case, its process picture, and the overview."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from hub.cases import opening
from hub.cases.model import Case
from hub.identity.access import AUDITOR, CASEWORKER, IT, PROTECTED, Actor
from hub.identity.pages import SignedIn
from hub.insight import overview as numbers
from hub.insight import service
from hub.jobs.service import depth
from hub.kit import web
from hub.kit.problems import Problem
from hub.library import service as library

router = APIRouter(include_in_schema=False)


@router.get("/cases/{number}/trace")
def trace(request: Request, actor: SignedIn, number: str) -> Response:
    """Every event, step, delivery and attempt of a case. IT and auditors see it without content."""
    with request.app.state.db.read() as session:
        case = opening.by_number(session, actor, number, "case.trace")
        reads = opening.allowed(session, actor, case, "case.read")
        found = service.trace(session, case, content=reads)
        names = service.actors(session, found, case.tenant_id)
        title = opening.title_of(session, case) if reads else None
        flow = library.load(session, case.process_version_id).profile.title if case.process_version_id else case.process
    with request.app.state.db.write() as session:
        opening.note_read(session, actor, case, "case.trace-read")
    return web.render(
        request,
        "trace.html",
        active="cases" if reads else "overview",
        trace=found,
        names=names,
        title=title,
        service=flow,
        reads=reads,
    )


@router.get("/cases/{number}/process.bpmn")
def picture(request: Request, actor: SignedIn, number: str) -> Response:
    """The model of the case's process version, for the picture."""
    with request.app.state.db.read() as session:
        case = opening.by_number(session, actor, number, "case.trace")
        files = library.load(session, case.process_version_id).files if case.process_version_id else {}
    name = next((item for item in files if item.endswith(".bpmn")), None)
    if name is None:
        raise Problem(404, "process.none", "Kein Prozessbild", "Zu diesem Vorgang gibt es keinen Prozess.")
    return Response(
        files[name],
        media_type="application/xml",
        headers={"Cache-Control": "private, max-age=3600", "Content-Security-Policy": "default-src 'none'; sandbox"},
    )


@router.get("/cases/{number}/process.json")
def marks(request: Request, actor: SignedIn, number: str) -> Response:
    """Which elements are done and where the case waits."""
    with request.app.state.db.read() as session:
        case = opening.by_number(session, actor, number, "case.trace")
        return JSONResponse(service.marks(session, case), headers={"Cache-Control": "no-store"})


@router.get("/overview")
def overview(request: Request, actor: SignedIn) -> Response:
    """Numbers for my departments; for IT and auditors over everything, without content."""
    if not actor.roles & {CASEWORKER, IT, AUDITOR}:
        raise Problem(403, "auth.forbidden", "Kein Zugriff", "Für den Überblick fehlt Ihnen die Berechtigung.")
    runs = bool(actor.roles & {IT, AUDITOR})
    number = request.query_params.get("number", "").strip()
    if number:
        return web.to(f"/cases/{quote(number.upper()[:20], safe='')}/trace")
    with request.app.state.db.read() as session:
        found = numbers.overview(session, actor.tenant, _scope(actor))
        waiting = depth(session) if runs else None
    return web.render(request, "overview.html", active="overview", found=found, jobs=waiting, runs=runs)


def _scope(actor: Actor) -> list[Any]:
    """The cases that are counted: for IT and auditors all but those of protected persons."""
    if not actor.roles & {IT, AUDITOR}:
        return list(opening.readable(actor))
    conditions: list[Any] = [Case.tenant_id == actor.tenant]
    if PROTECTED not in actor.clearances:
        conditions.append(Case.protected_person.is_(False))
    return conditions
