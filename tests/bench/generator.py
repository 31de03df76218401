"""The load: a process of its own that sends prebuilt applications over a few raw sockets and notes how long each took.

``python -m tests.bench.generator`` reads its orders as one JSON line from stdin and prints what happened as another.
Either ``rate`` (so many a second, whatever happens) or ``in_flight`` (as many as keep that many cases unfinished).
"""

from __future__ import annotations

import socket
import sqlite3
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import orjson
import psycopg

from tests.harness import applications

_OPEN = "SELECT count(*) FROM job WHERE tenant_id <> '-'"


@dataclass
class Orders:
    """What to send and for how long. ``cases`` ends it earlier."""

    address: str
    token: str
    database: str
    seconds: float
    first: int
    rate: float | None = None
    in_flight: int = 16
    cases: int | None = None
    senders: int = 4


@dataclass
class Load:
    """Shared by the sending threads: who sends which application when."""

    orders: Orders
    begun: float = field(default_factory=time.perf_counter)
    sent: int = 0
    milliseconds: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    open_cases: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def over(self) -> bool:
        """Whether the time is up or everything was sent."""
        orders = self.orders
        return time.perf_counter() - self.begun >= orders.seconds or (
            orders.cases is not None and self.sent >= orders.cases
        )

    def next(self) -> tuple[int, float] | None:
        """The next application and the moment it is due; None when there is no more."""
        while not self.over():
            with self.lock:
                due = self._due()
                if due is not None:
                    number = self.orders.first + self.sent
                    self.sent += 1
                    self.open_cases += 1
                    return number, due
            time.sleep(0.002)
        return None

    def _due(self) -> float | None:
        now = time.perf_counter()
        if self.orders.rate is None:
            return now if self.open_cases < self.orders.in_flight else None
        due = self.begun + self.sent / self.orders.rate
        return due if due <= now else None


class Line:
    """One kept-alive connection to the hub."""

    def __init__(self, orders: Orders) -> None:
        target = urlsplit(orders.address)
        self._place = (str(target.hostname), int(target.port or 80))
        self._head = (
            f"POST /api/v1/submissions HTTP/1.1\r\nHost: {target.netloc}\r\nAuthorization: Bearer {orders.token}\r\n"
            f"Content-Type: multipart/form-data; boundary={applications.BOUNDARY}\r\n"
        )
        self._socket = self._connect()

    def send(self, number: int, run: str) -> str:
        """Send one application; the status line's code."""
        body = applications.dog_tax(number)
        head = f"{self._head}Idempotency-Key: {run}-{number:08d}\r\nContent-Length: {len(body)}\r\n\r\n"
        self._socket.sendall(head.encode() + body)
        return self._answer()

    def _answer(self) -> str:
        received = b""
        while b"\r\n\r\n" not in received:
            piece = self._socket.recv(65536)
            if not piece:
                raise ConnectionError("the hub closed the connection")
            received += piece
        head, _, body = received.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").lower().split("\r\n")
        size = next(int(line[15:]) for line in lines if line.startswith("content-length:"))
        while len(body) < size:
            body += self._socket.recv(65536)
        return lines[0].split(" ")[1]

    def _connect(self) -> socket.socket:
        connection = socket.create_connection(self._place, timeout=30)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection


def _send(load: Load, run: str) -> None:
    line = Line(load.orders)
    while (task := load.next()) is not None:
        number, due = task
        try:
            status = line.send(number, run)
        except OSError as error:
            status, line = type(error).__name__, Line(load.orders)
        took = (time.perf_counter() - due) * 1000
        with load.lock:
            load.milliseconds.append(took)
            if status != "202":
                load.failures.append(status)


def _watcher(url: str) -> Callable[[], int]:
    """What counts unfinished cases; nearly every one has exactly one job at any moment."""
    if url.startswith("sqlite"):
        path = url.removeprefix("sqlite:///")
        local = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30, check_same_thread=False)
        return lambda: int(local.execute(_OPEN).fetchone()[0])
    server = psycopg.connect(url.replace("+psycopg", ""), autocommit=True)
    return lambda: int((server.execute(_OPEN).fetchone() or (0,))[0])


def generate(orders: Orders) -> dict[str, Any]:
    """Send as ordered; how many, how fast, and every latency in milliseconds (from the moment due to the answer)."""
    applications.dog_tax(0)
    count, run = _watcher(orders.database), f"load-{time.time_ns():x}"
    load = Load(orders)
    threads = [threading.Thread(target=_send, args=(load, run), daemon=True) for _ in range(orders.senders)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        if orders.rate is None:
            load.open_cases = count()
        time.sleep(0.05)
    took = time.perf_counter() - load.begun
    return {"sent": load.sent, "seconds": took, "milliseconds": load.milliseconds, "failures": load.failures}


def main() -> None:
    """One order, one result."""
    orders = Orders(**orjson.loads(sys.stdin.buffer.readline()))
    sys.stdout.buffer.write(orjson.dumps(generate(orders)) + b"\n")


if __name__ == "__main__":
    main()
