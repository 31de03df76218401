"""Signing in and out, and who is looking at a page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, Request
from sqlalchemy import select
from starlette.exceptions import HTTPException
from starlette.responses import Response

from hub import audit
from hub.identity import service, throttle
from hub.identity.access import AUDITOR, CASEWORKER, IT, PROCESS_OWNER, Actor
from hub.identity.model import UserAccount
from hub.kit import web
from hub.kit.problems import Problem
from hub.kit.settings import Stage, settings

router = APIRouter(include_in_schema=False)

ROLE_TEXTS = {
    CASEWORKER: "Sachbearbeitung",
    PROCESS_OWNER: "Prozessverantwortung",
    IT: "IT-Betrieb",
    AUDITOR: "Prüfung",
}
CLEARANCE_TEXTS = {
    "tax": "Steuergeheimnis",
    "social": "Sozialgeheimnis",
    "youth": "Jugendhilfe",
    "personnel": "Personalsachen",
    "protected": "geschützte Personen",
}


def navigation(actor: Actor) -> Sequence[tuple[str, str, str]]:
    """The main navigation for a person: (key, address, text)."""
    works = CASEWORKER in actor.roles
    runs = bool(actor.roles & {IT, AUDITOR})
    links = [("tasks", "/", "Meine Aufgaben"), ("cases", "/cases", "Vorgänge")] if works else []
    if works or IT in actor.roles:
        links += [
            ("clearing", "/clearing", "Klärfälle" if works else "Störungen"),
            ("refused", "/refused", "Abgelehnte Einreichungen"),
        ]
    if works or runs:
        links.append(("overview", "/overview", "Überblick"))
    return links


def signed_in(request: Request) -> Actor:
    """The person at the browser (a FastAPI dependency). Sends everybody else to the sign-in page."""
    with request.app.state.db.read() as session:
        actor = service.signed_in(session, request.cookies.get(web.SESSION_COOKIE))
    if actor is None:
        wanted = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        target = "/login" if wanted == "/" or request.method != "GET" else f"/login?next={quote(wanted, safe='')}"
        raise HTTPException(303, headers={"Location": target, "HX-Redirect": target})
    request.state.actor = actor
    request.state.nav = navigation(actor)
    return actor


SignedIn = Annotated[Actor, Depends(signed_in)]
PostedForm = Annotated[web.Form, Depends(web.form)]


@router.get("/login")
def login_page(request: Request) -> Response:
    """The sign-in form."""
    return _login(request)


@router.post("/login")
def login(request: Request, form: PostedForm) -> Response:
    """Check the password and start a session; after too many failures only after a pause (429)."""
    tenant = settings().tenant
    name = service.plain_name(form.get("login", "")).casefold()
    attempt = request.app.state.throttle.person(tenant, name, request.client.host if request.client else None)
    try:
        with request.app.state.db.read() as session:
            throttle.check(session, attempt)
        with request.app.state.db.write() as session:
            pause = throttle.begin(session, attempt)
            found = service.sign_in(session, tenant, name, form.get("password", "")[:500])
            if found:
                throttle.succeeded(session, attempt)
            else:
                pause = max(pause, throttle.failed(session, attempt))
            audit.record(
                session,
                actor=name or "-",
                action="session.opened" if found else "session.refused",
                subject=name or "-",
                tenant=tenant,
                detail={"pause_s": pause} if pause and not found else None,
            )
    except Problem as problem:
        if problem.status != 429:
            raise
        response = _login(request, 429, paused=problem.detail, name=name)
        response.headers.update(problem.headers)
        return response
    if found is None:
        return _login(request, 401, failed=True, name=name)
    actor, token = found
    start = navigation(actor)
    response = web.to(web.local(form.get("next"), start[0][1] if start else "/overview"))
    web.set_cookie(response, web.SESSION_COOKIE, token, max_age=service.SESSION_HOURS * 3600)
    return response


@router.post("/logout")
def logout(request: Request, actor: SignedIn, form: PostedForm) -> Response:
    """End the session."""
    with request.app.state.db.write() as session:
        service.sign_out(session, request.cookies[web.SESSION_COOKIE])
        audit.record(session, actor=actor.id, action="session.closed", subject=actor.id, tenant=actor.tenant)
    response = web.to("/login", "Sie sind abgemeldet.")
    response.delete_cookie(web.SESSION_COOKIE)
    return response


def _login(request: Request, status: int = 200, *, failed: bool = False, paused: str = "", name: str = "") -> Response:
    following = request.query_params.get("next", "")
    return web.render(
        request,
        "login.html",
        status,
        failed=failed,
        paused=paused,
        name=name,
        next=web.local(following, ""),
        people=_demo_people(request),
    )


def _demo_people(request: Request) -> list[dict[str, Any]]:
    """The accounts of the demo city with what each may do; empty in every other stage."""
    if settings().stage is not Stage.DEMO:
        return []
    with request.app.state.db.read() as session:
        rows = session.scalars(
            select(UserAccount)
            .where(UserAccount.tenant_id == settings().tenant, UserAccount.active)
            .order_by(UserAccount.login)
            .limit(30)
        ).all()
    return [
        {
            "login": row.login,
            "name": row.display_name,
            "roles": ", ".join(ROLE_TEXTS.get(role, role) for role in row.roles),
            "clearances": ", ".join(CLEARANCE_TEXTS.get(item, item) for item in row.clearances),
        }
        for row in rows
    ]
