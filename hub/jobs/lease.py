"""The right to run one job, for a time. Never a lock: no transaction is open while an outside system is called."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from uuid import UUID

from sqlalchemy import Insert, bindparam, delete, null, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from hub.jobs.handlers import Job, LeaseLostError, Ready
from hub.jobs.model import RUNNING, WAITING, JobRow
from hub.jobs.service import GRACE, Wish, hold, mark_ready
from hub.kit.clock import now
from hub.kit.database import new_id

_MINE = (JobRow.id == bindparam("job_id"), JobRow.lease == bindparam("token"))
_FINISH = delete(JobRow).where(*_MINE, JobRow.again_due.is_(None))
_RELEASE = (
    update(JobRow)
    .where(*_MINE)
    .values(
        state=WAITING,
        due=bindparam("new_due"),
        sweep_at=bindparam("new_sweep"),
        again_due=null(),
        attempts=0,
        expiries=0,
        announced=0,
        lease=null(),
        holder=null(),
    )
)
_NEXT = select(JobRow.again_due).where(*_MINE).with_for_update()
_EXTEND = update(JobRow).where(*_MINE).values(sweep_at=bindparam("until"))
_CLAIM = (
    update(JobRow)
    .where(JobRow.id == bindparam("job_id"), JobRow.state == WAITING, JobRow.due <= bindparam("at"))
    .values(state=RUNNING, lease=bindparam("token"), holder=bindparam("who"), sweep_at=bindparam("until"))
    .returning(
        JobRow.id, JobRow.tenant_id, JobRow.kind, JobRow.key, JobRow.subject,
        JobRow.lane, JobRow.due, JobRow.attempts, JobRow.expiries, JobRow.created_at,
    )
)  # fmt: skip


def _take_new(make: type[postgresql.Insert] | type[sqlite.Insert]) -> Insert:
    names = ["id", "tenant_id", "kind", "key", "subject", "lane", "due", "created_at", "lease", "holder", "sweep_at"]
    values: dict[str, object] = {name: bindparam(name) for name in names}
    fixed = {"state": RUNNING, "attempts": 0, "expiries": 0, "announced": 0}
    fresh = make(JobRow).values(values | fixed)
    return fresh.on_conflict_do_nothing(index_elements=["tenant_id", "kind", "key"]).returning(JobRow.id)


_TAKE_NEW = {"postgresql": _take_new(postgresql.Insert), "sqlite": _take_new(sqlite.Insert)}


@dataclass(slots=True)
class Lease:
    """Held by the worker that runs ``job``. Calls work in the caller's transaction and may raise ``LeaseLostError``."""

    job: Job
    token: UUID
    done: bool = False
    begun: object = None
    lock_case: Callable[[Session, UUID], object] | None = None

    def hold_case(self, session: Session) -> None:
        """Lock the job's case, as a transaction does first that will finish the job or advance the case."""
        if self.job.subject is not None and self.lock_case is not None:
            self.lock_case(session, self.job.subject)
            hold(session, self.job.subject)

    def finish(self, session: Session) -> None:
        """The job is done. If it was asked for again meanwhile, it waits for its next run instead of vanishing."""
        if session.connection().execute(_FINISH, self._mine).rowcount == 0:
            self._release(session, self._next(session) or now())
        self.done = True

    def again(self, session: Session, *, due: datetime) -> None:
        """Not done yet: run once more at ``due`` (the schedule of a system that is down). Counts as no failure."""
        wanted = self._next(session)
        self._release(session, min(due, wanted) if wanted else due)
        self.done = True

    def extend(self, session: Session, seconds: float) -> None:
        """Hold it for ``seconds`` from now on; also proves that it is still held."""
        until = now() + timedelta(seconds=seconds)
        if session.connection().execute(_EXTEND, self._mine | {"until": until}).rowcount == 0:
            raise LeaseLostError(str(self.job.id))

    @property
    def _mine(self) -> dict[str, object]:
        return {"job_id": self.job.id, "token": self.token}

    def _next(self, session: Session) -> datetime | None:
        """The run asked for meanwhile, if any."""
        row = session.connection().execute(_NEXT, self._mine).first()
        if row is None:
            raise LeaseLostError(str(self.job.id))
        wanted: datetime | None = row.again_due
        return wanted

    def _release(self, session: Session, due: datetime) -> None:
        at = now()
        ready = due <= at
        session.connection().execute(_RELEASE, self._mine | {"new_due": due, "new_sweep": at + GRACE if ready else due})
        if ready:
            mark_ready(session, Ready(self.job.id, self.job.lane, self.job.kind, self.job.subject))


def claim(
    session: Session, job_id: UUID, seconds: float, lock_case: Callable[[Session, UUID], object] | None = None
) -> Lease | None:
    """Take the lease of a waiting, due job; None when another worker has it or it is gone."""
    at, token = now(), new_id()
    row = (
        session.connection()
        .execute(
            _CLAIM,
            {"job_id": job_id, "at": at, "token": token, "who": holder(), "until": at + timedelta(seconds=seconds)},
        )
        .first()
    )
    return None if row is None else Lease(Job.of(row), token, lock_case=lock_case)


def take_new(
    session: Session, wish: Wish, seconds: float, lock_case: Callable[[Session, UUID], object] | None
) -> Lease | None:
    """Write the row of a wish with its lease already taken; None when the job has a row already."""
    job, token = wish.job(), new_id()
    taken = session.connection().execute(
        _TAKE_NEW[session.get_bind().dialect.name],
        {
            "id": job.id,
            "tenant_id": job.tenant,
            "kind": job.kind,
            "key": job.key,
            "subject": job.subject,
            "lane": job.lane,
            "due": job.due,
            "created_at": job.created_at,
            "lease": token,
            "holder": holder(),
            "sweep_at": job.due + timedelta(seconds=seconds),
        },
    )
    return Lease(job, token, lock_case=lock_case) if taken.first() is not None else None


def holder() -> str:
    """This process, named so that a sweep on the same host can tell whether it still lives."""
    return _named(os.getpid())


def is_dead(name: str) -> bool:
    """True only when ``name`` is a process of this host that is certainly gone; its leases need not run out."""
    if not name.startswith(host()):
        return False
    pid, _, started = name.removeprefix(host()).partition("/")
    return _started(int(pid)) != started


@lru_cache(maxsize=4)
def _named(pid: int) -> str:
    return f"{host()}{pid}/{_started(pid)}"


@lru_cache(maxsize=1)
def host() -> str:
    """Host, boot and process namespace: within it a process number means one process."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()[:8]
        space = os.readlink("/proc/self/ns/pid").strip("pid:[]")
    except OSError:
        boot, space = "-", "-"
    return f"{socket.gethostname()[:100]}/{boot}/{space}/"


def _started(pid: int) -> str:
    """Start time of a process in clock ticks, since its number may be used again; zombies count as gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else fields[19]
