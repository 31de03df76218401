"""What was read a moment ago, kept for some seconds in this process."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Memory(Generic[K, V]):
    """Values by name, each good for ``seconds``; of more than ``most`` the one unused for longest goes. Thread-safe.

    Every process has its own: a change made elsewhere is seen when the time is over.
    """

    def __init__(self, seconds: float, *, most: int = 1000, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._most = most
        self._clock = clock
        self._held: OrderedDict[K, tuple[float, V]] = OrderedDict()
        self._lock = threading.Lock()

    def recall(self, name: K) -> V | None:
        """The value under a name, or None when there is none or its time is over."""
        with self._lock:
            entry = self._held.get(name)
            if entry is None:
                return None
            if entry[0] <= self._clock():
                del self._held[name]
                return None
            self._held.move_to_end(name)
            return entry[1]

    def remember(self, name: K, value: V) -> V:
        """Keep a value from now on; gives it back."""
        with self._lock:
            self._held[name] = (self._clock() + self._seconds, value)
            self._held.move_to_end(name)
            while len(self._held) > self._most:
                self._held.popitem(last=False)
        return value

    def forget(self, name: K) -> None:
        """Drop one value at once."""
        with self._lock:
            self._held.pop(name, None)

    def clear(self) -> None:
        """Drop everything at once."""
        with self._lock:
            self._held.clear()
