"""Tables of the audit trail: the entries and, per tenant, the head of their chain."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from hub.kit.database import Base, Bytes, Instant, JsonText, Uuid

_OPEN = text("position IS NULL")


class AuditEntry(Base):
    """One act (also of reading). Written once; the sealer adds place and digest, nothing else ever changes it."""

    __tablename__ = "audit_entry"
    __table_args__ = (
        UniqueConstraint("tenant_id", "position"),
        Index("ix_audit_entry_tenant_id_subject", "tenant_id", "subject"),
        Index("ix_audit_entry_open", "id", postgresql_where=_OPEN, sqlite_where=_OPEN),
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    tenant_id: Mapped[str] = mapped_column(String(63))
    at: Mapped[datetime] = mapped_column(Instant)
    actor: Mapped[str] = mapped_column(String(200))
    action: Mapped[str] = mapped_column(String(100))
    subject: Mapped[str] = mapped_column(String(200))
    detail: Mapped[dict[str, Any] | None] = mapped_column(JsonText)
    position: Mapped[int | None] = mapped_column(BigInteger, doc="place in the tenant's chain, from 1")
    digest: Mapped[bytes | None] = mapped_column(Bytes, doc="SHA-256 over digest before, position and entry")


class AuditHead(Base):
    """The last sealed entry of a tenant; shows when entries vanish from the end of the chain."""

    __tablename__ = "audit_head"

    tenant_id: Mapped[str] = mapped_column(String(63), primary_key=True)
    position: Mapped[int] = mapped_column(BigInteger)
    digest: Mapped[bytes] = mapped_column(Bytes)
    sealed_at: Mapped[datetime] = mapped_column(Instant)
