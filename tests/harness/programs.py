"""Programs of the installation, each a process group of its own that may be killed and started again."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
import orjson

from tests.services.process import ServerProcess, free_port

CHECKOUT = Path(__file__).resolve().parents[2]
OZG_HUB = str(Path(sys.executable).with_name("ozg-hub"))


class Program:
    """One command of the installation. ``start`` after ``kill`` begins the same command afresh."""

    def __init__(
        self, name: str, command: Sequence[str], environment: Mapping[str, str], folder: Path, ready: Callable[[], bool]
    ) -> None:
        self.name, self._command, self._environment, self._ready = name, list(command), dict(environment), ready
        self.log = folder / f"{name}.log"
        self._process: ServerProcess | None = None

    @property
    def pid(self) -> int:
        """Process id, also the id of the group; the program must have been started."""
        assert self._process is not None
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.alive

    def start(self, *, wait: bool = True) -> Program:
        """Start it and, unless told otherwise, wait until it is ready."""
        self._process = ServerProcess(self._command, folder=CHECKOUT, log=self.log, environment=self._environment)
        if wait:
            self.wait_ready()
        return self

    def wait_ready(self) -> None:
        """Return once it does its work; RuntimeError with its own words if it ended."""
        assert self._process is not None
        self._process.wait_until(self._ready)

    def kill(self) -> None:
        """SIGKILL to the whole group, at once: no good-bye, nothing finished."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.kill()

    def stop(self) -> None:
        """SIGTERM, and SIGKILL if it does not end."""
        if self._process is not None:
            self._process.stop(signal.SIGTERM, seconds=20)

    def words(self) -> str:
        """What it has written so far."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""


class FarSystem(Program):
    """A specialist application, e-file or portal: a twin as a process that counts for itself and keeps what it has."""

    def __init__(self, twin: str, environment: Mapping[str, str], folder: Path, callback: str | None = None) -> None:
        port = free_port()
        self.address = f"http://127.0.0.1:{port}"
        command = [sys.executable, "-m", "connectors.twins", twin, "--port", str(port), "--data", str(folder / twin)]
        command += ["--callback", callback] if callback else []
        super().__init__(twin, command, environment, folder, lambda: '"address"' in self.words())
        self._control = httpx.Client(base_url=self.address, timeout=30, trust_env=False)

    def told(self) -> dict[str, Any]:
        """What it said of itself when it was ready: connector and the settings that reach it."""
        line = next(line for line in self.words().splitlines() if line.startswith("{"))
        told: dict[str, Any] = orjson.loads(line)
        return told

    def state(self) -> dict[str, Any]:
        """Its counts: ``keys`` (business records by idempotency key), ``calls`` (calls by key), ``kinds``."""
        state: dict[str, Any] = self._control.get("/__twin__/state").json()
        return state

    def disturb(self, **faults: Any) -> None:
        """Switch faults: ``down``, ``slow_s``, ``drop``, ``commit_then_drop``, ``answer_twice``, ``reject``."""
        self._control.put("/__twin__/faults", json=faults).raise_for_status()


def listens(port: int) -> bool:
    """Whether somebody accepts connections on this port."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0
