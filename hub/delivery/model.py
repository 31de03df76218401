"""The ledger: a delivery, its steps, and every single attempt; and the messages that come back in."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import Index, Integer, LargeBinary, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from hub.kit.database import Base, Instant, Uuid, new_id


class Delivery(Base):
    """One hand-over to one target; its id is the effect's id and the idempotency key on the wire."""

    __tablename__ = "delivery"

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    tenant_id: Mapped[str] = mapped_column(String(40))
    case_id: Mapped[UUID] = mapped_column(Uuid)
    instance: Mapped[str] = mapped_column(String(80))
    instance_version: Mapped[int] = mapped_column(Integer)
    connector: Mapped[str] = mapped_column(String(80))
    operation: Mapped[str] = mapped_column(String(60))
    state: Mapped[str] = mapped_column(String(16))  # running | waiting | delivered | handed-over | failed | cancelled
    outcome: Mapped[str | None] = mapped_column(String(20))
    say: Mapped[str | None] = mapped_column(Text)
    tries: Mapped[int] = mapped_column(Integer, default=0)
    expected_by: Mapped[datetime | None] = mapped_column(Instant)
    created_at: Mapped[datetime] = mapped_column(Instant)
    finished_at: Mapped[datetime | None] = mapped_column(Instant)

    __table_args__ = (
        Index("ix_delivery_case", "case_id"),
        Index(
            "ix_delivery_expected",
            "tenant_id",
            "expected_by",
            postgresql_where=text("state = 'handed-over'"),
            sqlite_where=text("state = 'handed-over'"),
        ),
    )


class DeliveryStep(Base):
    """One step of a delivery: planned, started (committed before the call), done or unknown; result sealed."""

    __tablename__ = "delivery_step"

    delivery_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    step: Mapped[str] = mapped_column(String(60), primary_key=True)
    tenant_id: Mapped[str] = mapped_column(String(40))
    position: Mapped[int] = mapped_column(Integer)
    state: Mapped[str] = mapped_column(String(12))  # started | done | unknown | failed
    result: Mapped[bytes | None] = mapped_column(LargeBinary)
    started_at: Mapped[datetime] = mapped_column(Instant)
    done_at: Mapped[datetime | None] = mapped_column(Instant)


class DeliveryAttempt(Base):
    """One call: when, how long, what came out, request and answer redacted and shortened."""

    __tablename__ = "delivery_attempt"

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True, default=new_id)
    tenant_id: Mapped[str] = mapped_column(String(40))
    delivery_id: Mapped[UUID] = mapped_column(Uuid)
    step: Mapped[str] = mapped_column(String(60))
    at: Mapped[datetime] = mapped_column(Instant)
    milliseconds: Mapped[int] = mapped_column(Integer)
    outcome: Mapped[str] = mapped_column(String(20))
    status: Mapped[str | None] = mapped_column(String(60))
    say: Mapped[str | None] = mapped_column(Text)
    detail: Mapped[str | None] = mapped_column(Text)
    request: Mapped[str | None] = mapped_column(Text)
    answer: Mapped[str | None] = mapped_column(Text)

    __table_args__ = (Index("ix_delivery_attempt_delivery", "delivery_id", "id"),)


class InboundMessage(Base):
    """What a specialist application sent us: stored first (sealed), handled once per sender key."""

    __tablename__ = "inbound_message"

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True, default=new_id)
    tenant_id: Mapped[str] = mapped_column(String(40))
    instance: Mapped[str] = mapped_column(String(80))
    sender_key: Mapped[str] = mapped_column(String(200))
    event: Mapped[str] = mapped_column(String(40))
    state: Mapped[str] = mapped_column(String(12))  # received | done | unmatched
    data_key_id: Mapped[UUID] = mapped_column(Uuid)
    body: Mapped[bytes] = mapped_column(LargeBinary)
    case_id: Mapped[UUID | None] = mapped_column(Uuid)
    received_at: Mapped[datetime] = mapped_column(Instant)
    handled_at: Mapped[datetime | None] = mapped_column(Instant)

    __table_args__ = (UniqueConstraint("tenant_id", "instance", "sender_key"),)


class FarNumber(Base):
    """A number the far system gave a case, so that its later messages find the case."""

    __tablename__ = "far_number"

    tenant_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    instance: Mapped[str] = mapped_column(String(80), primary_key=True)
    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    value: Mapped[str] = mapped_column(String(160), primary_key=True)
    case_id: Mapped[UUID] = mapped_column(Uuid)
    created_at: Mapped[datetime] = mapped_column(Instant)
