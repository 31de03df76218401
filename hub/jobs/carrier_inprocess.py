"""The embedded carrier: worker threads and the sweep inside the process that serves. Needs no broker."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Mapping

import structlog

from hub.jobs.handlers import Ready
from hub.jobs.runner import Runner, announce_after_commit
from hub.jobs.sweep import Sweeper
from hub.kit.database import is_transient

log = structlog.get_logger(__name__)


class InProcess:
    """Runs the jobs of ``runner`` in threads of this process; ``lanes`` says how many threads each lane has.

    Start it before the first write. ``stop`` lets running jobs end; what waits is found at the next start.
    """

    def __init__(self, runner: Runner, *, lanes: Mapping[str, int] | None = None, sweep_every_s: float = 1.0) -> None:
        self._runner = runner
        # More threads than cores: a job waits for the disk, a far system or the typesetter most of its time, and does
        # so without the interpreter's lock. Two left a third of the machine idle.
        self._lanes = dict(lanes or {"normal": 4, "low": 1})
        self._queues: dict[str, queue.SimpleQueue[Ready | None]] = {lane: queue.SimpleQueue() for lane in self._lanes}
        self._sweeper = Sweeper(runner, self, every_s=sweep_every_s)
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._changed = threading.Condition()
        self._open = 0
        announce_after_commit(runner.db, self)

    def start(self) -> InProcess:
        """Start the threads."""
        names = [(self._work, lane, f"job-{lane}-{n}") for lane, count in self._lanes.items() for n in range(count)]
        self._threads = [threading.Thread(target=fn, args=(lane,), name=name, daemon=True) for fn, lane, name in names]
        sweep = threading.Thread(target=self._sweeper.run, args=(self._stop,), name="job-sweep", daemon=True)
        self._threads.append(sweep)
        for thread in self._threads:
            thread.start()
        return self

    def stop(self, timeout_s: float = 30) -> None:
        """Let running jobs end and stop the threads."""
        self._stop.set()
        for lane, count in self._lanes.items():
            for _ in range(count):
                self._queues[lane].put(None)
        deadline = time.monotonic() + timeout_s
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def announce(self, ready: list[Ready]) -> None:
        """Queue jobs for the threads of their lane."""
        with self._changed:
            self._open += len(ready)
        for job in ready:
            self._queues.get(job.lane, self._queues["normal"]).put(job)

    def backlog(self) -> int:
        """Jobs queued but not yet taken."""
        return sum(waiting.qsize() for waiting in self._queues.values())

    def wait_idle(self, timeout_s: float = 30) -> bool:
        """Wait until nothing announced is left (scheduled jobs may still wait); False when it took too long."""
        with self._changed:
            return self._changed.wait_for(lambda: self._open == 0, timeout_s)

    def __enter__(self) -> InProcess:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _work(self, lane: str) -> None:
        while (ready := self._queues[lane].get()) is not None and not self._stop.is_set():
            try:
                self._runner.chain(ready.id, self, lane=lane)
            except Exception as error:
                # The row still waits; the sweep announces it again.
                log.warning("job_left_to_sweep", reason=type(error).__name__, transient=is_transient(error))
            finally:
                with self._changed:
                    self._open -= 1
                    self._changed.notify_all()
