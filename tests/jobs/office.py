"""A little office for the job tests: handlers that leave marks in a table. Also run as a worker process."""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path
from uuid import UUID

from sqlalchemy import Integer, String, Uuid, func, insert, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from hub.jobs import Inside, Job, Outside, Recurring, Registry, enqueue
from hub.jobs.carrier_celery import CeleryCarrier, work
from hub.jobs.handlers import Handler
from hub.jobs.lease import Lease
from hub.jobs.model import JobRow
from hub.jobs.runner import Runner, announce_after_commit
from hub.jobs.sweep import Sweeper
from hub.kit.database import Database


class OfficeBase(DeclarativeBase):
    """Tables of this story only: the hub's own must not know them."""


class Mark(OfficeBase):
    """What a job left behind."""

    __tablename__ = "test_mark"
    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    what: Mapped[str] = mapped_column(String(100))


class Counter(OfficeBase):
    """Stands for a case: read, then written, so that two at a time would lose an update."""

    __tablename__ = "test_counter"
    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    value: Mapped[int]


def mark(session: Session, what: str) -> None:
    session.execute(insert(Mark).values(what=what))


def marks(db: Database, prefix: str = "") -> list[str]:
    with db.read() as session:
        return list(session.scalars(select(Mark.what).where(Mark.what.startswith(prefix)).order_by(Mark.id)))


def open_jobs(db: Database) -> int:
    with db.read() as session:
        return session.scalar(select(func.count()).select_from(JobRow)) or 0


def lock_counter(session: Session, subject: UUID) -> None:
    session.execute(select(Counter.id).where(Counter.id == subject).with_for_update(key_share=True))


def _first(session: Session, job: Job) -> None:
    mark(session, f"first {job.key}")
    enqueue(session, "second", job.key, job.subject)


def _second(db: Database, job: Job, lease: Lease) -> None:
    with db.write() as session:
        mark(session, f"second {job.key}")
        lease.finish(session)


def _opens(session: Session, job: Job) -> None:
    """Asks for what breaks, and for what would follow."""
    mark(session, f"opened {job.key}")
    enqueue(session, "broken", job.key, None)
    enqueue(session, "sums-up", job.key, None)
    enqueue(session, "second", job.key, None)


def _sums_up(session: Session, job: Job) -> None:
    mark(session, f"summed up {job.key}")


def _count(session: Session, job: Job) -> None:
    assert job.subject is not None
    counter = session.get_one(Counter, job.subject)
    value = counter.value
    time.sleep(0.01)
    counter.value = value + 1


def _broken(session: Session, job: Job) -> None:
    mark(session, "never to be seen")
    raise ValueError(f"broken {job.key}")


def _hang(path: str) -> None:
    """Tell the test that the job has begun, and be slow the first time."""
    if not Path(path).exists():
        Path(path).write_text(str(os.getpid()))
        time.sleep(60)


def _hang_inside(session: Session, job: Job) -> None:
    mark(session, f"inside {job.key}")
    _hang(job.key)


def _hang_outside(db: Database, job: Job, lease: Lease) -> None:
    _hang(job.key)
    _second(db, job, lease)


def _tick(db: Database) -> None:
    with db.write() as session:
        mark(session, "tick")


def registry(*, recurring: bool = False) -> Registry:
    handlers: list[Handler] = [
        Inside("first", _first),
        Outside("second", _second),
        Inside("opens", _opens),
        Inside("sums-up", _sums_up, last=True),
        Inside("count", _count),
        Inside("broken", _broken),
        Inside("hang-inside", _hang_inside),
        Outside("hang-outside", _hang_outside),
    ]
    if recurring:
        handlers.append(Recurring("tick", _tick, every_s=0.2))
    return Registry(handlers)


def sink(session: Session, job: Job, error: str) -> None:
    mark(session, f"clearing {job.kind} {job.key}")


def runner(db: Database, **options: bool) -> Runner:
    return Runner(db, registry(**options), sink, lock_counter)


def main(role: str, database_url: str, broker_url: str, prefix: str) -> None:
    db = Database(database_url)
    carrier = CeleryCarrier(broker_url, prefix=prefix)
    if role == "worker":
        sys.exit(work(carrier, lambda: runner(db), processes=2))
    announce_after_commit(db, carrier)
    Sweeper(runner(db), carrier, every_s=0.2).run(threading.Event())


if __name__ == "__main__":
    main(*sys.argv[1:])
