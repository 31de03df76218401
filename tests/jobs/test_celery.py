"""The production carrier on a real RabbitMQ with real processes that get killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import hub.audit.model
import hub.kit.model  # noqa: F401
from hub.jobs import enqueue
from hub.jobs.carrier_celery import CeleryCarrier
from hub.jobs.runner import announce_after_commit
from hub.kit.database import Base, Database
from tests.conftest import CHECKOUT
from tests.jobs.office import OfficeBase, marks, open_jobs
from tests.services.rabbitmq import RabbitBroker

Start = Callable[[str], "subprocess.Popen[bytes]"]
Wait = Callable[..., None]


@pytest.fixture
def database(postgres_url: str) -> Iterator[Database]:
    db = Database(postgres_url)
    Base.metadata.create_all(db.engine)
    OfficeBase.metadata.create_all(db.engine)
    yield db
    db.dispose()


@pytest.fixture
def carrier(database: Database, broker: RabbitBroker, queue_prefix: str) -> Iterator[CeleryCarrier]:
    """The carrier as the web process has it."""
    carrier = CeleryCarrier(broker.url, prefix=queue_prefix)
    announce_after_commit(database, carrier)
    yield carrier
    carrier.close()


@pytest.fixture
def start(postgres_url: str, broker: RabbitBroker, queue_prefix: str) -> Iterator[Start]:
    """Starts ``worker`` or ``beat`` as a process of its own."""
    running: list[subprocess.Popen[bytes]] = []

    def begin(role: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "tests.jobs.office", role, postgres_url, broker.url, queue_prefix]
        running.append(subprocess.Popen(command, cwd=CHECKOUT, start_new_session=True))
        return running[-1]

    yield begin
    for process in running:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)


def ask(db: Database, kind: str, *keys: str) -> None:
    with db.write() as session:
        for key in keys:
            enqueue(session, kind, key, None)


def test_jobs_and_what_follows_from_them_are_done_by_the_worker(
    database: Database, carrier: CeleryCarrier, start: Start, eventually: Wait
) -> None:
    ask(database, "first", *map(str, range(20)))
    worker = start("worker")
    eventually(lambda: open_jobs(database) == 0)
    assert len(marks(database, "first")) == len(marks(database, "second")) == 20
    worker.terminate()
    assert worker.wait(20) == 0


def test_a_lost_message_costs_a_delay_and_no_job(database: Database, start: Start, eventually: Wait) -> None:
    start("worker")
    start("beat")
    ask(database, "first", "a")  # no carrier here: nobody announces it
    eventually(lambda: open_jobs(database) == 0)
    assert marks(database) == ["first a", "second a"]


@pytest.mark.parametrize("kind", ["hang-inside", "hang-outside"])
def test_a_job_whose_process_is_killed_is_done_by_the_next_one(
    kind: str, database: Database, carrier: CeleryCarrier, start: Start, eventually: Wait, tmp_path: Path
) -> None:
    start("worker")
    start("beat")
    begun = tmp_path / "begun"
    ask(database, kind, str(begun))
    eventually(begun.exists)
    eventually(begun.read_text)
    os.kill(int(begun.read_text()), signal.SIGKILL)
    eventually(lambda: open_jobs(database) == 0)
    assert len(marks(database)) == 1


def test_a_broker_that_is_away_fails_no_request_and_loses_no_job(
    database: Database, carrier: CeleryCarrier, broker: RabbitBroker, start: Start, eventually: Wait
) -> None:
    start("worker")
    start("beat")
    ask(database, "first", "before")
    eventually(lambda: open_jobs(database) == 0)
    broker.wait_settled(*carrier.queue_names())  # a quorum queue killed while it is new comes back without a leader
    broker.kill()
    began = time.monotonic()
    for number in range(20):
        ask(database, "first", f"away {number}")
    assert time.monotonic() - began < 2
    broker.start()
    eventually(lambda: open_jobs(database) == 0, 60)
    assert len(marks(database, "second")) == 21
