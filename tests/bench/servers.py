"""PostgreSQL as one would run it in production: every commit on disk."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from unittest import mock

from tests.services import postgres
from tests.services.postgres import PostgresServer

# The tests' server leaves the disk out; a figure should not. The memory is what a small server would give.
_DURABLE = {
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "shared_buffers": "512MB",
    "max_wal_size": "4GB",
    "wal_compression": "on",
    "maintenance_work_mem": "512MB",
}


@contextmanager
def durable_postgres(**more: str) -> Iterator[PostgresServer]:
    """A private server that writes to the disk what it commits."""
    settings: Mapping[str, str] = postgres._SETTINGS | _DURABLE | more
    with mock.patch.object(postgres, "_SETTINGS", settings):
        server = PostgresServer()
        try:
            server.start()
            yield server
        finally:
            server.stop()
