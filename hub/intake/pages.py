"""The applicant's status page, and the list of refused submissions for departments."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.responses import Response

from hub import audit
from hub.cases.model import Submission
from hub.identity.access import CASEWORKER, IT, Actor, readable_classes
from hub.identity.pages import SignedIn
from hub.intake import status
from hub.kit import web
from hub.kit.problems import Problem
from hub.library import service as library
from hub.library.process import Process

router = APIRouter(include_in_schema=False)

_CHANNELS = {
    "api": "Portal",
    "file-drop": "Dateiablage",
    "invoice-http": "Rechnungseingang (HTTP)",
    "invoice-folder": "Rechnungseingang (Ordner)",
}


@router.get("/s/{address}")
def applicant_status(request: Request, address: str) -> Response:
    """What an applicant may see of the own submission; the address itself is the key, so nothing else is asked."""
    raw, _, token = address.partition(".")
    try:
        submission_id = UUID(raw)
    except ValueError:
        raise Problem(404, "submission.unknown", "Nicht gefunden", "Diese Adresse ist ungültig.") from None
    with request.app.state.db.read() as session:
        found = status.for_applicant(session, submission_id, token)
    response = web.render(request, "status.html", **found)
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


@router.get("/refused")
def refused(request: Request, actor: SignedIn) -> Response:
    """Refused submissions of my services and those that name no known service; without their content."""
    if not actor.roles & {CASEWORKER, IT}:
        raise Problem(403, "auth.forbidden", "Kein Zugriff", "Für diese Liste fehlt Ihnen die Berechtigung.")
    with request.app.state.db.read() as session:
        rows = refusals(session, actor)
    with request.app.state.db.write() as session:
        audit.record(session, actor=actor.id, action="refused.listed", subject="submission", tenant=actor.tenant)
    return web.render(request, "refused.html", active="refused", rows=rows)


def refusals(session: Session, actor: Actor, limit: int = 100) -> list[dict[str, Any]]:
    """The latest refusals the actor's departments have to know of, newest first."""
    known = {
        name: process
        for process in library.all_released(session, actor.tenant)
        for name in (process.id, process.profile.leika)
        if name
    }
    rows = session.scalars(
        select(Submission)
        .where(Submission.tenant_id == actor.tenant, Submission.state == "refused")
        .order_by(Submission.fetched_at.desc())
        .limit(limit * 5)
    ).all()
    shown = []
    for row in rows:
        process = known.get((row.service or "").removeprefix("urn:de:fim:leika:leistung:"))
        if _concerns(actor, process):
            shown.append(
                {
                    "id": row.id,
                    "at": row.fetched_at,
                    "client": row.client_id,
                    "kept": row.data_key_id is not None,
                    "channel": _CHANNELS.get(row.channel, row.channel),
                    "reference": row.sender_reference,
                    "service": process.profile.title if process else row.service or "ohne Angabe",
                    "problems": [(item.get("code"), item.get("message")) for item in row.problems or ()],
                }
            )
    return shown[:limit]


def _concerns(actor: Actor, process: Process | None) -> bool:
    """A refusal for a known service concerns its department; one without concerns everybody who could tell."""
    if process is None or IT in actor.roles:
        return True
    return process.profile.department in actor.departments and process.profile.secrecy in readable_classes(actor)
