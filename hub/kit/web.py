"""What every HTML page shares: templates, security headers, forms with CSRF protection, flash messages, assets.

Pages are rendered on the server and work without JavaScript. Nothing inline: the content security policy allows only
files of this origin (BITV 2.0, OWASP ASVS 5 §3.4).
"""

from __future__ import annotations

import hashlib
import hmac
import math
import secrets
from collections.abc import Mapping
from datetime import date, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

import jinja2
from itsdangerous import BadSignature, URLSafeSerializer
from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hub.kit import paths
from hub.kit.clock import BERLIN, today_berlin
from hub.kit.keys import KeyRing
from hub.kit.problems import Problem
from hub.kit.settings import Stage, settings

SESSION_COOKIE = "hub_session"
_FORM_COOKIE = "hub_form"
_FLASH_COOKIE = "hub_flash"
MAX_FORM = 512 * 1024

CONTENT_POLICY = (
    "default-src 'self'; img-src 'self' data:; font-src 'self' data:; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
_STAGES = {
    Stage.DEMO: "Alle Personen und Vorgänge sind erfunden.",
    Stage.TEST: "Keine echten Vorgänge bearbeiten.",
}


class Form(dict[str, str]):
    """A posted form: the last value of each field, all values through `many`."""

    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        super().__init__(pairs)
        self.pairs = pairs

    def many(self, name: str) -> list[str]:
        """Every value of a field, in order."""
        return [value for key, value in self.pairs if key == name]


class SecurityHeaders:
    """ASGI middleware that adds security headers to every answer; an answer that set its own keeps them."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                _add_headers(MutableHeaders(scope=message))
            await send(message)

        await self._app(scope, receive, send_with_headers)


def _add_headers(headers: MutableHeaders) -> None:
    for name, value in _HEADERS.items():
        headers.setdefault(name, value)
    if headers.get("content-type", "").startswith("text/html"):
        headers.setdefault("Content-Security-Policy", CONTENT_POLICY)
        headers.setdefault("Cache-Control", "no-store")


def install(app: Starlette) -> None:
    """Give every answer of the app its security headers."""
    app.add_middleware(SecurityHeaders)


# --- rendering ---------------------------------------------------------------------------------------------------


def day(value: date | datetime | str | None) -> str:
    """A day for reading: 23.11.2026. Instants are shown as their day in Berlin."""
    if value is None:
        return ""
    if isinstance(value, str):
        value = datetime.fromisoformat(value) if "T" in value else date.fromisoformat(value)
    if isinstance(value, datetime):
        value = value.astimezone(BERLIN).date()
    return value.strftime("%d.%m.%Y")


def moment(value: datetime | str | None) -> str:
    """An instant for reading, in Berlin time: 23.11.2026, 09:14 Uhr."""
    if value is None:
        return ""
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    return value.astimezone(BERLIN).strftime("%d.%m.%Y, %H:%M Uhr")


def instant(value: datetime | str) -> str:
    """An instant to the second, in Berlin time, for technical tables."""
    value = datetime.fromisoformat(value) if isinstance(value, str) else value
    return value.astimezone(BERLIN).strftime("%d.%m.%Y, %H:%M:%S")


def size(value: int) -> str:
    """A file size for reading: 212 KB, 1,4 MB."""
    return f"{value / 1_048_576:.1f} MB".replace(".", ",") if value >= 1_048_576 else f"{math.ceil(value / 1024)} KB"


def urgency(due: date | None, today: date | None = None) -> dict[str, str]:
    """How near a day is, in words and with a KERN feedback class (never by colour alone)."""
    if due is None:
        return {}
    left = (due - (today or today_berlin())).days
    if left < 0:
        return {"kind": "danger", "text": f"seit {-left} {'Tag' if left == -1 else 'Tagen'} überschritten"}
    if left == 0:
        return {"kind": "danger", "text": "läuft heute ab"}
    text = f"noch {left} {'Tag' if left == 1 else 'Tage'}"
    return {"kind": "warning" if left <= 3 else "info", "text": text}


@lru_cache(maxsize=256)
def asset(name: str) -> str:
    """The address of a file below /static with its digest, so that browsers never mix versions."""
    file = paths.static() / name
    digest = hashlib.sha256(file.read_bytes()).hexdigest()[:12] if file.is_file() else "missing"
    return f"/static/{name}?v={digest}"


@lru_cache(maxsize=1)
def templates() -> jinja2.Environment:
    """The template engine: escapes everything, and a name that was not given is a mistake."""
    engine = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(paths.static()).with_name("templates")),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    engine.filters |= {"day": day, "moment": moment, "instant": instant, "size": size, "urgency": urgency}
    engine.globals |= {"asset": asset, "query": query}
    return engine


def query(given: Mapping[str, Any], **changes: Any) -> str:
    """A query string with some values changed; empty values are left out."""
    values = {name: value for name, value in (dict(given) | changes).items() if value not in (None, "")}
    return f"?{urlencode(values)}" if values else "?"


def render(request: Request, template: str, status: int = 200, **values: Any) -> Response:
    """A page in the common layout. Sets the form cookie when the browser has none yet; shows a flash message once."""
    browser = request.cookies.get(_FORM_COOKIE) or secrets.token_urlsafe(24)
    given = settings()
    shared = {
        "request": request,
        "csrf": _token(browser, request.cookies.get(SESSION_COOKIE, "")),
        "flash": _flash(request),
        "actor": getattr(request.state, "actor", None),
        "nav": getattr(request.state, "nav", ()),
        "active": "",
        "stage": given.stage.value,
        "stage_text": _STAGES.get(given.stage),
        "tenant": given.tenant.title(),
        "today": today_berlin(),
    }
    response = HTMLResponse(templates().get_template(template).render(shared | values), status)
    if _FORM_COOKIE not in request.cookies:
        set_cookie(response, _FORM_COOKIE, browser)
    if _FLASH_COOKIE in request.cookies:
        response.delete_cookie(_FLASH_COOKIE)
    return response


def error_page(request: Request, problem: Problem) -> Response:
    """An error in the common layout, for `problems.install`."""
    if request.headers.get("hx-request") == "true":
        response = HTMLResponse(
            templates().get_template("fragments/error.html").render(problem=problem), problem.status
        )
    else:
        response = render(request, "error.html", problem.status, problem=problem)  # type: ignore[assignment]
    response.headers.update(problem.headers)
    # Answers for unforeseen errors do not pass through the middleware.
    response.headers.setdefault("Content-Security-Policy", CONTENT_POLICY)
    return response


# --- forms -------------------------------------------------------------------------------------------------------


async def form(request: Request) -> Form:
    """The posted form (a FastAPI dependency). Raises Problem 403 without a valid token, 413 when it is too large."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_FORM:
            raise Problem(413, "body.too-large", "Zu groß", "Das Formular überschreitet die zulässige Größe.")
    found = Form(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=2000))
    browser = request.cookies.get(_FORM_COOKIE, "")
    wanted = _token(browser, request.cookies.get(SESSION_COOKIE, ""))
    foreign = request.headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}
    if not browser or foreign or not hmac.compare_digest(wanted.encode(), found.get("csrf", "").encode()):
        raise Problem(
            403,
            "form.expired",
            "Formular abgelaufen",
            "Bitte gehen Sie zurück, laden Sie die Seite neu und senden Sie das Formular noch einmal ab.",
        )
    return found


