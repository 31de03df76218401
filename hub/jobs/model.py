"""The table of jobs. A finished job has no row: what happened is told by events and audit, not by old jobs."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import Index, SmallInteger, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from hub.kit.database import Base, Instant, Uuid

WAITING = "waiting"
RUNNING = "running"
FAILED = "failed"


class JobRow(Base):
    """One job, waiting, running under a lease, or failed for good (kept until somebody retries or cancels it)."""

    __tablename__ = "job"
    __table_args__ = (
        UniqueConstraint("tenant_id", "kind", "key"),
        Index(
            "ix_job_sweep_at",
            "sweep_at",
            postgresql_where=text("sweep_at IS NOT NULL"),
            sqlite_where=text("sweep_at IS NOT NULL"),
        ),
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    tenant_id: Mapped[str] = mapped_column(String(63))
    kind: Mapped[str] = mapped_column(String(80))
    key: Mapped[str] = mapped_column(String(200))
    subject: Mapped[UUID | None] = mapped_column(Uuid, doc="the case the job belongs to; locked before the job")
    lane: Mapped[str] = mapped_column(String(20))
    state: Mapped[str] = mapped_column(String(10))
    due: Mapped[datetime] = mapped_column(Instant)
    again_due: Mapped[datetime | None] = mapped_column(Instant, doc="next run, asked for while it was running")
    attempts: Mapped[int] = mapped_column(SmallInteger, doc="unexpected failures in a row")
    expiries: Mapped[int] = mapped_column(SmallInteger, doc="leases that ran out, workers that died")
    lease: Mapped[UUID | None] = mapped_column(Uuid, doc="token of the worker that runs it now")
    holder: Mapped[str | None] = mapped_column(String(200), doc="host and process of that worker")
    sweep_at: Mapped[datetime | None] = mapped_column(
        Instant, doc="when the sweep looks at it: due, lost message or expired lease; NULL when failed"
    )
    announced: Mapped[int] = mapped_column(SmallInteger, doc="how often the sweep has announced it")
    created_at: Mapped[datetime] = mapped_column(Instant)
    error: Mapped[str | None] = mapped_column(Text, doc="last failure, redacted, for the operator")
