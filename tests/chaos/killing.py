"""A killer that strikes while a job of a chosen kind is really running, and keeps a record of what it hit."""

from __future__ import annotations

import random
import time
from collections import Counter
from dataclasses import dataclass, field

from tests.harness.installation import Installation
from tests.harness.lookout import Lookout
from tests.services.rabbitmq import RabbitBroker

#: Every kind of job that a dog tax application goes through, in the order of its way.
KINDS = ("intake.open-case", "processing.advance", "delivery.send", "records.file", "notices.push")


@dataclass
class Killer:
    """Kills in turn. ``hit`` counts, per victim, the kinds of jobs that were running at the moment of the kill."""

    hub: Installation
    broker: RabbitBroker
    lookout: Lookout
    seed: int = 20261123
    hit: Counter[tuple[str, str]] = field(default_factory=Counter)
    kills: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._dice = random.Random(self.seed)

    def strike_worker(self, kind: str, *, seconds: float = 6) -> bool:
        """Kill the worker, children included, while it runs a job of ``kind``; False if none came in time."""
        running = self._wait_for(kind, seconds)
        if not running:
            return False
        time.sleep(self._dice.random() * 0.002)  # not always at the same point of the job
        worker = self.hub.worker
        assert worker is not None
        worker.kill()
        self._note("worker", running)
        worker.start(wait=False)
        return True

    def strike_web(self) -> None:
        """Kill the web process, whatever it is receiving, and start it again."""
        running = self.lookout.in_progress()
        self.hub.web.kill()
        self._note("web", running)
        self.hub.web.start()

    def strike_beat(self) -> None:
        """Kill the beat and start it again."""
        assert self.hub.beat is not None
        self.hub.beat.kill()
        self._note("beat", self.lookout.in_progress())
        self.hub.beat.start(wait=False)

    def strike_broker(self) -> None:
        """Kill the broker with all messages it holds in memory, and start it again."""
        running = self._wait_for(None, 6)
        self.broker.kill()
        self._note("broker", running)
        self.broker.start()

    def never_hit(self) -> set[str]:
        """Kinds of jobs during which no worker has been killed yet."""
        return {kind for kind in KINDS if not self.hit["worker", kind]}

    def report(self) -> str:
        """What was killed how often, and in the middle of what."""
        times = ", ".join(f"{victim} {count}x" for victim, count in sorted(self.kills.items()))
        during = ", ".join(f"{victim}/{kind} {count}x" for (victim, kind), count in sorted(self.hit.items()))
        return f"killed: {times}; while running: {during}"

    def _wait_for(self, kind: str | None, seconds: float) -> set[str]:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            running = self.lookout.in_progress()
            if (kind in running) if kind else running:
                return running
            time.sleep(0.001)
        return set()

    def _note(self, victim: str, running: set[str]) -> None:
        self.kills[victim] += 1
        for kind in running:
            self.hit[victim, kind] += 1
