"""Asking for jobs and taking the wish back, in the caller's transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Insert, bindparam, case, delete, func, null, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from hub.jobs.handlers import Job, Ready
from hub.jobs.model import FAILED, RUNNING, WAITING, JobRow
from hub.kit.clock import now
from hub.kit.database import new_id
from hub.kit.settings import settings

# How long a worker may need until the sweep supposes that the message was lost.
GRACE = timedelta(seconds=5)
READY = "jobs.ready"
# Marks of a session: what a turn may take over before the commit, what it claimed, the case the transaction holds.
WISHES = "jobs.wishes"
CLAIMED = "jobs.claimed"
HELD = "jobs.held"


@dataclass(frozen=True, slots=True)
class Wish:
    """A job that was asked for and is due now, without a row so far."""

    tenant: str
    kind: str
    key: str
    subject: UUID | None
    lane: str
    at: datetime

    def job(self) -> Job:
        """The job as its handler sees it."""
        return Job(new_id(), self.tenant, self.kind, self.key, self.subject, self.lane, self.at, 0, 0, self.at)


def hold(session: Session, subject: UUID) -> None:
    """Note that this transaction holds the lock of a case (or has just inserted it): its jobs may run in it."""
    session.info[HELD] = subject


def enqueue(
    session: Session,
    kind: str,
    key: str,
    subject: UUID | None,
    *,
    due: datetime | None = None,
    tenant: str | None = None,
    lane: str = "normal",
) -> None:
    """Ask for one run of ``kind`` for ``key``, at ``due`` (default: at once). Announced after the commit.

    There is one row for a (tenant, kind, key): a waiting job keeps the earlier due time, a running one runs once more
    afterwards, a failed one starts afresh. ``subject`` is the case that is locked before the job.
    """
    at = now()
    wish = Wish(tenant or settings().tenant, kind, key, subject, lane, at)
    if due is not None and due > at:
        write(session, wish, due=due)
    elif (wishes := session.info.get(WISHES)) is not None:
        wishes.setdefault((wish.tenant, kind, key), wish)
    else:
        write(session, wish)


def write(session: Session, wish: Wish, *, due: datetime | None = None) -> None:
    """Give a wish its row; one that is due is announced after the commit."""
    row = (
        session.connection()
        .execute(
            _UPSERT[session.get_bind().dialect.name],
            {
                "id": new_id(),
                "tenant_id": wish.tenant,
                "kind": wish.kind,
                "key": wish.key,
                "subject": wish.subject,
                "lane": wish.lane,
                "due": due or wish.at,
                "sweep_at": due or wish.at + GRACE,
                "created_at": wish.at,
            },
        )
        .one()
    )
    if due is None and row.state == WAITING:
        mark_ready(session, Ready(row.id, row.lane, wish.kind, wish.subject))


def cancel(session: Session, kind: str, key: str, *, tenant: str | None = None) -> bool:
    """Take a job back. True when it will not run; a run already under way ends, but is not repeated (False)."""
    tenant = tenant or settings().tenant
    session.info.get(WISHES, {}).pop((tenant, kind, key), None)
    which = (JobRow.tenant_id == tenant, JobRow.kind == kind, JobRow.key == key)
    gone = session.connection().execute(delete(JobRow).where(*which, JobRow.state != RUNNING).returning(JobRow.id))
    if gone.first() is not None:
        return True
    return session.connection().execute(update(JobRow).where(*which).values(again_due=None)).rowcount == 0


def retry(session: Session, job_id: UUID) -> bool:
    """Start a failed job afresh (somebody fixed the cause). False when it is not there or has not failed."""
    at = now()
    fresh = {"state": WAITING, "due": at, "sweep_at": at + GRACE, "attempts": 0, "expiries": 0, "announced": 0}
    row = session.execute(
        update(JobRow)
        .where(JobRow.id == job_id, JobRow.state == FAILED)
        .values(**fresh, error=null())
        .returning(JobRow.id, JobRow.lane, JobRow.kind, JobRow.subject)
    ).first()
    if row is None:
        return False
    mark_ready(session, Ready(row.id, row.lane, row.kind, row.subject))
    return True


def failed(session: Session, *, tenant: str | None = None, limit: int = 100) -> Sequence[JobRow]:
    """Jobs that failed for good, oldest first."""
    return session.scalars(
        select(JobRow)
        .where(JobRow.tenant_id == (tenant or settings().tenant), JobRow.state == FAILED)
        .order_by(JobRow.created_at)
        .limit(limit)
    ).all()


def depth(session: Session) -> dict[str, int]:
    """How many jobs are waiting and due, scheduled for later, running and failed (for figures and health)."""
    label = case((JobRow.state != WAITING, JobRow.state), (JobRow.due <= now(), "due"), else_="later")
    found = session.execute(select(label, func.count()).group_by(label)).all()
    return {"due": 0, "later": 0, RUNNING: 0, FAILED: 0} | {str(row[0]): int(row[1]) for row in found}


def mark_ready(session: Session, ready: Ready) -> None:
    """Remember a job to announce once this transaction is committed."""
    session.info.setdefault(READY, []).append(ready)


def _upsert(make: type[postgresql.Insert] | type[sqlite.Insert]) -> Insert:
    """The insert that merges with a row already there; one statement, so no other worker can slip between."""
    names = ("id", "tenant_id", "kind", "key", "subject", "lane", "due", "sweep_at", "created_at")
    statement = make(JobRow).values(
        {name: bindparam(name) for name in names} | {"state": WAITING, "attempts": 0, "expiries": 0, "announced": 0}
    )
    new, old = statement.excluded, JobRow
    earlier = case((new.due < old.due, new.due), else_=old.due)
    earlier_again = case((new.due < old.again_due, new.due), else_=old.again_due)
    afresh = old.state == FAILED
    running = old.state == RUNNING
    return statement.on_conflict_do_update(
        index_elements=["tenant_id", "kind", "key"],
        set_={
            "due": case((afresh, new.due), (running, old.due), else_=earlier),
            "sweep_at": case((running, old.sweep_at), (afresh | (new.due < old.due), new.sweep_at), else_=old.sweep_at),
            "state": case((afresh, WAITING), else_=old.state),
            "again_due": case((running, func.coalesce(earlier_again, new.due)), else_=null()),
            "attempts": case((afresh, 0), else_=old.attempts),
            "expiries": case((afresh, 0), else_=old.expiries),
            "announced": case((afresh, 0), else_=old.announced),
        },
    ).returning(old.id, old.state, old.lane)


_UPSERT: dict[str, Insert] = {"postgresql": _upsert(postgresql.Insert), "sqlite": _upsert(sqlite.Insert)}
