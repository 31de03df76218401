"""Statements sent without waiting for each answer (PostgreSQL's pipeline mode, psycopg 3 "Pipeline mode").

While a connection is ``open_for`` a pipeline, a statement marked ``later`` is only queued; the next one that is
not waits for its own answer and for those before it. The server runs them in the order they were given, so nothing
reads less than without. Half of the processor time of a short statement is the wait for its answer, on both sides.

An error of a queued statement is raised by the next statement that waits, at the latest by the commit: mark only
what nobody expects to fail and nobody asks for its ``rowcount``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import psycopg
from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine.interfaces import ExecutionContext
from sqlalchemy.sql.base import Executable

_LATER = "hub_later"
_RELEASE = "RELEASE SAVEPOINT "
_open: WeakKeyDictionary[psycopg.Connection[Any], psycopg.Pipeline] = WeakKeyDictionary()
Statement = TypeVar("Statement", bound=Executable)


def later(statement: Statement) -> Statement:
    """``statement``, whose answer nobody waits for."""
    return statement.execution_options(**{_LATER: True})


def prepare(engine: Engine) -> None:
    """Let statements of ``engine`` wait, or not, as this module says."""
    event.listen(engine, "do_execute", _execute)
    event.listen(engine, "do_executemany", _execute_many)


@contextmanager
def open_for(connection: Connection) -> Iterator[None]:
    """A pipeline for what follows on a connection; ends with the block, which must contain the commit."""
    driver: psycopg.Connection[Any] = connection.connection.driver_connection  # type: ignore[assignment]
    with driver.pipeline() as pipeline:
        _open[driver] = pipeline
        try:
            yield
        except BaseException:
            # A commit that is skipped because of an error before it leaves the transaction open, unlike a refused one.
            _clear(pipeline)
            with suppress(psycopg.Error):
                driver.rollback()
            raise
        finally:
            _open.pop(driver, None)


def _execute(cursor: Any, statement: str, parameters: Any, context: ExecutionContext) -> bool:
    return _send(cursor, cursor.execute, statement, parameters, context)


def _execute_many(cursor: Any, statement: str, parameters: Any, context: ExecutionContext) -> bool:
    return _send(cursor, cursor.executemany, statement, parameters, context)


def _send(cursor: Any, send: Callable[..., object], statement: str, parameters: Any, context: ExecutionContext) -> bool:
    """Send a statement and wait for its answer unless it is for later; gives the "done" of SQLAlchemy's event."""
    pipeline = _open.get(cursor.connection)
    if pipeline is None:
        send(statement, parameters)
        return True
    release = statement.startswith(_RELEASE)
    try:
        if release:
            pipeline.sync()
        send(statement, parameters)
        if not (release or context.execution_options.get(_LATER) or statement.startswith("SAVEPOINT ")):
            pipeline.sync()
    except psycopg.Error:
        _clear(pipeline)
        if release:  # SQLAlchemy goes back to a savepoint when its block fails, not when its end does
            cursor.execute(f"ROLLBACK TO SAVEPOINT {statement.removeprefix(_RELEASE)}")
            pipeline.sync()
        raise
    return True


def _clear(pipeline: psycopg.Pipeline) -> None:
    """Take the answers off the line that what was queued behind a failed statement gets ("aborted").

    Before that neither the transaction nor a savepoint can be rolled back. Every failed call leaves at most the
    answers that came after its own, so a few rounds are enough; a lost connection fails in each.
    """
    for _ in range(3):
        with suppress(psycopg.Error):
            pipeline.sync()
            return
