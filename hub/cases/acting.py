"""What people do with a case, from any page: lock it, close what it waits for, answer the engine, tell and prove it.

The order is always the same: the case first, then one conditional update that decides who was first, then the story.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.orm import Session

from hub import audit
from hub.cases import events, signals, vault
from hub.cases.model import Case, Effect
from hub.identity.access import Actor
from hub.kit.clock import now


def lock(session: Session, case: Case) -> None:
    """Wait until nobody else acts on the case (PostgreSQL: FOR NO KEY UPDATE; SQLite has one writer anyway)."""
    session.execute(select(Case.id).where(Case.id == case.id).with_for_update(key_share=True))


def close(session: Session, actor: Actor, effect: Effect, outcome: str | None, *only: ColumnElement[bool]) -> bool:
    """Close what the process waits for, if it is still open and `only` holds; says whether this actor did it."""
    done = session.execute(
        update(Effect)
        .where(Effect.id == effect.id, Effect.state == "open", *only)
        .values(state="done", done_at=now(), done_by=actor.id, outcome=outcome)
        .returning(Effect.id)
    ).scalar()
    return done is not None


def answer(session: Session, case: Case, effect: Effect, kind: str, body: Mapping[str, Any]) -> None:
    """Give the engine what the effect was waiting for."""
    signals.send(
        session,
        tenant=case.tenant_id,
        case_id=case.id,
        key=vault.key(session, case.data_key_id),
        kind=kind,
        wait=effect.wait,
        body=body,
    )


def tell(session: Session, actor: Actor, case: Case, kind: str, summary: str, **more: Any) -> None:
    """Write into the story of the case what this person did; `more` as in `events.record`."""
    events.record(session, tenant=case.tenant_id, case_id=case.id, kind=kind, actor=actor.id, summary=summary, **more)


def prove(session: Session, actor: Actor, case: Case, action: str, **detail: Any) -> None:
    """Keep in the audit trail what this person did; `detail` holds ids and codes, never content."""
    audit.record(
        session, actor=actor.id, action=action, subject=str(case.id), tenant=actor.tenant, detail=detail or None
    )
