"""The city's configuration: departments, competence, and instances of connectors (immutable per version)."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Boolean, Index, Integer, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from hub.kit.database import Base, Instant, JsonText, Uuid, new_id


class Department(Base):
    """An organisational unit (Organisationseinheit) that is competent for services and reads their cases."""

    __tablename__ = "department"

    tenant_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    id: Mapped[str] = mapped_column(String(60), primary_key=True)
    title: Mapped[str] = mapped_column(String(200))
    number: Mapped[str | None] = mapped_column(String(20))


class Competence(Base):
    """Who is competent (Zuständigkeit): a value such as a street or Leitweg-ID names a department."""

    __tablename__ = "competence"

    tenant_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    service: Mapped[str] = mapped_column(String(80), primary_key=True)
    kind: Mapped[str] = mapped_column(String(20), primary_key=True)
    value: Mapped[str] = mapped_column(String(120), primary_key=True)
    department: Mapped[str] = mapped_column(String(60))


class ConnectorInstance(Base):
    """One configured target: address, credentials by reference, limits. A change is a new version, never an update."""

    __tablename__ = "connector_instance"

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True, default=new_id)
    tenant_id: Mapped[str] = mapped_column(String(40))
    name: Mapped[str] = mapped_column(String(80))
    version: Mapped[int] = mapped_column(Integer)
    connector: Mapped[str] = mapped_column(String(80))
    title: Mapped[str] = mapped_column(String(200))
    stage: Mapped[str] = mapped_column(String(20))
    owner: Mapped[str] = mapped_column(String(120))
    settings: Mapped[dict[str, Any]] = mapped_column(JsonText)
    limits: Mapped[dict[str, Any]] = mapped_column(JsonText)
    active: Mapped[bool] = mapped_column(Boolean, default=True)
    created_at: Mapped[datetime] = mapped_column(Instant)

    __table_args__ = (
        UniqueConstraint("tenant_id", "name", "version"),
        Index(
            "ux_connector_instance_active",
            "tenant_id",
            "name",
            unique=True,
            postgresql_where=text("active"),
            sqlite_where=text("active"),
        ),
    )


class Binding(Base):
    """Which instance fills a connector role of a process; `*` stands for every process."""

    __tablename__ = "binding"

    tenant_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    process: Mapped[str] = mapped_column(String(80), primary_key=True)
    role: Mapped[str] = mapped_column(String(40), primary_key=True)
    instance: Mapped[str] = mapped_column(String(80))


class InstanceHealth(Base):
    """Breaker of an instance: after repeated transient failures calls pause until `open_until`."""

    __tablename__ = "instance_health"

    tenant_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    name: Mapped[str] = mapped_column(String(80), primary_key=True)
    failures: Mapped[int] = mapped_column(Integer, default=0)
    open_until: Mapped[datetime | None] = mapped_column(Instant)
    last_failure: Mapped[str | None] = mapped_column(String(300))
    last_success_at: Mapped[datetime | None] = mapped_column(Instant)
