"""Signing in and proving who calls: passwords, browser sessions, client credentials and access tokens."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Iterable
from datetime import timedelta
from functools import lru_cache

from argon2 import PasswordHasher
from argon2.exceptions import VerificationError
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from hub.identity.access import Actor
from hub.identity.model import ApiClient, LoginSession, UserAccount
from hub.kit import upsert
from hub.kit.clock import now
from hub.kit.problems import Problem

TOKEN_SECONDS = 3600
SESSION_HOURS = 10
_hasher = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)  # OWASP's lower bound for argon2id
_NOBODY = _hasher.hash(secrets.token_hex(8))


def plain_name(given: str) -> str:
    """A login or client id as somebody typed it, fit for looking up and for the audit trail."""
    return "".join(sign for sign in given if sign.isprintable()).strip()[:80]


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def save_client(
    session: Session,
    *,
    tenant: str,
    client_id: str,
    title: str,
    secret: str,
    services: Iterable[str] = ("*",),
    reply_to: str | None = None,
) -> None:
    """Register a portal or replace its entry. The secret is random and long, so a plain digest protects it."""
    row = {
        "tenant_id": tenant,
        "client_id": client_id,
        "title": title,
        "secret_hash": _digest(secret),
        "services": list(services),
        "reply_to": reply_to,
        "active": True,
        "created_at": now(),
    }
    upsert.put(session, ApiClient, row, key=("tenant_id", "client_id"))


def client(session: Session, tenant: str, client_id: str) -> ApiClient | None:
    """An active client by id."""
    found = session.get(ApiClient, (tenant, client_id))
    return found if found and found.active else None


def prove_client(session: Session, tenant: str, client_id: str, secret: str) -> ApiClient:
    """The client that these credentials prove. Raises Problem 401."""
    found = client(session, tenant, client_id)
    if not hmac.compare_digest(found.secret_hash if found else "", _digest(secret)) or found is None:
        raise Problem(
            401,
            "oauth.invalid_client",
            "Anmeldung abgelehnt",
            "client_id oder client_secret sind falsch, oder der Zugang ist gesperrt.",
        )
    return found


@lru_cache(maxsize=4)
def _signing_key(raw: bytes) -> OctKey:
    return OctKey.import_key(raw)


def issue_token(key: bytes, tenant: str, client_id: str, *, issuer: str) -> str:
    """An access token (JWT, HS256) for one hour; `key` is derived from the master key."""
    at = int(time.time())
    claims = {
        "iss": issuer,
        "sub": client_id,
        "ten": tenant,
        "iat": at,
        "exp": at + TOKEN_SECONDS,
        "jti": secrets.token_hex(8),
    }
    return jwt.encode({"alg": "HS256", "typ": "at+jwt"}, claims, _signing_key(key), algorithms=["HS256"])


@lru_cache(maxsize=512)
def _claims(token: str, key: bytes) -> tuple[str, str, int]:
    claims = jwt.decode(token, _signing_key(key), algorithms=["HS256"]).claims
    return str(claims["ten"]), str(claims["sub"]), int(claims["exp"])


def token_subject(key: bytes, token: str) -> tuple[str, str]:
    """(tenant, client id) of a valid access token. Raises Problem 401."""
    try:
        tenant, subject, expires = _claims(token, key)
    except (JoseError, KeyError, ValueError):
        raise Problem(
            401,
            "oauth.invalid_token",
            "Zugriffstoken ungültig",
            "Bitte holen Sie unter /oauth/token ein neues Zugriffstoken.",
            headers={"WWW-Authenticate": 'Bearer error="invalid_token"'},
        ) from None
    if expires < time.time():
        raise Problem(
            401,
            "oauth.expired_token",
            "Zugriffstoken abgelaufen",
            "Bitte holen Sie unter /oauth/token ein neues Zugriffstoken.",
            headers={"WWW-Authenticate": 'Bearer error="invalid_token"'},
        )
    return tenant, subject


def save_user(
    session: Session,
    *,
    tenant: str,
    login: str,
    display_name: str,
    password: str,
    roles: Iterable[str],
    departments: Iterable[str],
    clearances: Iterable[str] = (),
) -> None:
    """Create a person's account or replace it."""
    row = {
        "tenant_id": tenant,
        "login": login,
        "display_name": display_name,
        "password_hash": _hasher.hash(password),
        "roles": sorted(roles),
        "departments": sorted(departments),
        "clearances": sorted(clearances),
        "active": True,
        "created_at": now(),
    }
    upsert.put(session, UserAccount, row, key=("tenant_id", "login"))


def actor_of(account: UserAccount) -> Actor:
    """The acting person of an account."""
    return Actor(
        id=account.login,
        kind="user",
        name=account.display_name,
        tenant=account.tenant_id,
        roles=frozenset(account.roles),
        departments=frozenset(account.departments),
        clearances=frozenset(account.clearances),
    )


def sign_in(session: Session, tenant: str, login: str, password: str) -> tuple[Actor, str] | None:
    """The actor and a fresh cookie value, or None; takes as long for an unknown login as for a known one."""
    account = session.get(UserAccount, (tenant, login.strip().casefold()))
    try:
        _hasher.verify(account.password_hash if account else _NOBODY, password)
    except VerificationError:
        return None
    if account is None or not account.active:
        return None
    token = secrets.token_urlsafe(32)
    session.add(
        LoginSession(
            token_hash=_digest(token),
            tenant_id=tenant,
            login=account.login,
            created_at=now(),
            expires_at=now() + timedelta(hours=SESSION_HOURS),
        )
    )
    session.flush()
    return actor_of(account), token


def signed_in(session: Session, token: str | None) -> Actor | None:
    """The person behind a browser's cookie, if the session is still good."""
    if not token:
        return None
    row = session.execute(
        select(UserAccount)
        .join(
            LoginSession, (LoginSession.login == UserAccount.login) & (LoginSession.tenant_id == UserAccount.tenant_id)
        )
        .where(LoginSession.token_hash == _digest(token), LoginSession.expires_at > now(), UserAccount.active)
    ).scalar()
    return actor_of(row) if row else None


def sign_out(session: Session, token: str) -> None:
    """End a browser session, and sweep expired ones."""
    session.execute(
        delete(LoginSession).where((LoginSession.token_hash == _digest(token)) | (LoginSession.expires_at < now()))
    )


def account(session: Session, tenant: str, login: str) -> UserAccount | None:
    """A person's account."""
    return session.get(UserAccount, (tenant, login))
