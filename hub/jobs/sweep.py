"""The sweep: finds due jobs, jobs whose message was lost and jobs whose worker died, and announces them.

Any number of sweeps may run, on any host: rows are taken with ``FOR UPDATE SKIP LOCKED``.
"""

from __future__ import annotations

import threading
import time
from datetime import datetime, timedelta

import structlog
from sqlalchemy import select, update
from sqlalchemy.exc import DBAPIError

from hub.jobs.handlers import Ready, Recurring
from hub.jobs.lease import is_dead
from hub.jobs.model import RUNNING, WAITING, JobRow
from hub.jobs.runner import Carrier, Runner
from hub.jobs.service import enqueue
from hub.kit.clock import now
from hub.kit.database import is_transient

log = structlog.get_logger(__name__)

BATCH = 500
# With this many messages under way, a job not yet run is late rather than lost.
BUSY = 200
LATE = timedelta(seconds=60)
HOUSE = "-"  # tenant of housekeeping jobs: they belong to the installation
_FIRST_PAUSE_S = 30
_LONGEST_PAUSE_S = 600
_LONGEST_LEASE = timedelta(minutes=10)
_ENSURE_EVERY_S = 30.0


class Sweeper:
    """Looks at the job table every ``every_s`` seconds until told to stop."""

    def __init__(self, runner: Runner, carrier: Carrier, *, every_s: float = 1.0) -> None:
        self._runner = runner
        self._carrier = carrier
        self._every_s = every_s
        self._ensured = float("-inf")

    def run(self, stop: threading.Event) -> None:
        """Sweep until ``stop`` is set. Survives a database or broker that is away for a while."""
        while not stop.is_set():
            full = False
            try:
                if time.monotonic() - self._ensured > _ENSURE_EVERY_S:
                    self.ensure_recurring()
                    self._ensured = time.monotonic()
                full = self.sweep() >= BATCH
            except DBAPIError as error:
                if not is_transient(error):
                    log.error("sweep_failed", exc_info=error)
                else:
                    log.warning("sweep_without_database", reason=type(error).__name__)
            if not full:
                stop.wait(self._every_s)

    def sweep(self) -> int:
        """One look; gives the number of jobs announced. While nothing can be carried, rows are left as they are."""
        backlog = self._carrier.backlog()
        if backlog is None:
            return 0
        moment = now()
        self._take_back_from_the_dead(moment)
        ready = self._due(now(), busy=backlog > BUSY)
        if ready:
            self._carrier.announce(ready)
        return len(ready)

    def ensure_recurring(self) -> None:
        """Make sure that every housekeeping job has its row; one that had failed gets another chance."""
        for handler in self._runner.registry.recurring():
            self._ensure(handler)

    def _ensure(self, handler: Recurring) -> None:
        with self._runner.db.read() as session:
            found = session.scalars(
                select(JobRow.state).where(
                    JobRow.tenant_id == HOUSE, JobRow.kind == handler.kind, JobRow.key == handler.kind
                )
            ).first()
        if found in {WAITING, RUNNING}:
            return
        with self._runner.db.write() as session:
            enqueue(session, handler.kind, handler.kind, None, tenant=HOUSE, lane=handler.lane)

    def _due(self, moment: datetime, *, busy: bool) -> list[Ready]:
        """Take due and lost rows, and set when they are looked at next should this message be lost as well."""
        wanted = JobRow.sweep_at <= moment
        if busy:
            # Rows whose own due time has come were never announced; the others probably stand in the queue.
            wanted = wanted & ((JobRow.sweep_at <= moment - LATE) | (JobRow.sweep_at == JobRow.due))
        with self._runner.db.write() as session:
            rows = session.execute(
                select(JobRow.id, JobRow.lane, JobRow.kind, JobRow.subject, JobRow.announced)
                .where(wanted, JobRow.state == WAITING)
                .order_by(JobRow.sweep_at)
                .limit(BATCH)
                .with_for_update(skip_locked=True)
            ).all()
            for announced in {row.announced for row in rows}:
                pause = timedelta(seconds=min(_FIRST_PAUSE_S * 2 ** min(announced, 10), _LONGEST_PAUSE_S))
                session.execute(
                    update(JobRow)
                    .where(JobRow.id.in_([row.id for row in rows if row.announced == announced]))
                    .values(sweep_at=moment + pause, announced=announced + 1)
                    .execution_options(synchronize_session=False)
                )
        return [Ready(row.id, row.lane, row.kind, row.subject) for row in rows]

    def _take_back_from_the_dead(self, moment: datetime) -> None:
        """Expired leases, and on this host also those of processes that are gone (no need to wait for them)."""
        with self._runner.db.read() as session:
            rows = session.execute(
                select(JobRow.id, JobRow.holder, JobRow.sweep_at)
                .where(JobRow.state == RUNNING, JobRow.sweep_at <= moment + _LONGEST_LEASE)
                .order_by(JobRow.sweep_at)
                .limit(BATCH)
            ).all()
        for row in rows:
            expired = row.sweep_at is not None and row.sweep_at <= moment
            if (expired or is_dead(row.holder or "")) and self._runner.take_back(row.id, RUNNING, row.holder):
                log.warning("job_taken_back", job=str(row.id), expired=expired)
