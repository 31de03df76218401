"""``python -m tests.bench``: what a case costs. Prints a JSON line for each figure and a table; asserts nothing.

The processor time of hub, database and broker is summed over process trees; the simulated far systems and the load
generator are shown apart. On a machine with other work, milliseconds are more trustworthy than rates.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import orjson

from tests.bench.measuring import Measured, Stand
from tests.bench.seeding import seed
from tests.bench.servers import durable_postgres
from tests.harness.installation import installed
from tests.harness.lookout import LocalLookout, Lookout
from tests.services.postgres import PostgresServer
from tests.services.rabbitmq import RabbitBroker

PARTS = ("end-to-end", "intake", "embedded", "seeded")


@dataclass
class Report:
    """What was measured so far; every figure is printed at once as a JSON line and again in the table."""

    rows: list[tuple[str, str, str]] = field(default_factory=list)

    def add(self, part: str, figure: str, value: Any, aim: str = "") -> None:
        """One figure; ``aim`` is what the project wants it to be."""
        line = {"part": part, "figure": figure, "value": value} | ({"aim": aim} if aim else {})
        sys.stdout.buffer.write(orjson.dumps(line) + b"\n")
        sys.stdout.buffer.flush()
        shown = ", ".join(f"{key} {item}" for key, item in value.items()) if isinstance(value, dict) else str(value)
        self.rows.append((f"{part}: {figure}", shown, aim))

    def table(self) -> str:
        """All figures for people."""
        width = max((len(row[0]) for row in self.rows), default=0)
        return "\n".join(
            f"{name:<{width}}  {value}{f'   (aim: {aim})' if aim else ''}" for name, value, aim in self.rows
        )


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="What a case costs.")
    parser.add_argument("--seconds", type=float, default=60, help="length of the sustained load")
    parser.add_argument("--cases", type=int, default=1_000_000, help="cases of the seeded database")
    parser.add_argument("--quick", action="store_true", help="10 seconds and 20,000 seeded cases")
    parser.add_argument("--only", choices=PARTS, action="append", help="this part only; may be repeated")
    asked = parser.parse_args()
    if asked.quick:
        asked.seconds, asked.cases = 10, 20_000
    report, parts = Report(), asked.only or PARTS
    report.add("machine", "processors, load average before", f"{os.cpu_count()}, {os.getloadavg()[0]:.1f}")
    if set(parts) & {"end-to-end", "intake"}:
        _production(report, asked.seconds, parts)
    if "embedded" in parts:
        _embedded(report, min(asked.seconds, 30))
    if "seeded" in parts:
        _seeded(report, asked.cases, per_stretch=40 if asked.quick else 150)
    print(f"\n{report.table()}", flush=True)


def _production(report: Report, seconds: float, parts: Any) -> None:
    """Sustained load end to end, then the intake's latency at a fixed rate, on PostgreSQL and RabbitMQ."""
    with (
        _folder() as folder,
        durable_postgres() as postgres,
        _broker() as broker,
        _stand(folder, postgres, broker, postgres.create()) as stand,
    ):
        stand.load(seconds=60, cases=80)
        if "end-to-end" in parts:
            _end_to_end(report, stand, stand.load(seconds=seconds))
        if "intake" in parts:
            measured = stand.load(seconds=min(seconds, 30), rate=20)
            report.add("intake", "latency at 20 cases/s", measured.percentiles(), "p95 under 50 ms")
            _failures(report, "intake", measured)


def _end_to_end(report: Report, stand: Stand, measured: Measured) -> None:
    part = "end to end"
    report.add(part, "processor ms a case: hub, database, broker", measured.total, "at most 45")
    report.add(part, "processor ms a case by process", measured.per_case)
    report.add(part, "cases/s sustained", round(measured.cases / measured.seconds, 1), "40")
    report.add(part, "cases", measured.cases)
    report.add(part, "seconds to drain afterwards", round(measured.drain_seconds, 1))
    report.add(part, "left over", stand.unfinished(), "nothing")
    report.add(part, "resident MB of each process", stand.memory(), "worker processes under 250")
    _failures(report, part, measured)


def _failures(report: Report, part: str, measured: Measured) -> None:
    if measured.failures:
        report.add(part, "submissions not accepted", len(measured.failures), "none")


def _embedded(report: Report, seconds: float) -> None:
    """SQLite and ``serve`` only: one process does everything."""
    with _folder() as folder, installed(folder) as hub:
        watch = LocalLookout(folder / "data" / "hub.db")
        stand = Stand(hub, watch, {}, f"sqlite:///{folder / 'data' / 'hub.db'}")
        stand.load(seconds=30, cases=30)
        measured = stand.load(seconds=seconds)
        rate = round(measured.cases / (measured.seconds + measured.drain_seconds), 1)
        report.add("embedded", "cases/s, drain included", rate, "at least 15")
        report.add("embedded", "processor ms a case", measured.total)
        report.add("embedded", "left over", stand.unfinished(), "nothing")
        _failures(report, "embedded", measured)


def _seeded(report: Report, cases: int, *, per_stretch: int) -> None:
    """A full database against an empty one: five pairs, taking turns, so that both meet the same machine."""
    with _folder() as folder, durable_postgres() as postgres, _broker() as broker:
        full, empty = postgres.create(), postgres.create()
        with (
            _stand(folder / "full", postgres, broker, full) as much,
            _stand(folder / "empty", postgres, broker, empty) as little,
        ):
            for stand in (much, little):
                stand.load(seconds=60, cases=50)
            report.add("seeded", "rows by table", seed(postgres.url(full), cases))
            pairs = []
            for stand in (much, little):
                stand.load(seconds=60, cases=30)
            for _ in range(5):
                pair = tuple(stand.load(seconds=120, cases=per_stretch).total for stand in (much, little))
                pairs.append(pair)
                report.add("seeded", "processor ms a case, full and empty", list(pair))
            report.add("seeded", "median ratio of five pairs", round(median(a / b for a, b in pairs), 3), "within 1.10")


@contextmanager
def _stand(folder: Path, postgres: PostgresServer, broker: RabbitBroker, database: str) -> Iterator[Stand]:
    url = postgres.url(database)
    folder.mkdir(exist_ok=True)
    with installed(folder, database_url=url, broker_url=broker.url) as hub:
        watch = Lookout(url)
        yield Stand(hub, watch, {"database": postgres.pid, "broker": broker.pid}, url)
        watch.close()


@contextmanager
def _folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="ozg-hub-bench-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _broker() -> Iterator[RabbitBroker]:
    broker = RabbitBroker()
    try:
        broker.start()
        yield broker
    finally:
        broker.stop()


if __name__ == "__main__":
    main()
