"""The few facts that a person's finding changes in the ledger and in the inbound messages.

Both belong to delivery, which clearing may not import; so their tables are addressed by name, and only here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Table, delete, select, update
from sqlalchemy.orm import Session

from hub.cases import content, vault
from hub.kit.clock import now
from hub.kit.database import Base


@dataclass(frozen=True, slots=True)
class Waiting:
    """An inbound message that found no case: who sent it, what kind it is, and what it names."""

    instance: str
    event: str
    match: Mapping[str, Any]


def _table(name: str) -> Table:
    return Base.metadata.tables[name]


def begun(session: Session, delivery_ids: Sequence[UUID]) -> dict[UUID, str]:
    """The state of those deliveries that have begun."""
    deliveries = _table("delivery")
    rows = session.execute(select(deliveries.c.id, deliveries.c.state).where(deliveries.c.id.in_(delivery_ids)))
    return {row.id: row.state for row in rows}


def settle(session: Session, delivery_id: UUID) -> None:
    """Somebody looked into the target: the delivery arrived."""
    deliveries = _table("delivery")
    session.execute(
        update(deliveries)
        .where(deliveries.c.id == delivery_id)
        .values(state="delivered", outcome="delivered", finished_at=now(), expected_by=None)
    )


def forget_unknown_step(session: Session, delivery_id: UUID) -> None:
    """Somebody looked into the target: the step with the unknown outcome had no effect and may be begun again."""
    steps = _table("delivery_step")
    session.execute(delete(steps).where(steps.c.delivery_id == delivery_id, steps.c.state.in_(("started", "unknown"))))


def message(session: Session, inbound_id: UUID) -> Waiting | None:
    """An inbound message without its payload."""
    messages = _table("inbound_message")
    row = session.execute(
        select(messages.c.instance, messages.c.event, messages.c.data_key_id, messages.c.body).where(
            messages.c.id == inbound_id
        )
    ).first()
    if row is None:
        return None
    body = content.open_json(vault.key(session, row.data_key_id), row.body)
    return Waiting(row.instance, row.event, body.get("match") or {})


def redirect(session: Session, inbound_id: UUID, case_number: str) -> bool:
    """Let an unmatched message name this case and be handled again; False when it is not unmatched any more."""
    messages = _table("inbound_message")
    row = session.execute(
        select(messages.c.data_key_id, messages.c.body).where(
            messages.c.id == inbound_id, messages.c.state == "unmatched"
        )
    ).first()
    if row is None:
        return False
    key = vault.key(session, row.data_key_id)
    body = content.open_json(key, row.body) | {"match": {"case_number": case_number}}
    session.execute(
        update(messages)
        .where(messages.c.id == inbound_id)
        .values(state="received", handled_at=None, body=content.seal_json(key, body))
    )
    return True


def discard(session: Session, inbound_id: UUID) -> None:
    """The message concerns nobody here; it stays stored."""
    messages = _table("inbound_message")
    session.execute(
        update(messages)
        .where(messages.c.id == inbound_id, messages.c.state == "unmatched")
        .values(state="discarded", handled_at=now())
    )
