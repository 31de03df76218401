"""The only clock of the hub: instants are aware UTC, legal days are dates in Europe/Berlin."""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

BERLIN = ZoneInfo("Europe/Berlin")


def now() -> datetime:
    """The present instant, aware, in UTC."""
    return datetime.now(UTC)


def berlin_date(instant: datetime) -> date:
    """The legal day on which ``instant`` falls (§ 31 VwVfG counts local days). Refuses naive datetimes."""
    if instant.tzinfo is None:
        raise ValueError("naive datetime: a legal day needs an instant with a time zone")
    return instant.astimezone(BERLIN).date()


def today_berlin() -> date:
    """The present legal day in Germany."""
    return berlin_date(now())
