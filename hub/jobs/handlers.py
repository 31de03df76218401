"""What a slice registers: handlers by kind, and what a handler is given."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy.orm import Session

if TYPE_CHECKING:
    from hub.jobs.lease import Lease
    from hub.kit.database import Database


class LeaseLostError(Exception):
    """Another worker took the job over, because the lease ran out; the transaction must roll back."""


@dataclass(frozen=True, slots=True)
class Ready:
    """A committed job that is due now: all a carrier needs, and no payload."""

    id: UUID
    lane: str
    kind: str
    subject: UUID | None


@dataclass(frozen=True, slots=True)
class Job:
    """A job as its handler sees it. ``attempts`` counts unexpected failures so far."""

    id: UUID
    tenant: str
    kind: str
    key: str
    subject: UUID | None
    lane: str
    due: datetime
    attempts: int
    expiries: int
    created_at: datetime

    @classmethod
    def of(cls, row: Any) -> Job:
        """The job of a row whose columns stand in the order of the fields."""
        return cls(*row)


@dataclass(frozen=True, slots=True)
class Inside:
    """A job that is one transaction: case locked, job taken, ``fn(session, job)``, commit.

    Whatever ``fn`` wrote is rolled back with the job when it raises. It must not call outside systems. ``last`` makes
    it wait for the other jobs of its transaction, as one does that sums up what happened.
    """

    kind: str
    fn: Callable[[Session, Job], None]
    last: bool = False


@dataclass(frozen=True, slots=True)
class Outside:
    """A job that calls outside systems under a lease: ``fn(db, job, lease)`` opens its own short transactions.

    The last one calls ``lease.finish(session)`` or ``lease.again(session, due=…)``, after it locked the case.
    ``begin(db, session, job, lease)``, if given, runs in the transaction that claims the lease, which saves one;
    what it returns is found in ``lease.begun``. It may already finish the job.
    """

    kind: str
    fn: Callable[[Database, Job, Lease], None]
    lease_s: float = 60
    begin: Callable[[Database, Session, Job, Lease], object] | None = None


@dataclass(frozen=True, slots=True)
class Recurring:
    """Housekeeping: ``fn(db)`` runs every ``every_s`` seconds, one worker at a time in the whole installation."""

    kind: str
    fn: Callable[[Database], None]
    every_s: float
    lease_s: float = 300
    lane: str = "normal"


Handler = Inside | Outside | Recurring


class Registry:
    """All handlers of a process, by kind. Refuses a kind twice."""

    def __init__(self, handlers: Iterable[Handler] = ()) -> None:
        self._handlers: dict[str, Handler] = {}
        for handler in handlers:
            self.add(handler)

    def add(self, handler: Handler) -> None:
        """Register one handler."""
        if handler.kind in self._handlers:
            raise ValueError(f"two handlers for jobs of kind {handler.kind!r}")
        self._handlers[handler.kind] = handler

    def get(self, kind: str) -> Handler | None:
        """The handler for ``kind``, or None (a job written by a newer version)."""
        return self._handlers.get(kind)

    def recurring(self) -> Iterator[Recurring]:
        """The housekeeping jobs."""
        return (handler for handler in self._handlers.values() if isinstance(handler, Recurring))
