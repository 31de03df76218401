"""The carrier of the production set-up: Celery over RabbitMQ quorum queues, with publisher confirms and late acks.

A message holds a job's id and nothing else. No ETA (due times are a column), no results, no remote control.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

import structlog
from celery import Celery, Task, signals
from celery.worker.consumer import Consumer
from kombu import Exchange, Queue

from hub.jobs.handlers import Ready
from hub.jobs.publisher import Publisher
from hub.jobs.runner import Runner, announce_after_commit

log = structlog.get_logger(__name__)

TASK = "hub.job"
LANES = ("normal", "low")


class PlainConsumer(Consumer):
    """Celery's consumer without native delayed delivery, which would declare some 30 queues nobody uses here."""

    class Blueprint(Consumer.Blueprint):  # type: ignore[misc,valid-type]
        default_steps = tuple(
            step for step in Consumer.Blueprint.default_steps if not step.endswith(":DelayedDelivery")
        )


class CeleryCarrier:
    """Announces jobs over RabbitMQ. Best effort and never slow: what it cannot publish, the sweep announces later.

    ``prefix`` keeps installations apart that share a broker. Use one per process; works after a fork.
    """

    def __init__(self, broker_url: str, *, prefix: str = "ozg-hub", lanes: Sequence[str] = LANES) -> None:
        self.lanes = tuple(lanes)
        self._queues = {lane: _queue(f"{prefix}.{lane}") for lane in lanes}
        self.app = _app(broker_url, list(self._queues.values()))
        self._publisher = Publisher(broker_url, list(self._queues.values()))

    def announce(self, ready: list[Ready]) -> None:
        """Hand the jobs to the publishing thread; returns at once, whatever state the broker is in."""
        for job in ready:
            queue = self._queues.get(job.lane, self._queues["normal"])
            self._publisher.put(queue.name, str(job.id), _message(job.id))

    def backlog(self) -> int | None:
        """Messages no worker has taken yet; None when the broker does not answer."""
        return self._publisher.backlog()

    def flush(self, timeout_s: float = 5) -> bool:
        """Wait until everything announced so far is confirmed or given up; for orderly endings and tests."""
        return self._publisher.flush(timeout_s)

    def close(self) -> None:
        """Publish what is left, for at most two seconds, and end the thread."""
        self._publisher.close(2)

    def queue_names(self, lanes: Sequence[str] | None = None) -> list[str]:
        """Names of the queues of ``lanes``."""
        return [self._queues[lane].name for lane in lanes or self.lanes]


def work(
    carrier: CeleryCarrier,
    build: Callable[[], Runner],
    *,
    lanes: Sequence[str] = LANES,
    processes: int = 2,
    prefetch: int = 4,
    max_memory_mb: int | None = None,
    name: str = "worker",
    preload: Callable[[], object] | None = None,
) -> int:
    """Run a worker until SIGTERM (running jobs end first); gives its exit code.

    ``build`` makes the runner, once in each child process. ``preload`` runs before the fork, so that what it imports
    is shared memory. The worker reconnects by itself when the broker goes away, for as long as it takes.
    """
    if preload is not None:
        preload()
    app = carrier.app
    app.conf.update(worker_prefetch_multiplier=prefetch)
    if max_memory_mb:
        app.conf.worker_max_memory_per_child = max_memory_mb * 1024
    _install(carrier, build)
    worker = app.Worker(
        hostname=f"{name}@%h",
        pool="prefork",
        concurrency=processes,
        queues=carrier.queue_names(lanes),
        loglevel="WARNING",
        optimization="fair",
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
        quiet=True,
    )
    worker.start()
    return int(worker.exitcode or 0)


def _install(carrier: CeleryCarrier, build: Callable[[], Runner]) -> None:
    """Register the one task there is, and what every child process needs."""
    runners: list[Runner] = []

    def start(**_: object) -> None:
        runner = build()
        announce_after_commit(runner.db, carrier)
        runners[:] = [runner]

    def end(**_: object) -> None:
        carrier.close()
        for runner in runners:
            runner.db.dispose()

    def run(task: Task[Any, Any], job_id: str) -> None:
        delivery = task.request.delivery_info or {}
        lane = str(delivery.get("routing_key", "")).rpartition(".")[2]
        try:
            runners[0].chain(UUID(job_id), carrier, lane=lane, redelivered=bool(delivery.get("redelivered")))
        except Exception as error:
            # Only a database that cannot be reached gets here. The row waits for the sweep; the pause keeps the worker
            # from rushing through all messages meanwhile.
            log.warning("job_left_to_sweep", job=job_id, reason=type(error).__name__)
            time.sleep(1)

    carrier.app.task(name=TASK, bind=True)(run)
    signals.setup_logging.connect(_keep_our_logging, weak=False)
    signals.worker_process_init.connect(start, weak=False)
    signals.worker_process_shutdown.connect(end, weak=False)


def _keep_our_logging(**_: object) -> None:
    """Having a receiver for this signal keeps Celery from replacing our log handlers."""


def _queue(name: str) -> Queue:
    return Queue(
        name, Exchange("", "direct"), routing_key=name, durable=True, queue_arguments={"x-queue-type": "quorum"}
    )


def _message(job_id: UUID) -> dict[str, Any]:
    """Headers and body of Celery's message protocol 2; built by hand, since ``send_task`` costs four times as much."""
    name = str(job_id)
    headers = {"lang": "py", "task": TASK, "id": name, "root_id": name, "parent_id": None, "group": None}
    options = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
    return {"headers": headers, "body": [[name], {}, options]}


def _app(broker_url: str, queues: list[Queue]) -> Celery:
    app = Celery("ozg-hub", broker=broker_url, set_as_current=False)
    app.conf.update(
        task_queues=queues,
        task_default_queue=queues[0].name,
        task_default_exchange="",
        task_create_missing_queues=False,
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        task_ignore_result=True,
        task_store_errors_even_if_ignored=False,
        task_serializer="json",
        accept_content=["json"],
        worker_consumer="hub.jobs.carrier_celery:PlainConsumer",
        worker_enable_remote_control=False,
        worker_send_task_events=False,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        worker_proc_alive_timeout=60,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        broker_transport_options={"confirm_publish": True},
        broker_connection_retry=True,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_connection_timeout=4,
        broker_heartbeat=20,
    )
    return app
