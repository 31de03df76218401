"""Legal days: how a period (Frist) is computed in Rheinland-Pfalz.

§31 VwVfG with §§187-193 BGB: the day of the event is not counted; a month ends on the day with the same number, or on
the last day of the month; a period that ends on a Saturday, Sunday or public holiday ends on the next working day.
"""

from __future__ import annotations

import calendar
import re
from datetime import date, timedelta
from functools import lru_cache

import holidays

_PERIOD = re.compile(r"^P(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)W)?(?:(\d+)D)?$")


@lru_cache(maxsize=64)
def _holidays(year: int, state: str) -> frozenset[date]:
    return frozenset(holidays.country_holidays("DE", subdiv=state, years=year).keys())


def is_working_day(day: date, state: str = "RP") -> bool:
    """Whether a day is an Arbeitstag: not Saturday, Sunday or a public holiday of the state."""
    return day.weekday() < 5 and day not in _holidays(day.year, state)


def next_working_day(day: date, state: str = "RP") -> date:
    """The day itself, or the first working day after it (§193 BGB)."""
    while not is_working_day(day, state):
        day += timedelta(days=1)
    return day


def add_months(day: date, months: int) -> date:
    """The day with the same number that many months later, or that month's last day (§188(2), (3) BGB)."""
    index = day.year * 12 + day.month - 1 + months
    year, month = divmod(index, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def end_of_period(event: date, period: str, *, unit: str = "calendar", shift: bool = True, state: str = "RP") -> date:
    """The last day of a period that an event starts.

    `period` is an ISO 8601 duration of whole days or more (`P3M`, `P10D`); with `unit` = `working-days` its days are
    Arbeitstage. Raises ValueError for any other text.
    """
    match = _PERIOD.match(period)
    if not match or period == "P":
        raise ValueError(f"not a period of days, weeks, months or years: {period!r}")
    years, months, weeks, days = (int(part or 0) for part in match.groups())
    end = add_months(event, years * 12 + months) if years or months else event
    count = weeks * 7 + days
    if unit == "working-days":
        while count:
            end += timedelta(days=1)
            count -= is_working_day(end, state)
        return end
    end += timedelta(days=count)
    return next_working_day(end, state) if shift else end
