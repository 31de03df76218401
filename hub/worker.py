"""Assembly of the working half: every slice's job handlers, the case lock, and what happens to failed jobs."""

from __future__ import annotations

import gc
import os
import signal
import threading
from uuid import UUID

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from hub import tables as _tables  # noqa: F401 - every table must be known before the first statement
from hub.audit.jobs import SEAL
from hub.cases import troubles, vault
from hub.cases.model import Case
from hub.delivery.jobs import HANDLERS as DELIVERY
from hub.intake.jobs import HANDLERS as INTAKE
from hub.jobs import Job, Registry
from hub.jobs.carrier_celery import CeleryCarrier, work
from hub.jobs.runner import Runner
from hub.jobs.sweep import Sweeper
from hub.kit.database import Database
from hub.kit.log import configure
from hub.kit.pipeline import later
from hub.kit.settings import Settings, settings
from hub.notices.jobs import HANDLERS as NOTICES
from hub.processing.jobs import HANDLERS as PROCESSING
from hub.records.jobs import HANDLERS as RECORDS

_LOCK = select(Case.id).where(Case.id == bindparam("case_id"))
_LOCKS = {
    "postgresql": later(_LOCK.with_for_update(key_share=True)),  # FOR NO KEY UPDATE
    "sqlite": _LOCK,  # BEGIN IMMEDIATE already made this the only writer
}


def registry() -> Registry:
    """All job handlers of the hub."""
    return Registry((SEAL, *INTAKE, *PROCESSING, *DELIVERY, *RECORDS, *NOTICES))


def lock_case(session: Session, case_id: UUID) -> None:
    """One case advances at a time: its row is locked before any of its jobs."""
    session.connection().execute(_LOCKS[session.get_bind().dialect.name], {"case_id": case_id})


def sink(session: Session, job: Job, error: str) -> None:
    """A job that failed for good becomes a Störung for IT; its row stays and can be retried."""
    case = session.get(Case, job.subject) if job.subject else None
    last = error.strip().splitlines()[-1][:300] if error.strip() else "unbekannt"
    troubles.open_trouble(
        session,
        tenant=job.tenant,
        kind=troubles.STOERUNG,
        code="job.failed",
        title=f"Auftrag „{job.kind}“ ist gescheitert",
        message=last,
        dedupe=f"job:{job.id}",
        choices=("retry-job",),
        case_id=case.id if case else None,
        department=case.department if case else None,
        detail={"job": str(job.id), "kind": job.kind, "key": job.key},
    )


def database(given: Settings) -> Database:
    """This process's database."""
    return Database(given.database_url, pool_size=given.pool_size, pool_overflow=given.pool_overflow)


def runner(db: Database) -> Runner:
    """What runs jobs in this process."""
    return Runner(db, registry(), sink, lock_case)


def _build() -> Runner:
    return runner(database(settings()))


def _preload() -> None:
    """Import and compile before the fork what every worker process needs; the pages are shared afterwards."""
    from hub.library import service as library

    vault.ring()
    db = database(settings())
    with db.read() as session:
        for process in library.all_released(session, settings().tenant):
            _ = process.model, process.schema
    db.dispose()
    gc.collect()
    gc.freeze()  # what was loaded stays in shared pages; the children's collector never touches it


def queue_prefix() -> str:
    """What keeps installations apart that share a broker."""
    return os.environ.get("HUB_QUEUE_PREFIX", f"ozg-hub.{settings().stage}")


def carrier() -> CeleryCarrier:
    """The carrier over RabbitMQ. Needs BROKER_URL."""
    url = settings().broker_url
    if not url:
        raise SystemExit("BROKER_URL fehlt: ohne Broker laufen die Aufträge im Prozess von „ozg-hub serve“ mit.")
    return CeleryCarrier(url, prefix=queue_prefix())


def run_worker(*, processes: int | None = None) -> int:
    """`ozg-hub worker`: run jobs until SIGTERM."""
    os.environ.setdefault("RAYON_NUM_THREADS", "1")  # typst: its threads cost more than they bring beside other workers
    configure(settings())
    return work(carrier(), _build, processes=processes or settings().worker_processes, preload=_preload)


def run_beat() -> int:
    """`ozg-hub beat`: announce due and lost jobs until SIGTERM. Any number may run."""
    configure(settings())
    stop = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stop.set())
    moving = carrier()
    sweeper = Sweeper(_build(), moving)
    sweeper.run(stop)
    moving.close()
    return 0
