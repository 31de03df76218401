"""Running load against an installation and saying what it cost."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from itertools import count
from statistics import quantiles
from typing import Any

import orjson

from tests.bench.accounting import processor_seconds, resident_megabytes
from tests.bench.generator import Orders
from tests.harness.installation import Installation
from tests.harness.programs import CHECKOUT

#: Who counts as the hub's own cost; twins and the load generator are shown apart.
OURS = ("web", "worker", "beat", "database", "broker")
_numbers = count(1)


@dataclass
class Measured:
    """One stretch of load: what was sent, how long, and processor milliseconds by who used them."""

    cases: int
    seconds: float
    drain_seconds: float
    milliseconds: dict[str, float]
    latencies: list[float] = field(repr=False, default_factory=list)
    failures: list[str] = field(default_factory=list)

    @property
    def per_case(self) -> dict[str, float]:
        """Processor milliseconds a case, by who used them."""
        return {name: round(value / self.cases, 2) for name, value in self.milliseconds.items()}

    @property
    def total(self) -> float:
        """Processor milliseconds a case of hub, database and broker together."""
        return round(sum(self.milliseconds.get(name, 0.0) for name in OURS) / self.cases, 2)

    def percentiles(self) -> dict[str, float]:
        """Latencies of the intake."""
        cuts = quantiles(self.latencies, n=100, method="inclusive")
        return {f"p{place}_ms": round(cuts[place - 1], 1) for place in (50, 95, 99)}


class Stand:
    """An installation on the test stand: whose processor time counts, and whether everything is done."""

    def __init__(self, hub: Installation, watch: Any, servers: Mapping[str, int], database_url: str) -> None:
        self.hub, self.watch, self.url, self._token = hub, watch, database_url, hub.token()
        self.groups = {program.name: [program.pid] for program in hub.programs()}
        self.groups |= {name: [pid] for name, pid in servers.items()}
        self.groups["far systems"] = [system.pid for system in hub.far.values()]

    def load(
        self, *, seconds: float, rate: float | None = None, in_flight: int = 16, cases: int | None = None
    ) -> Measured:
        """Send for ``seconds`` and wait until nothing is left; the cost of the drain and of the sealing included."""
        orders = Orders(
            address=self.hub.address,
            token=self._token,
            database=self.url,
            seconds=seconds,
            first=next(_numbers) * 1_000_000,
            rate=rate,
            in_flight=in_flight,
            cases=cases,
        )
        before = processor_seconds(self.groups)
        with _generator(orders) as generator:
            result = orjson.loads(generator.stdout.readline())  # type: ignore[union-attr]
            used = processor_seconds({"load generator": [generator.pid]})
        drained = self.drain()
        after = processor_seconds(self.groups)
        spent = {name: (after[name] - before[name]) * 1000 for name in after}
        return Measured(
            cases=result["sent"],
            seconds=result["seconds"],
            drain_seconds=drained,
            milliseconds=spent | {name: value * 1000 for name, value in used.items()},
            latencies=result["milliseconds"],
            failures=result["failures"],
        )

    def drain(self, limit_s: float = 180) -> float:
        """Seconds until no job is left and the audit trail is sealed. Raises TimeoutError with what was left."""
        begun = time.perf_counter()
        while left := self.left_over():
            if time.perf_counter() - begun > limit_s:
                raise TimeoutError(f"left over after {limit_s:g} s: {left}")
            time.sleep(0.25)
        return time.perf_counter() - begun

    def left_over(self) -> dict[str, int]:
        """Jobs and unsealed audit entries that are still there."""
        found = {
            str(kind): int(number)
            for kind, number in self.watch.rows("SELECT kind, count(*) FROM job WHERE tenant_id <> '-' GROUP BY kind")
        }
        unsealed = int(self.watch.value("SELECT count(*) FROM audit_entry WHERE position IS NULL"))
        return found | ({"unsealed audit entries": unsealed} if unsealed else {})

    def unfinished(self) -> dict[str, Any]:
        """What a run must not leave behind: jobs, cases that are not closed, open clearing items with their text."""
        troubles = self.watch.rows("SELECT code, message FROM trouble WHERE state = 'open' LIMIT 3")
        cases = int(self.watch.value("SELECT count(*) FROM hub_case WHERE state <> 'closed'"))
        found: dict[str, Any] = dict(self.left_over())
        found |= {"open cases": cases} if cases else {}
        return found | ({"troubles": [list(row) for row in troubles]} if troubles else {})

    def memory(self) -> dict[str, list[float]]:
        """Resident megabytes of the hub's processes (worker: the parent first, then each child)."""
        return {program.name: resident_megabytes(program.pid) for program in self.hub.programs()}


@contextmanager
def _generator(orders: Orders) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, "-c", "from tests.bench.generator import main; main(); import sys; sys.stdin.readline()"],
        cwd=CHECKOUT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin is not None
    process.stdin.write(orjson.dumps(asdict(orders)) + b"\n")
    process.stdin.flush()
    try:
        yield process
    finally:
        process.stdin.close()
        process.wait(30)
