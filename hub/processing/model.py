"""Where a running process instance rests between two steps."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import Integer, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from hub.kit.database import Base, Instant, Uuid


class ProcessInstance(Base):
    """The engine's state of one case (sealed, versioned format, no payload); it is deleted when the process ends."""

    __tablename__ = "process_instance"

    case_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    tenant_id: Mapped[str] = mapped_column(String(40))
    revision: Mapped[int] = mapped_column(Integer)
    state: Mapped[bytes] = mapped_column(LargeBinary)
    updated_at: Mapped[datetime] = mapped_column(Instant)
