"""Tables of the kit: the wrapped data keys. They live apart from all content, so a backup can keep them apart too."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from hub.kit.database import Base, Bytes, Instant, Uuid


class DataKeyRow(Base):
    """One data key, wrapped by a master key. Destroying it destroys all content sealed with it."""

    __tablename__ = "data_key"

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    tenant_id: Mapped[str] = mapped_column(String(63))
    wrapped: Mapped[bytes | None] = mapped_column(Bytes)
    created_at: Mapped[datetime] = mapped_column(Instant)
    destroyed_at: Mapped[datetime | None] = mapped_column(Instant)
