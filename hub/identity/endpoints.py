"""OAuth 2 client credentials (RFC 6749 §4.4) for portals, and who a request comes from."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from urllib.parse import parse_qs, unquote_plus

from fastapi import APIRouter, FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse
from starlette.datastructures import State

from hub import audit
from hub.identity import service, throttle
from hub.kit.database import Database
from hub.kit.keys import KeyRing
from hub.kit.memory import Memory
from hub.kit.problems import Problem
from hub.kit.settings import settings

router = APIRouter(tags=["Anmeldung"])
_REMEMBERED_S = 30.0


@dataclass(frozen=True, slots=True)
class Client:
    """The portal that calls."""

    tenant: str
    id: str
    services: frozenset[str]
    reply_to: str | None

    def may_use(self, *names: str | None) -> bool:
        """Whether one of these names of a service (LeiKa-ID, process id) is in the client's scope."""
        return "*" in self.services or bool(self.services & {name for name in names if name})


class Bearer:
    """Turns access tokens into clients; remembers a client for half a minute."""

    def __init__(self, db: Database, ring: KeyRing) -> None:
        self._db = db
        self.key = ring.derived("oauth access token")
        self._known: Memory[tuple[str, str], Client] = Memory(_REMEMBERED_S)

    def client(self, request: Request) -> Client:
        """The calling client. Raises Problem 401."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Problem(
                401,
                "oauth.missing_token",
                "Anmeldung erforderlich",
                "Senden Sie ein Zugriffstoken im Kopf „Authorization: Bearer …“; /oauth/token stellt es aus.",
                headers={"WWW-Authenticate": "Bearer"},
            )
        slot = service.token_subject(self.key, token.strip())
        if (known := self._known.recall(slot)) is not None:
            return known
        with self._db.read() as session:
            row = service.client(session, *slot)
        if row is None:
            raise Problem(401, "oauth.invalid_client", "Zugang gesperrt", "Dieser Zugang besteht nicht mehr.")
        return self._known.remember(slot, Client(slot[0], slot[1], frozenset(row.services), row.reply_to))


def install(app: FastAPI, db: Database, ring: KeyRing) -> None:
    """Give an application what signing in needs: who a token belongs to, and the count of failures."""
    app.state.bearer = Bearer(db, ring)
    app.state.throttle = throttle.Throttle(ring.derived("sign-in throttle"))


def _basic(request: Request) -> tuple[str, str] | None:
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, _, secret = base64.b64decode(value, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return unquote_plus(name), unquote_plus(secret)


def _issue(state: State, name: str, secret: str, address: str | None) -> str:
    """A token for who proves to be the client; a failure is counted and audited. Raises Problem 401, 429."""
    tenant = settings().tenant
    attempt = state.throttle.client(tenant, name, address)
    try:
        with state.db.read() as session:
            counted = throttle.check(session, attempt)
            client = service.prove_client(session, tenant, name, secret)
    except Problem as problem:
        if problem.status == 401:
            _refused(state.db, attempt, name)
        raise
    if counted:
        with state.db.write() as session:
            throttle.succeeded(session, attempt)
    return service.issue_token(state.bearer.key, client.tenant_id, client.client_id, issuer=settings().public_url)


def _refused(db: Database, attempt: throttle.Attempt, name: str) -> None:
    with db.write() as session:
        pause = max(throttle.begin(session, attempt), throttle.failed(session, attempt))
        audit.record(
            session,
            actor=name or "-",
            action="client.refused",
            subject=name or "-",
            tenant=attempt.tenant,
            detail={"pause_s": pause} if pause else None,
        )


@router.post("/oauth/token", summary="Zugriffstoken holen (client_credentials)")
async def token(request: Request) -> JSONResponse:
    """Form `grant_type=client_credentials` with HTTP Basic or `client_id` and `client_secret` in the form.

    After some wrong secrets in a row the answer is 429; `Retry-After` says after how many seconds to try again.
    """
    body = await request.body()
    if len(body) > 8192:
        raise Problem(413, "body.too-large", "Zu groß", "Die Anfrage überschreitet die zulässige Größe.")
    form = {name: values[0] for name, values in parse_qs(body.decode("utf-8", "replace")).items()}
    if form.get("grant_type") != "client_credentials":
        raise Problem(
            400,
            "oauth.unsupported_grant_type",
            "Verfahren nicht unterstützt",
            "Erwartet wird grant_type=client_credentials.",
        )
    name, secret = _basic(request) or (form.get("client_id", ""), form.get("client_secret", ""))
    address = request.client.host if request.client else None
    issued = await run_in_threadpool(_issue, request.app.state, service.plain_name(name), secret, address)
    return JSONResponse(
        {"access_token": issued, "token_type": "Bearer", "expires_in": service.TOKEN_SECONDS},
        headers={"Cache-Control": "no-store"},
    )
