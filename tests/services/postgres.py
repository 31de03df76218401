"""A private PostgreSQL server. Databases are copies of a template, so a test gets a fresh one in milliseconds."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import psycopg
from psycopg import sql

from tests.services.process import ServerProcess, free_port, unprivileged

# No fsync: a test may kill the server's process, but nobody pulls the plug of the machine. Commits stay synchronous:
# without that, a killed server forgets what it had answered.
_SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "max_connections": "200",
    "timezone": "UTC",
    "listen_addresses": "127.0.0.1",
}


def programs() -> Path:
    """The folder of the newest installed server; Debian keeps it off PATH. Raises FileNotFoundError with the remedy."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[4]))
    if found:
        return found[-1].parent
    if on_path := shutil.which("initdb"):
        return Path(on_path).parent
    raise FileNotFoundError("PostgreSQL is not installed: sudo apt-get install --no-install-recommends postgresql")


class PostgresServer:
    """A running server with a data folder of its own.

    ``url(name)`` is the address of a database, ``create(template)`` makes a new one. ``kill()`` and ``start()`` work
    on the same folder and port: what was committed is there again.
    """

    def __init__(self) -> None:
        self._programs = programs()
        self._account = unprivileged()
        self.port = free_port()
        self.folder = Path(tempfile.mkdtemp(prefix="ozg-hub-pg-"))
        self._numbers = count(1)
        self._templates: set[str] = set()
        self._process: ServerProcess | None = None
        if self._account:
            os.chown(self.folder, self._account.user, self._account.group)
        account = self._account
        subprocess.run(
            [
                *(self._programs / "initdb", "--pgdata", self.folder / "data", "--username", "postgres"),
                *("--auth", "trust", "--encoding", "UTF8", "--locale", "C.UTF-8", "--no-sync"),
            ],
            check=True,
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            user=account.user if account else None,
            group=account.group if account else None,
            extra_groups=[] if account else None,
        )

    def url(self, database: str = "postgres") -> str:
        """SQLAlchemy's form of the address, with the driver this project uses."""
        return f"postgresql+psycopg://postgres@127.0.0.1:{self.port}/{database}"

    @property
    def pid(self) -> int:
        """Process id of the postmaster; the server must be running."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start and wait until it answers."""
        settings = _SETTINGS | {"port": str(self.port), "unix_socket_directories": str(self.folder)}
        self._process = ServerProcess(
            [
                *(str(self._programs / "postgres"), "-D", str(self.folder / "data")),
                *(part for key, value in settings.items() for part in ("-c", f"{key}={value}")),
            ],
            folder=self.folder,
            log=self.folder / "log",
            account=self._account,
        )
        self._process.wait_until(self._answers)

    def kill(self) -> None:
        """End every process of the server at once."""
        if self._process:
            self._process.kill()

    def stop(self) -> None:
        """Shut down without waiting for clients and remove the folder."""
        if self._process:
            self._process.stop(signal.SIGINT)
        shutil.rmtree(self.folder, ignore_errors=True)

    def create(self, template: str = "template0") -> str:
        """A new database, copied from ``template``; returns its name."""
        name = f"test_{next(self._numbers)}"
        command = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY = FILE_COPY")
        self._administer(command.format(sql.Identifier(name), sql.Identifier(template)))
        return name

    def drop(self, name: str) -> None:
        """Remove a database, whoever is still connected."""
        self._administer(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def template(self, name: str, build: Callable[[str], None]) -> str:
        """Build a template database once: ``build`` gets its address and must close its connections."""
        if name not in self._templates:
            self._administer(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name)))
            build(self.url(name))
            self._templates.add(name)
        return name

    @contextmanager
    def database(self, template: str = "template0") -> Iterator[str]:
        """The address of a database that lives as long as the block."""
        name = self.create(template)
        try:
            yield self.url(name)
        finally:
            self.drop(name)

    def _answers(self) -> bool:
        ready = [str(self._programs / "pg_isready"), "--quiet", "--host", "127.0.0.1", "--port", str(self.port)]
        return subprocess.run(ready, check=False).returncode == 0

    def _administer(self, command: sql.Composed) -> None:
        with psycopg.connect(self.url().replace("+psycopg", ""), autocommit=True) as connection:
            connection.execute(command)
