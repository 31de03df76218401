"""What a far system remembers: business records once per key, every call, and messages still to be sent.

SQLite in WAL mode: it survives the death of the process at the price of a few microseconds a call.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import orjson

_TABLES = """
create table if not exists record (kind text, key text, number text, body text, at real, primary key (kind, key));
create table if not exists call (id integer primary key, key text, operation text, result text, at real);
create table if not exists message (id text primary key, key text, due real, body text, tries integer default 0,
                                    done integer default 0);
create table if not exists counter (name text primary key, value integer);
create index if not exists message_due on message (done, due);
create index if not exists record_number on record (number);
"""


class Ledger:
    """The memory of one twin; usable from several threads."""

    def __init__(self, file: Path | None) -> None:
        self._lock = threading.RLock()
        self._db = sqlite3.connect(file or ":memory:", check_same_thread=False, isolation_level=None)
        self._db.execute("pragma journal_mode=wal")
        self._db.execute("pragma synchronous=off")
        self._db.executescript(_TABLES)

    def _run(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._db.execute(sql, values).fetchall()

    def next(self, name: str) -> int:
        """The next number of a series; it survives restarts."""
        rows = self._run(
            "insert into counter values (?, 1) on conflict do update set value = value + 1 returning value", name
        )
        return int(rows[0][0])

    def record(self, kind: str, key: str, number: str, body: dict[str, Any]) -> bool:
        """Keep a business record; False when the key is known (nothing changes then)."""
        rows = self._run(
            "insert into record values (?, ?, ?, ?, ?) on conflict do nothing returning key",
            kind,
            key,
            number,
            orjson.dumps(body).decode(),
            time.time(),
        )
        return bool(rows)

    def find(self, kind: str, key: str) -> dict[str, Any] | None:
        """The record of ``key``."""
        rows = self._run("select number, body from record where kind = ? and key = ?", kind, key)
        return {"number": rows[0][0], **orjson.loads(rows[0][1])} if rows else None

    def by_number(self, kind: str, number: str) -> tuple[str, dict[str, Any]] | None:
        """(key, record) of a business number."""
        rows = self._run("select key, body from record where kind = ? and number = ?", kind, number)
        return (rows[0][0], orjson.loads(rows[0][1])) if rows else None

    def change(self, kind: str, key: str, **values: Any) -> None:
        """Set fields of a record."""
        with self._lock:
            found = self.find(kind, key) or {}
            found.pop("number", None)
            self._run(
                "update record set body = ? where kind = ? and key = ?",
                orjson.dumps(found | values).decode(),
                kind,
                key,
            )

    def called(self, key: str, operation: str, result: str) -> None:
        """Count one call."""
        self._run(
            "insert into call (key, operation, result, at) values (?, ?, ?, ?)", key, operation, result, time.time()
        )

    def records(self, kind: str) -> dict[str, dict[str, Any]]:
        """All records of a kind by key."""
        rows = self._run("select key, number, body, at from record where kind = ? order by at", kind)
        return {key: {"number": number, "at": at, **orjson.loads(body)} for key, number, body, at in rows}

    def counts(self) -> dict[str, int]:
        """Number of records by kind."""
        return dict(self._run("select kind, count(*) from record group by kind"))

    def calls(self, operation: str | None = None) -> Counter[str]:
        """Number of calls by key."""
        rows = self._run(
            "select key, count(*) from call where ? is null or operation = ? group by key", operation, operation
        )
        return Counter(dict(rows))

    def send_later(self, message_id: str, key: str, body: dict[str, Any], delay_s: float) -> None:
        """Put a message into the outbox; the same id only once."""
        self._run(
            "insert into message (id, key, due, body) values (?, ?, ?, ?) on conflict do nothing",
            message_id,
            key,
            time.time() + delay_s,
            orjson.dumps(body).decode(),
        )

    def due(self) -> list[tuple[str, str, dict[str, Any]]]:
        """Messages to send now, oldest first, at most one a key (their order matters to the case)."""
        rows = self._run(
            "select id, key, body from message m where done = 0 and due <= ? and not exists (select 1 from message e"
            " where e.key = m.key and e.done = 0 and e.rowid < m.rowid) order by due limit 50",
            time.time(),
        )
        return [(message_id, key, orjson.loads(body)) for message_id, key, body in rows]

    def sent(self, message_id: str) -> None:
        """The receiver took the message."""
        self._run("update message set done = 1 where id = ?", message_id)

    def postpone(self, message_id: str) -> None:
        """The receiver did not take it: later, at most every five seconds."""
        self._run(
            "update message set tries = tries + 1, due = ? + min(5, 0.25 * (tries + 1)) where id = ?",
            time.time(),
            message_id,
        )

    def unsent(self) -> int:
        """Messages still to be sent."""
        return int(self._run("select count(*) from message where done = 0")[0][0])

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()
