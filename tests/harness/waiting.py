"""Waiting for what must come true, instead of sleeping and hoping."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def until(
    condition: Callable[[], T], what: str | Callable[[], object], *, seconds: float = 60, every: float = 0.05
) -> T:
    """The first true value of ``condition``. TimeoutError says what did not happen or is in the way."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > end:
            raise TimeoutError(f"after {seconds:g} s still waiting: {what if isinstance(what, str) else what()}")
        time.sleep(every)
    return value