def set_cookie(response: Response, name: str, value: str, max_age: int | None = None) -> None:
    """A cookie that scripts and other sites cannot use; only over TLS where the installation has it."""
    response.set_cookie(
        name, value, max_age=max_age, httponly=True, samesite="lax", secure=settings().public_url.startswith("https://")
    )


def to(address: str, message: str | None = None, *, kind: str = "success") -> Response:
    """Go on to another page after a form was handled, with a message that is shown there once."""
    response = RedirectResponse(address, 303)
    if message:
        set_cookie(response, _FLASH_COOKIE, str(_signer().dumps([kind, message])), max_age=60)
    return response


def local(address: str | None, default: str = "/") -> str:
    """An address inside this site, or the default: nobody is sent elsewhere by a link."""
    if address and address.startswith("/") and not address.startswith(("//", "/\\")) and "\n" not in address:
        return address
    return default


def _flash(request: Request) -> tuple[str, str] | None:
    try:
        kind, text = _signer().loads(request.cookies.get(_FLASH_COOKIE, ""))
    except (BadSignature, ValueError, TypeError):
        return None
    return str(kind), str(text)


def _token(browser: str, session: str) -> str:
    return hmac.new(_key(), f"{browser}\n{session}".encode(), "sha256").hexdigest()


@lru_cache(maxsize=1)
def _signer() -> URLSafeSerializer:
    return URLSafeSerializer(_key(), salt="flash")


@lru_cache(maxsize=1)
def _key() -> bytes:
    return KeyRing(settings()).derived("web pages")
