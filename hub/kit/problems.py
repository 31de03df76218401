"""Errors as answers: ``application/problem+json`` (RFC 9457) for machines, a small German page for people.

``code`` is stable and meant for programs; ``title`` and ``detail`` are German and meant for people.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any

import orjson
import structlog
from fastapi.exceptions import RequestValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from hub.kit.database import is_transient

log = structlog.get_logger(__name__)

Page = Callable[[Request, "Problem"], Response]


class Problem(Exception):  # noqa: N818 - RFC 9457 calls it a problem
    """An answer that is an error. ``faults`` are dicts as ``xoev.Fault`` gives them; ``extra`` become further members;
    ``headers`` go with the answer.
    """

    def __init__(
        self,
        status: int,
        code: str,
        title: str,
        detail: str = "",
        *,
        faults: Sequence[Mapping[str, Any]] = (),
        headers: Mapping[str, str] | None = None,
        **extra: Any,
    ) -> None:
        super().__init__(f"{status} {code}: {title}")
        self.status = status
        self.code = code
        self.title = title
        self.detail = detail
        self.faults = list(faults)
        self.headers = dict(headers or {})
        self.extra = extra

    def body(self, instance: str | None = None) -> dict[str, Any]:
        """The members of the problem document."""
        members: dict[str, Any] = {
            "type": f"urn:ozg-hub:problem:{self.code}",
            "title": self.title,
            "status": self.status,
            "code": self.code,
        }
        if self.detail:
            members["detail"] = self.detail
        if instance:
            members["instance"] = instance
        if self.faults:
            members["faults"] = self.faults
        return members | self.extra

    def response(self, instance: str | None = None) -> Response:
        """The problem document as an answer."""
        return Response(
            orjson.dumps(self.body(instance), default=str),
            self.status,
            self.headers,
            "application/problem+json",
        )


_KNOWN: dict[int, tuple[str, str, str]] = {
    400: ("request.malformed", "Anfrage nicht lesbar", "Die Anfrage ist unvollständig oder fehlerhaft aufgebaut."),
    401: ("auth.missing", "Anmeldung erforderlich", "Bitte melden Sie sich an."),
    403: ("auth.forbidden", "Kein Zugriff", "Für diesen Vorgang fehlt Ihnen die Berechtigung."),
    404: ("resource.unknown", "Nicht gefunden", "Unter dieser Adresse gibt es nichts (mehr)."),
    405: ("method.unsupported", "Methode nicht erlaubt", "Diese Adresse kennt die verwendete HTTP-Methode nicht."),
    409: ("state.conflict", "Widerspruch zum Stand", "Der Stand hat sich inzwischen geändert."),
    413: ("body.too-large", "Zu groß", "Die Anfrage überschreitet die zulässige Größe."),
    415: ("media-type.unsupported", "Datenformat nicht unterstützt", "Dieses Datenformat wird hier nicht angenommen."),
    422: ("request.invalid", "Angaben fehlerhaft", "Einzelne Angaben fehlen oder sind nicht zulässig."),
    429: ("rate.exceeded", "Zu viele Anfragen", "Bitte versuchen Sie es in einigen Augenblicken erneut."),
    500: ("server.error", "Interner Fehler", "Es ist ein unerwarteter Fehler aufgetreten. Er wurde protokolliert."),
    503: ("server.unavailable", "Vorübergehend nicht verfügbar", "Bitte versuchen Sie es in einigen Minuten erneut."),
}

_FAULTS: dict[str, str] = {
    "missing": "Diese Angabe fehlt.",
    "extra_forbidden": "Diese Angabe ist hier nicht vorgesehen.",
    "json_invalid": "Das JSON ist nicht lesbar.",
    "string_too_short": "Der Text ist zu kurz.",
    "string_too_long": "Der Text ist zu lang.",
    "enum": "Dieser Wert gehört nicht zur Auswahl.",
    "literal_error": "Dieser Wert gehört nicht zur Auswahl.",
    "uuid_parsing": "Das ist keine gültige Kennung.",
    "int_parsing": "Hier wird eine ganze Zahl erwartet.",
}


def standard_problem(status: int, detail: str = "", headers: Mapping[str, str] | None = None) -> Problem:
    """The problem for a bare HTTP status."""
    fallback = ("request.refused", "Anfrage abgelehnt", "") if status < 500 else _KNOWN[500]
    code, title, usual = _KNOWN.get(status, fallback)
    return Problem(status, code, title, detail or usual, headers=headers)


def wants_page(request: Request) -> bool:
    """True when the client prefers HTML to JSON: a browser, but not a call below ``/api/``."""
    accepted = request.headers.get("accept", "")
    return "text/html" in accepted and not request.url.path.startswith("/api/")


def plain_page(_request: Request, problem: Problem) -> Response:
    """A minimal German error page; the application replaces it by one in its own layout."""
    return HTMLResponse(
        '<!doctype html><html lang="de"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(problem.title)}</title></head><body><main>"
        f"<h1>{escape(problem.title)}</h1><p>{escape(problem.detail)}</p>"
        f'<p><a href="/">Zur Startseite</a></p><p><small>Fehler {problem.status}, {escape(problem.code)}</small></p>'
        "</main></body></html>",
        problem.status,
        problem.headers,
    )


def install(app: Starlette, page: Page = plain_page) -> None:
    """Let ``app`` answer every error as a problem; ``page`` renders it for browsers."""

    def answer(request: Request, problem: Problem) -> Response:
        if wants_page(request):
            return page(request, problem)
        return problem.response(request.url.path)

    async def on_problem(request: Request, error: Exception) -> Response:
        assert isinstance(error, Problem)
        return answer(request, error)

    async def on_http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        if error.status_code < 400 or error.status_code in {204, 304}:
            return Response(status_code=error.status_code, headers=error.headers)
        return answer(request, standard_problem(error.status_code, headers=error.headers))

    async def on_invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        problem = standard_problem(422)
        problem.faults = [_fault(entry) for entry in error.errors()]
        return answer(request, problem)

    async def on_crash(request: Request, error: Exception) -> Response:
        if is_transient(error):  # the database is away for a moment: nothing was done, the same request may come again
            log.warning("request_without_database", path=request.url.path, reason=type(error).__name__)
            return answer(request, standard_problem(503, headers={"Retry-After": "2"}))
        log.error("request_failed", method=request.method, path=request.url.path, exc_info=error)
        return answer(request, standard_problem(500))

    app.add_exception_handler(Problem, on_problem)
    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(RequestValidationError, on_invalid)
    app.add_exception_handler(Exception, on_crash)


def _fault(entry: Mapping[str, Any]) -> dict[str, Any]:
    """One fault of pydantic in the shape of ``xoev.Fault``; the offending value is left out on purpose."""
    where = [str(part) for part in entry["loc"]]
    return {
        "line": None,
        "path": "/" + "/".join(where),
        "code": f"request.{entry['type']}",
        "message": _FAULTS.get(entry["type"], "Diese Angabe ist nicht zulässig."),
    }
