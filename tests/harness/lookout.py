"""Looking into the database of an installation from outside, without the hub's code."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import psycopg

_IN_PROGRESS = """
SELECT DISTINCT kind FROM job WHERE tenant_id <> '-'
AND (state = 'running' OR xmax IN (SELECT backend_xid FROM pg_stat_activity WHERE backend_xid IS NOT NULL))
"""
#: A job that runs inside another's transaction has no row; the statement the worker is at gives it away.
_AT = """
SELECT query FROM pg_stat_activity WHERE datname = current_database() AND backend_xid IS NOT NULL
AND pid <> pg_backend_pid()
"""
_SIGNS = {
    "processing.advance": ("process_instance", "FROM signal", "DELETE FROM signal"),
    "notices.push": ("submission_case.submission_id = submission.id",),
}
_OPEN = "SELECT kind, count(*) FROM job WHERE tenant_id <> '-' GROUP BY kind ORDER BY kind"


class Lookout:
    """One connection that only reads."""

    def __init__(self, url: str) -> None:
        self._connection = psycopg.connect(url.replace("+psycopg", ""), autocommit=True)

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        return self._connection.execute(query, values or None).fetchall()

    def value(self, query: str, *values: Any) -> Any:
        """The first column of the first row."""
        return self.rows(query, *values)[0][0]

    def in_progress(self) -> set[str]:
        """Kinds of the jobs that some worker is running at this moment.

        A job that calls outside says so in its row. One that is a single transaction shows by its row being deleted
        in a transaction that has not ended: its ``xmax`` is then the id of a running transaction.
        """
        statements = " ".join(row[0] for row in self.rows(_AT))
        hidden = {kind for kind, signs in _SIGNS.items() if any(sign in statements for sign in signs)}
        return hidden | {row[0] for row in self.rows(_IN_PROGRESS)}

    def open_jobs(self) -> dict[str, int]:
        """Jobs that still have a row, by kind; housekeeping apart."""
        return {str(kind): int(count) for kind, count in self.rows(_OPEN)}

    def open_jobs_due(self) -> int:
        """Jobs that should run now; timers that are set for later apart."""
        due = "SELECT count(*) FROM job WHERE tenant_id <> '-' AND due < now() + interval '1 minute'"
        return int(self.value(due))

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


class LocalLookout:
    """The same for the embedded installation's SQLite file."""

    def __init__(self, file: Path) -> None:
        self._connection = sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=30)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        return self._connection.execute(query).fetchall()

    def value(self, query: str) -> Any:
        """The first column of the first row."""
        return self.rows(query)[0][0]
