"""Process versions: immutable once released; running cases stay pinned to theirs."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Index, LargeBinary, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from hub.kit.database import Base, Instant, JsonText, Uuid, new_id


class ProcessVersion(Base):
    """One version of one process: its files as one archive, found by digest."""

    __tablename__ = "process_version"

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True, default=new_id)
    tenant_id: Mapped[str] = mapped_column(String(40))
    process: Mapped[str] = mapped_column(String(80))
    version: Mapped[str] = mapped_column(String(20))
    digest: Mapped[str] = mapped_column(String(64))
    state: Mapped[str] = mapped_column(String(12))  # draft | in_review | released | retired
    files: Mapped[bytes] = mapped_column(LargeBinary)
    profile: Mapped[dict[str, Any]] = mapped_column(JsonText)
    created_at: Mapped[datetime] = mapped_column(Instant)
    released_at: Mapped[datetime | None] = mapped_column(Instant)
    released_by: Mapped[str | None] = mapped_column(String(120))
    reviewed_by: Mapped[str | None] = mapped_column(String(120))

    __table_args__ = (
        UniqueConstraint("tenant_id", "process", "version", "digest"),
        Index(
            "ux_process_version_released",
            "tenant_id",
            "process",
            unique=True,
            postgresql_where=text("state = 'released'"),
            sqlite_where=text("state = 'released'"),
        ),
    )
