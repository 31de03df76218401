"""A breaker per instance: when a target keeps failing, its deliveries wait instead of hammering it."""

from __future__ import annotations

from datetime import datetime, timedelta

from connectors import Outcome
from sqlalchemy import select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from hub.catalogue.model import InstanceHealth
from hub.catalogue.service import Target
from hub.kit.clock import now

THRESHOLD = 5
LONGEST_S = 120.0


def closed_until(session: Session, tenant: str, target: Target) -> datetime | None:
    """When calls may go again, if they may not go now."""
    until = session.scalar(
        select(InstanceHealth.open_until).where(InstanceHealth.tenant_id == tenant, InstanceHealth.name == target.name,
                                                InstanceHealth.open_until.is_not(None))
    )
    return until if until and until > now() else None


def note(session: Session, tenant: str, target: Target, outcome: Outcome) -> None:
    """A failure counts, a success clears; a healthy target costs one indexed read and no write."""
    failures = session.scalar(
        select(InstanceHealth.failures).where(InstanceHealth.tenant_id == tenant, InstanceHealth.name == target.name)
    )
    if outcome.kind not in {"transient", "unknown"}:
        if failures:
            session.execute(
                update(InstanceHealth)
                .where(InstanceHealth.tenant_id == tenant, InstanceHealth.name == target.name)
                .values(failures=0, open_until=None, last_success_at=now())
            )
        return
    count = (failures or 0) + 1
    wait = min(LONGEST_S, float(target.limits.get("breaker_s", 2)) * 2 ** max(0, count - THRESHOLD))
    values = {
        "failures": count, "last_failure": (outcome.detail or outcome.say or outcome.kind)[:300],
        "open_until": now() + timedelta(seconds=wait) if count >= THRESHOLD else None,
    }
    make = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    session.execute(
        make(InstanceHealth).values(tenant_id=tenant, name=target.name, **values)
        .on_conflict_do_update(index_elements=["tenant_id", "name"], set_=values)
    )
