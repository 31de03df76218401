"""Publishing in the background: a request never waits for the broker, and a broker that is away fails nothing."""

from __future__ import annotations

import atexit
import os
import threading
import time
from collections import deque
from contextlib import suppress
from typing import Any

import structlog
from kombu import Connection, Producer, Queue

log = structlog.get_logger(__name__)

_LIMIT = 10_000
_CONFIRM_S = 5.0
_CONNECT_S = 2.0
_PAUSES_S = (0.5, 1.0, 2.0, 4.0)


class Publisher:
    """One thread and one connection that publish with confirms.

    Messages that come while the broker is away, or beyond the limit, are dropped: their jobs stand in the database.
    The thread starts with the first message, anew in every forked child.
    """

    _changed: threading.Condition
    _waiting: deque[tuple[str, str, dict[str, Any]]]
    _thread: threading.Thread | None
    _ask: Connection | None
    _busy: bool
    _closing: bool
    _down_until: float

    def __init__(self, broker_url: str, queues: list[Queue]) -> None:
        self._url = broker_url
        self._queues = queues
        self._reset()
        os.register_at_fork(after_in_child=self._reset)
        atexit.register(self.close, 2)

    def put(self, queue: str, message_id: str, message: dict[str, Any]) -> None:
        """Hand one message over; never blocks."""
        with self._changed:
            if self._down_until > time.monotonic() or len(self._waiting) >= _LIMIT or self._closing:
                return
            self._waiting.append((queue, message_id, message))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="job-publisher", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def flush(self, timeout_s: float) -> bool:
        """Wait until nothing is left to publish."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._waiting and not self._busy, timeout_s)

    def close(self, timeout_s: float) -> None:
        """Publish the rest and end the thread."""
        thread = self._thread
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout_s)
        with self._changed:
            self._thread, self._closing = None, False

    def backlog(self) -> int | None:
        """Messages standing in the queues plus those not yet published; None when the broker does not answer."""
        with self._asking:
            try:
                if self._ask is None:
                    self._ask = self._connect()
                    for queue in self._queues:
                        queue(self._ask.default_channel).declare()
                channel: Any = self._ask.default_channel
                standing = [channel.queue_declare(queue.name, passive=True).message_count for queue in self._queues]
                return int(sum(standing)) + len(self._waiting)
            except Exception as error:
                log.warning("broker_unreachable", reason=type(error).__name__)
                _close(self._ask)
                self._ask = None
                return None

    def _reset(self) -> None:
        """Start without thread, connection and messages: those of a parent process are not ours."""
        self._changed = threading.Condition()
        self._asking = threading.Lock()
        self._waiting = deque()
        self._thread = None
        self._busy = False
        self._closing = False
        self._down_until = 0.0
        self._ask = None

    def _run(self) -> None:
        connection: Connection | None = None
        producer: Producer | None = None
        failures = 0
        while (batch := self._take()) is not None:
            try:
                if producer is None:
                    connection = self._connect()
                    for queue in self._queues:
                        queue(connection.default_channel).declare()
                    producer = connection.Producer(serializer="json", auto_declare=False)
                for queue_name, message_id, message in batch:
                    producer.publish(
                        message["body"],
                        exchange="",
                        routing_key=queue_name,
                        headers=message["headers"],
                        correlation_id=message_id,
                        delivery_mode=2,
                        timeout=_CONFIRM_S,
                        confirm_timeout=_CONFIRM_S,
                    )
                failures = 0
            except Exception as error:
                log.warning("jobs_not_announced", reason=type(error).__name__, count=len(batch))
                _close(connection)
                connection = producer = None
                self._pause(_PAUSES_S[min(failures, len(_PAUSES_S) - 1)])
                failures += 1
            finally:
                self._done()
        _close(connection)

    def _take(self) -> list[tuple[str, str, dict[str, Any]]] | None:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closing)
            if not self._waiting:
                return None
            batch = list(self._waiting)
            self._waiting.clear()
            self._busy = True
            return batch

    def _done(self) -> None:
        with self._changed:
            self._busy = False
            self._changed.notify_all()

    def _pause(self, seconds: float) -> None:
        """Drop messages for a moment instead of trying to connect for each."""
        with self._changed:
            self._waiting.clear()
            self._down_until = time.monotonic() + seconds

    def _connect(self) -> Connection:
        connection = Connection(
            self._url,
            connect_timeout=_CONNECT_S,
            heartbeat=0,
            transport_options={
                "confirm_publish": True,
                "read_timeout": _CONFIRM_S,
                "write_timeout": _CONFIRM_S,
                "max_retries": 0,
            },
        )
        try:
            connection.connect()
        except BaseException:
            _close(connection)
            raise
        return connection


def _close(connection: Connection | None) -> None:
    if connection is not None:
        with suppress(Exception):
            connection.release()
