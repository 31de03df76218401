"""A breaker per instance: when a target keeps failing, its deliveries wait instead of hammering it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import bindparam, select, update
from sqlalchemy.orm import Session

from connectors import Outcome
from hub.cases import rows, troubles
from hub.catalogue.model import InstanceHealth
from hub.catalogue.service import Target
from hub.kit.clock import now
from hub.kit.memory import Memory

THRESHOLD = 5
LONGEST_S = 120.0


FAILURES = frozenset({"transient", "unknown"})
_MINE = (InstanceHealth.tenant_id == bindparam("tenant"), InstanceHealth.name == bindparam("target"))
_HEALTH = select(InstanceHealth.failures, InstanceHealth.open_until).where(*_MINE)
_FAILURES = select(InstanceHealth.failures).where(*_MINE)
_healthy: Memory[tuple[str, str], bool] = Memory(1.0)


@dataclass(frozen=True, slots=True)
class Health:
    """How a target stands: failures in a row, and when calls may go again if they may not go now."""

    failures: int = 0
    open_until: datetime | None = None


def look(session: Session, tenant: str, target: Target) -> Health:
    """The target's present health; a healthy one is believed to be so for a second."""
    if _healthy.recall((tenant, target.name)):
        return Health()
    health = _read(session, tenant, target)
    if health.failures == 0:
        _healthy.remember((tenant, target.name), True)
    return health


def _read(session: Session, tenant: str, target: Target) -> Health:
    row = session.connection().execute(_HEALTH, {"tenant": tenant, "target": target.name}).first()
    if row is None:
        return Health()
    return Health(row.failures or 0, row.open_until if row.open_until and row.open_until > now() else None)


def note(session: Session, tenant: str, target: Target, outcome: Outcome) -> None:
    """A failure counts, a success clears; only what was ailing or fails is written."""
    failures = session.connection().execute(_FAILURES, {"tenant": tenant, "target": target.name}).scalar()
    if outcome.kind not in FAILURES:
        if failures:
            session.execute(
                update(InstanceHealth)
                .where(InstanceHealth.tenant_id == tenant, InstanceHealth.name == target.name)
                .values(failures=0, open_until=None, last_success_at=now())
            )
            troubles.solve(session, tenant=tenant, dedupe=f"instance:{target.name}", by="hub", solution="recovered")
        return
    _healthy.forget((tenant, target.name))
    count = (failures or 0) + 1
    wait = min(LONGEST_S, float(target.limits.get("breaker_s", 2)) * 2 ** max(0, count - THRESHOLD))
    values = {
        "failures": count,
        "last_failure": (outcome.detail or outcome.say or outcome.kind)[:300],
        "open_until": now() + timedelta(seconds=wait) if count >= THRESHOLD else None,
    }
    if count == THRESHOLD:  # many cases may wait for one target: IT is told once, by the target, not by the case
        troubles.open_trouble(
            session,
            tenant=tenant,
            kind=troubles.STOERUNG,
            code="instance.unreachable",
            title=f"{target.title} ist nicht erreichbar",
            message=f"{count} Aufrufe nacheinander sind gescheitert: {values['last_failure']} Der Hub versucht "
            "es von selbst weiter; nichts geht verloren.",
            dedupe=f"instance:{target.name}",
            choices=("noted",),
            detail={"instance": target.name},
        )
    row = {"tenant_id": tenant, "name": target.name} | values
    rows.put(session, InstanceHealth, row, key=("tenant_id", "name"), change=tuple(values))
