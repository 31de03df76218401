"""Dates, times and durations of FEEL (DMN 1.5, 10.3.2.3.4 ff.) on Python's own types.

date, time and datetime are Python's; days-and-time durations are ``timedelta``; years-and-months durations are
:class:`Months`, since a month has no fixed length.
"""

from __future__ import annotations

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError


@dataclass(frozen=True, order=True)
class Months:
    """A years-and-months duration."""

    months: int

    def __str__(self) -> str:
        sign, value = ("-" if self.months < 0 else ""), abs(self.months)
        years, months = divmod(value, 12)
        text = (f"{years}Y" if years else "") + (f"{months}M" if months else "")
        return f"{sign}P{text or '0M'}"


_YM = re.compile(r"(-?)P(?=\d)(?:(\d{1,9})Y)?(?:(\d{1,9})M)?")
_DT = re.compile(
    r"(-?)P(?=\d|T\d)(?:(\d{1,9})W)?(?:(\d{1,9})D)?"
    r"(?:T(?=\d)(?:(\d{1,9})H)?(?:(\d{1,9})M)?(?:(\d{1,9}(?:\.\d{1,9})?)S)?)?"
)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_ZONE = re.compile(r"(.+?)@([A-Za-z_]+(?:/[A-Za-z_+-]+)*)")


def parse_duration(text: str) -> timedelta | Months | None:
    """``P3M`` gives Months, ``P3D`` or ``PT4H`` a timedelta; None when it is neither."""
    if match := _YM.fullmatch(text):
        sign, years, months = match.groups()
        total = int(years or 0) * 12 + int(months or 0)
        return Months(-total if sign else total)
    if match := _DT.fullmatch(text):
        sign, weeks, days, hours, minutes, seconds = match.groups()
        try:
            value = timedelta(
                weeks=int(weeks or 0), days=int(days or 0), hours=int(hours or 0), minutes=int(minutes or 0),
                microseconds=int(Decimal(seconds or 0) * 1_000_000),
            )  # fmt: skip
        except OverflowError:
            return None
        return -value if sign else value
    return None


def parse_date(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if _DATE.fullmatch(text) else None
    except ValueError:
        return None


def parse_datetime(text: str) -> datetime | None:
    """``2026-11-23T09:00:00Z``, with offset, without zone, or ``...@Europe/Berlin``."""
    zone = None
    if match := _ZONE.fullmatch(text):
        text, name = match.groups()
        try:
            zone = ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError):
            return None
    if "T" not in text:
        day = parse_date(text)
        return datetime(day.year, day.month, day.day) if day else None
    try:
        value = datetime.fromisoformat(text)
    except ValueError:
        return None
    return value.replace(tzinfo=zone) if zone else value


def parse_time(text: str) -> time | None:
    try:
        return time.fromisoformat(text) if ":" in text else None
    except ValueError:
        return None


def parse_any(text: str) -> Any:
    """What ``@"..."`` means: the first of date, date and time, time, duration that fits."""
    return parse_date(text) or (parse_datetime(text) if "T" in text else parse_time(text)) or parse_duration(text)


def add_months(day: date, months: int) -> date | None:
    """The same day ``months`` later; past the month's end its last day (31 January + P1M = 28/29 February)."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    if not 1 <= year <= 9999:
        return None
    return day.replace(year=year, month=month + 1, day=min(day.day, monthrange(year, month + 1)[1]))


def add(moment: date, span: timedelta | Months) -> date | None:
    """date or datetime plus a duration; None beyond the calendar. A date stays a date."""
    try:
        return add_months(moment, span.months) if isinstance(span, Months) else moment + span
    except (OverflowError, ValueError):
        return None


def months_between(start: date, end: date) -> int:
    """Whole months from ``start`` to ``end`` (negative when end is earlier)."""
    if end < start:
        return -months_between(end, start)
    months = (end.year - start.year) * 12 + end.month - start.month
    return months - 1 if end.day < start.day else months


def duration_text(span: timedelta) -> str:
    """ISO 8601 text of a days-and-time duration."""
    sign, value = ("-", -span) if span < timedelta(0) else ("", span)
    hours, rest = divmod(value.seconds, 3600)
    minutes, seconds = divmod(rest, 60)
    fraction = f".{value.microseconds:06d}".rstrip("0") if value.microseconds else ""
    clock = (f"{hours}H" if hours else "") + (f"{minutes}M" if minutes else "")
    clock += f"{seconds}{fraction}S" if seconds or fraction else ""
    text = (f"{value.days}D" if value.days else "") + (f"T{clock}" if clock else "")
    return f"{sign}P{text or 'T0S'}"
