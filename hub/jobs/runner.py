"""Runs one job: takes it, calls its handler, and decides what a failure means.

| what happens                          | then                                                             |
|---------------------------------------|------------------------------------------------------------------|
| database lost, deadlock, lock timeout | rolled back, tried again at once, else left to the sweep; uncounted |
| handler raises                        | once more after 5 s, then sink and state ``failed``              |
| worker died, lease ran out            | taken back by the sweep, five times, then sink and ``failed``    |
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol
from uuid import UUID

import structlog
from sqlalchemy import bindparam, delete, null, select, update
from sqlalchemy.orm import Session

from hub.jobs.handlers import Inside, Job, LeaseLostError, Outside, Ready, Recurring, Registry
from hub.jobs.lease import Lease, claim, is_dead
from hub.jobs.model import FAILED, RUNNING, WAITING, JobRow
from hub.jobs.service import GRACE, READY, WISHES, hold
from hub.jobs.turn import LockCase, Turn, present, take
from hub.kit.clock import now
from hub.kit.database import Database, is_transient
from hub.kit.log import redact_text

log = structlog.get_logger(__name__)

Sink = Callable[[Session, Job, str], None]

RETRY_AFTER = timedelta(seconds=5)
MAX_ATTEMPTS = 2
MAX_EXPIRIES = 5
CHAIN = 16
_TRIES = 3

_COLUMNS = (
    JobRow.id,
    JobRow.tenant_id,
    JobRow.kind,
    JobRow.key,
    JobRow.subject,
    JobRow.lane,
    JobRow.due,
    JobRow.attempts,
    JobRow.expiries,
    JobRow.created_at,
)
_PEEK = select(JobRow.kind, JobRow.subject, JobRow.state, JobRow.due, JobRow.holder).where(
    JobRow.id == bindparam("job_id")
)
_FREE = (JobRow.id == bindparam("job_id"), JobRow.state == WAITING, JobRow.due <= bindparam("at"))
# SKIP LOCKED: a second message for a job that is being run finds nothing instead of waiting for it.
_TAKE = {
    "postgresql": delete(JobRow)
    .where(JobRow.id == select(JobRow.id).where(*_FREE).with_for_update(skip_locked=True).scalar_subquery())
    .returning(*_COLUMNS),
    "sqlite": delete(JobRow).where(*_FREE).returning(*_COLUMNS),
}


class Carrier(Protocol):
    """Brings ids of committed, due jobs to workers, as well as it can: what it loses, the sweep finds."""

    def announce(self, ready: list[Ready]) -> None:
        """Take jobs over. Must not raise and must not block the caller noticeably."""

    def backlog(self) -> int | None:
        """How many announced jobs no worker has taken yet, roughly; None when nothing can be carried at present."""


def announce_after_commit(db: Database, carrier: Carrier) -> None:
    """Let every ``db.write()`` of this process hand its new jobs to ``carrier``, or to the turn that runs right now."""

    def begin(session: Session) -> None:
        turn = present()
        if turn is not None and turn.room > 0:
            session.info[WISHES] = {}

    def settle(session: Session) -> None:
        if (turn := present()) is not None:
            turn.settle(session)

    def tell(info: dict[object, object]) -> None:
        turn, ready = present(), info.pop(READY, None)
        if turn is not None:
            turn.committed(info)
        if not isinstance(ready, list) or not ready:
            return
        if turn is None:
            carrier.announce(ready)
        else:
            turn.ready.extend(ready)

    db.after_begin.append(begin)
    db.before_commit.append(settle)
    db.after_commit.append(tell)


@dataclass(frozen=True, slots=True)
class _Known:
    """What must be known of a job before it can be taken: its handler and the case to lock first."""

    id: UUID
    kind: str
    subject: UUID | None


def _named(kind: str, subject: UUID | None) -> AbstractContextManager[object]:
    """What every log line of a job tells."""
    return structlog.contextvars.bound_contextvars(job=kind, case=subject and str(subject))


class Runner:
    """Runs jobs of one process. Thread-safe.

    ``lock_case(session, subject)`` locks the case row (``FOR NO KEY UPDATE``), so that one case advances at a time.
    ``sink(session, job, error)`` opens a clearing item in the transaction that marks the job as failed.
    """

    def __init__(
        self, db: Database, registry: Registry, sink: Sink, lock_case: LockCase | None = None, *, chain: int = CHAIN
    ) -> None:
        self.db = db
        self.registry = registry
        self._sink = sink
        self._lock_case = lock_case
        self._chain = chain

    def run(self, job_id: UUID, *, redelivered: bool = False, ready: Ready | None = None) -> list[Ready]:
        """Run one job if it is still waiting and due; gives the jobs that became ready through it.

        A job that is gone, running elsewhere or not due is dropped silently. Failures of handlers never come out of
        here. Raises only when the database cannot be reached: the job then still waits. ``redelivered`` says that a
        worker died with this message; ``ready`` saves a look at a job whose kind and case are known.
        """
        with take(Turn(self.db, self.registry, self._lock_case, lane="")) as turn:
            self._run(job_id, redelivered, ready)
        return list(turn.ready)

    def chain(
        self,
        job_id: UUID,
        carrier: Carrier,
        *,
        lane: str = "normal",
        redelivered: bool = False,
        ready: Ready | None = None,
    ) -> int:
        """Run a job of ``lane`` and what follows from it in the same lane, in one turn; gives the number run.

        Saves a round trip through the broker for each, and most of their transactions. What does not fit into the
        turn is announced. If this process dies, the rows still wait and the sweep finds them.
        """
        with take(Turn(self.db, self.registry, self._lock_case, lane, room=self._chain - 1, ran=1)) as turn:
            try:
                self._run(job_id, redelivered, ready)
                self._go_on(turn)
            finally:
                if turn.ready:
                    carrier.announce(list(turn.ready))
        return turn.ran

    def _go_on(self, turn: Turn) -> None:
        """Run what the turn claimed, and what became ready in its lane, until it has no more room."""
        while True:
            if turn.claimed:
                handler, lease = turn.claimed.pop()
                with _named(lease.job.kind, lease.job.subject):
                    self._under(handler, lease)
                continue
            mine = next((ready for ready in turn.ready if ready.lane == turn.lane), None)
            if mine is None or turn.room <= 0:
                return
            turn.ready.remove(mine)
            turn.room -= 1
            turn.ran += 1
            self._run(mine.id, False, mine)

    def _run(self, job_id: UUID, redelivered: bool, ready: Ready | None) -> None:
        known = _Known(ready.id, ready.kind, ready.subject) if ready else self._look(job_id, redelivered)
        if known is None:
            return
        handler = self.registry.get(known.kind)
        if handler is None:
            log.error("job_kind_unknown", kind=known.kind, job=str(job_id))
            return
        with _named(known.kind, known.subject):
            if isinstance(handler, Inside):
                self._inside(handler, known)
            else:
                self._outside(handler, known)

    # -- one transaction ------------------------------------------------------------------------------------------

    def _inside(self, handler: Inside, known: _Known) -> None:
        for attempt in range(1, _TRIES + 1):
            try:
                with self.db.write() as session:
                    if known.subject is not None and self._lock_case is not None:
                        self._lock_case(session, known.subject)
                        hold(session, known.subject)
                    row = (
                        session.connection().execute(_TAKE[self.db.dialect], {"job_id": known.id, "at": now()}).first()
                    )
                    if row is not None:
                        handler.fn(session, Job.of(row))
                return
            except Exception as error:
                if not is_transient(error):
                    self._count_failure(known.id, None, error)
                    return
                if attempt == _TRIES:
                    raise

    # -- under a lease ----------------------------------------------------------------------------------------------

    def _outside(self, handler: Outside | Recurring, known: _Known) -> None:
        begin = handler.begin if isinstance(handler, Outside) else None
        try:
            with self.db.write() as session:
                lease = claim(session, known.id, handler.lease_s, self._lock_case)
                if lease is not None and begin is not None:
                    lease.begun = begin(self.db, session, lease.job, lease)
        except Exception as error:
            if is_transient(error):
                raise
            self._count_failure(known.id, None, error)
            return
        if lease is not None:
            self._under(handler, lease)

    def _under(self, handler: Outside | Recurring, lease: Lease) -> None:
        """Run what is left of a job whose lease is taken."""
        if lease.done:
            return
        try:
            if isinstance(handler, Recurring):
                self._recurring(handler, lease)
            else:
                handler.fn(self.db, lease.job, lease)
                if not lease.done:
                    raise RuntimeError(f"handler of {handler.kind!r} neither finished its job nor asked for it again")
        except LeaseLostError:
            log.warning("job_lease_lost")
        except Exception as error:
            if is_transient(error):
                self._put_back(lease)
                raise
            self._count_failure(lease.job.id, lease.token, error)

    def _recurring(self, handler: Recurring, lease: Lease) -> None:
        handler.fn(self.db)
        with self.db.write() as session:
            lease.again(session, due=now() + timedelta(seconds=handler.every_s))

    def _put_back(self, lease: Lease) -> None:
        """The database failed in between: let the job run again soon, if that much can be written."""
        try:
            with self.db.write() as session:
                lease.again(session, due=now() + RETRY_AFTER)
        except Exception as error:
            log.warning("job_left_to_sweep", reason=type(error).__name__)

    # -- failures ---------------------------------------------------------------------------------------------------

    def _count_failure(self, job_id: UUID, token: UUID | None, error: Exception) -> None:
        """Note a handler's exception: wait for the retry, or fail for good."""
        log.error("job_failed", exc_info=error)
        text = redact_text("".join(traceback.format_exception(error)))[-4000:]
        mine = JobRow.lease == token if token else JobRow.state == WAITING
        due = now() + RETRY_AFTER
        try:
            with self.db.write() as session:
                row = (
                    session.connection()
                    .execute(
                        update(JobRow)
                        .where(JobRow.id == job_id, mine)
                        .values(
                            state=WAITING,
                            attempts=JobRow.attempts + 1,
                            due=due,
                            sweep_at=due,
                            error=text,
                            lease=null(),
                            holder=null(),
                        )
                        .returning(*_COLUMNS)
                    )
                    .first()
                )
                exhausted = row is not None and row.attempts >= MAX_ATTEMPTS
            if row is not None and exhausted:
                self.give_up(Job.of(row), text)
        except Exception as failure:
            log.error("job_failure_not_noted", exc_info=failure)

    def give_up(self, job: Job, error: str) -> None:
        """Mark ``job`` as failed for good and open its clearing item, in one transaction."""
        try:
            self._fail(job, error, self._sink)
        except Exception as failure:
            if is_transient(failure):
                raise
            log.error("job_sink_failed", job=job.kind, exc_info=failure)
            self._fail(job, error, None)

    def _fail(self, job: Job, error: str, sink: Sink | None) -> None:
        with self.db.write() as session:
            if job.subject is not None and self._lock_case is not None:
                self._lock_case(session, job.subject)
            failed = session.connection().execute(
                update(JobRow)
                .where(JobRow.id == job.id, JobRow.state == WAITING)
                .values(state=FAILED, sweep_at=null(), error=error)
            )
            if failed.rowcount and sink is not None:
                sink(session, job, error)

    def _look(self, job_id: UUID, redelivered: bool) -> _Known | None:
        """Kind and case of a job, without a lock: the case must be locked first. None when there is nothing to do."""
        with self.db.read() as session:
            row = session.connection().execute(_PEEK, {"job_id": job_id}).first()
        if row is None or row.state == FAILED or (row.state == WAITING and row.due > now()):
            return None
        if row.state == RUNNING and not (redelivered and is_dead(row.holder or "")):
            return None
        # The message comes a second time: a worker died with it, and this job may be the reason.
        if redelivered and not self.take_back(job_id, row.state, row.holder, pause=GRACE):
            return None
        return _Known(job_id, row.kind, row.subject)

    def take_back(self, job_id: UUID, state: str, holder: str | None, *, pause: timedelta = timedelta()) -> bool:
        """Let a job run again whose worker died or whose lease ran out; the sweep announces it after ``pause``.

        False when it moved on meanwhile, or when this was once too often: then it has failed for good.
        """
        at = now()
        same_holder = JobRow.holder == holder if holder else JobRow.holder.is_(None)
        with self.db.write() as session:
            row = (
                session.connection()
                .execute(
                    update(JobRow)
                    .where(JobRow.id == job_id, JobRow.state == state, same_holder)
                    .values(
                        state=WAITING,
                        expiries=JobRow.expiries + 1,
                        due=at,
                        sweep_at=at + pause,
                        announced=0,
                        lease=null(),
                        holder=null(),
                    )
                    .returning(*_COLUMNS)
                )
                .first()
            )
        if row is None:
            return False
        if row.expiries > MAX_EXPIRIES:
            self.give_up(Job.of(row), "Der Auftrag wurde mehrfach abgebrochen, ohne fertig zu werden.")
            return False
        return True
