"""What the private servers share: free ports, the user to run as, starting and stopping one process group."""

from __future__ import annotations

import contextlib
import os
import pwd
import random
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil


def free_port() -> int:
    """A free port of 127.0.0.1, below those the kernel hands out by itself.

    A port asked of the kernel may go to the next outgoing connection, or to a server that asks for any port, before
    the program it was meant for has started.
    """
    for _ in range(200):
        port = random.SystemRandom().randint(12_000, 32_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise RuntimeError("no free port between 12000 and 32000")


@dataclass(frozen=True)
class Account:
    """A user of this machine that a server runs as."""

    user: int
    group: int


def unprivileged() -> Account | None:
    """The account to change to when we are root (PostgreSQL refuses root); None when we are not."""
    if os.getuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return Account(entry.pw_uid, entry.pw_gid)
    return None


class ServerProcess:
    """One server in a process group of its own, so that killing it leaves no child behind."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        folder: Path,
        log: Path,
        environment: Mapping[str, str] | None = None,
        account: Account | None = None,
    ) -> None:
        self.log = log
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                command,
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                user=account.user if account else None,
                group=account.group if account else None,
                extra_groups=[] if account else None,
            )

    @property
    def pid(self) -> int:
        """Process id, also the id of the group."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the process still runs (a child that ended is reaped here)."""
        return self._process.poll() is None

    def wait_until(self, ready: Callable[[], bool], *, seconds: float = 60) -> None:
        """Return once ``ready()``; raise RuntimeError with the server's own words if it ends or takes too long."""
        end = time.monotonic() + seconds
        while not ready():
            if not self.alive or time.monotonic() > end:
                raise RuntimeError(f"the server did not start:\n{self.log.read_text(errors='replace')}")
            time.sleep(0.02)

    def stop(self, how: signal.Signals, *, seconds: float = 30) -> None:
        """Ask the server to end, wait for it, and kill what is left of its group."""
        if self.alive:
            self._process.send_signal(how)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(seconds)
        self.kill()

    def kill(self) -> None:
        """SIGKILL to the process, its group and all descendants (PostgreSQL's children form groups of their own)."""
        descendants: list[psutil.Process] = []
        with contextlib.suppress(psutil.NoSuchProcess):
            descendants = psutil.Process(self.pid).children(recursive=True)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        for process in descendants:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(descendants, timeout=10)
        self._process.wait()
