"""Who may sign in: people with roles and departments, and portals with client credentials."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Boolean, Index, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from hub.kit.database import Base, Instant, JsonText


class ApiClient(Base):
    """A machine client (an OZG portal): what it may submit, and through which instance it is answered."""

    __tablename__ = "api_client"

    tenant_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    client_id: Mapped[str] = mapped_column(String(80), primary_key=True)
    title: Mapped[str] = mapped_column(String(200))
    secret_hash: Mapped[str] = mapped_column(String(64))
    services: Mapped[list[str]] = mapped_column(JsonText)  # process ids or LeiKa-IDs; "*" for all
    reply_to: Mapped[str | None] = mapped_column(String(80))
    active: Mapped[bool] = mapped_column(Boolean, default=True)
    created_at: Mapped[datetime] = mapped_column(Instant)


class UserAccount(Base):
    """A person who works here. The simple sign-in of this release; real identity comes from outside later."""

    __tablename__ = "user_account"

    tenant_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    login: Mapped[str] = mapped_column(String(80), primary_key=True)
    display_name: Mapped[str] = mapped_column(String(120))
    password_hash: Mapped[str] = mapped_column(String(200))
    roles: Mapped[list[str]] = mapped_column(JsonText)
    departments: Mapped[list[str]] = mapped_column(JsonText)
    clearances: Mapped[list[str]] = mapped_column(JsonText)  # tax, social, youth, personnel, protected
    active: Mapped[bool] = mapped_column(Boolean, default=True)
    created_at: Mapped[datetime] = mapped_column(Instant)


class LoginSession(Base):
    """A signed-in browser; only a hash of its cookie is kept."""

    __tablename__ = "login_session"

    token_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    tenant_id: Mapped[str] = mapped_column(String(40))
    login: Mapped[str] = mapped_column(String(80))
    created_at: Mapped[datetime] = mapped_column(Instant)
    expires_at: Mapped[datetime] = mapped_column(Instant)

    __table_args__ = (Index("ix_login_session_expires", "expires_at"),)


class SignInFailure(Base):
    """How often signing in failed lately, per slot (a keyed hash of account and address), and until when to wait."""

    __tablename__ = "sign_in_failure"

    tenant_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    slot: Mapped[str] = mapped_column(String(64), primary_key=True)
    failures: Mapped[int] = mapped_column(Integer)
    last_at: Mapped[datetime] = mapped_column(Instant)
    paused_until: Mapped[datetime | None] = mapped_column(Instant)

    __table_args__ = (Index("ix_sign_in_failure_last_at", "last_at"),)
