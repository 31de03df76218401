"""OAuth 2 client credentials (RFC 6749 §4.4) for portals, and who a request comes from."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from urllib.parse import parse_qs, unquote_plus

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse

from hub.identity import service
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


def _basic(request: Request) -> tuple[str, str] | None:
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, _, secret = base64.b64decode(value, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return unquote_plus(name), unquote_plus(secret)


@router.post("/oauth/token", summary="Zugriffstoken holen (client_credentials)")
async def token(request: Request) -> JSONResponse:
    """Form `grant_type=client_credentials` with HTTP Basic or `client_id` and `client_secret` in the form."""
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
    state = request.app.state

    def prove() -> str:
        with state.db.read() as session:
            client = service.prove_client(session, settings().tenant, name, secret)
        return service.issue_token(state.bearer.key, client.tenant_id, client.client_id, issuer=settings().public_url)

    issued = await run_in_threadpool(prove)
    return JSONResponse(
        {"access_token": issued, "token_type": "Bearer", "expires_in": service.TOKEN_SECONDS},
        headers={"Cache-Control": "no-store"},
    )
