"""How much is open, waiting and late: numbers only, over the cases somebody may see."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from hub.cases.model import Case, Deadline, Effect, Trouble
from hub.insight.service import table
from hub.kit.clock import today_berlin
from hub.library import service as library


def overview(session: Session, tenant: str, conditions: Sequence[Any]) -> dict[str, Any]:
    """How much is open, waiting and late, over the cases that the conditions leave; numbers only."""
    delivery = table("delivery")
    open_case = (*conditions, Case.state != "closed")
    services = session.execute(
        select(Case.process, func.count()).where(*open_case).group_by(Case.process).order_by(func.count().desc())
    ).all()
    titles = {process.id: process.profile.title for process in library.all_released(session, tenant)}
    tasks = (
        select(func.count())
        .select_from(Effect)
        .join(Case, Case.id == Effect.case_id)
        .where(Effect.kind == "user-task", Effect.state == "open", *open_case)
    )
    late = (
        select(func.count())
        .select_from(Deadline)
        .join(Case, Case.id == Deadline.case_id)
        .where(Deadline.state == "running", Deadline.due_on < today_berlin(), *open_case)
    )
    troubles = dict(
        session.execute(
            select(Trouble.kind, func.count())
            .join(Case, Case.id == Trouble.case_id)
            .where(Trouble.state == "open", *conditions)
            .group_by(Trouble.kind)
        ).all()
    )
    waiting = session.execute(
        select(delivery.c.state, func.count())
        .join(Case, Case.id == delivery.c.case_id)
        .where(delivery.c.state.in_(("running", "waiting", "handed-over", "failed")), *open_case)
        .group_by(delivery.c.state)
    ).all()
    return {
        "services": [(titles.get(name, name), count) for name, count in services],
        "cases": sum(count for _, count in services),
        "tasks": session.scalar(tasks) or 0,
        "unclaimed": session.scalar(tasks.where(Effect.claimed_by.is_(None))) or 0,
        "late": session.scalar(late) or 0,
        "klaerfaelle": troubles.get("klaerfall", 0),
        "stoerungen": troubles.get("stoerung", 0),
        "deliveries": {str(state): count for state, count in waiting},
    }
