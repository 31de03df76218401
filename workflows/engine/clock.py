"""When something is due: ISO literals or FEEL, counted from the step's own ``now``.

Legal days are days in Germany: a date means its start (timers) or its end (due dates of tasks) in Europe/Berlin, and
days and months are counted on the calendar there, so that a duration over a change of the clocks keeps its time of day.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Any

from workflows.contract import RunError
from workflows.feel import Months, temporal
from workflows.feel.builtins import BERLIN

_LITERAL = re.compile(r"-?P[0-9YMWDTHS.]+|\d{4}-\d\d-\d\d(?:T[0-9:.]+(?:Z|[+-]\d\d:\d\d)?)?")


@lru_cache(maxsize=1024)
def literal(text: str) -> Any:
    """The value of an unquoted ISO literal (``P3D``, ``2026-11-23``), None when ``text`` is none (so it is FEEL)."""
    if not _LITERAL.fullmatch(text):
        return None
    return temporal.parse_duration(text) or temporal.parse_date(text) or temporal.parse_datetime(text)


def instant(value: Any, now: datetime, place: str, *, end_of_day: bool = False) -> datetime:
    """A date, date and time, duration, or text of one as an aware UTC instant."""
    if isinstance(value, str):
        value = literal(value) or value
    if isinstance(value, (timedelta, Months)):
        return _later(now, value)
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=BERLIN)).astimezone(UTC)
    if isinstance(value, date):
        clock = time(23, 59, 59) if end_of_day else time()
        return datetime.combine(value, clock, BERLIN).astimezone(UTC)
    raise RunError(f"{place}: „{value}“ ist weder Datum noch Dauer.")


def _later(now: datetime, span: timedelta | Months) -> datetime:
    if isinstance(span, timedelta) and span.seconds:
        return now + span
    moved = temporal.add(now.astimezone(BERLIN), span)
    if not isinstance(moved, datetime):
        raise RunError(f"Die Dauer „{span}“ führt aus dem Kalender.")
    return moved.astimezone(UTC)
