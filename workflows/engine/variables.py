"""Process variables: copied on the way in, so that nothing outside can change them later, and kept exactly in JSON."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from workflows.contract import StateError
from workflows.feel import Months, Range, feel

_TAG = "$"
_INT = 2**53


def copied(value: Any) -> Any:
    """A deep copy in FEEL values; raises ExpressionError for anything FEEL has no kind for."""
    value = feel(value)
    if isinstance(value, list):
        return [copied(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): copied(item) for key, item in value.items()}
    return value


def encode(value: Any) -> Any:
    """A FEEL value as JSON; what JSON has no kind for is tagged: ``{"$": "n", "v": "12.50"}``."""
    if isinstance(value, Decimal):
        if value.as_tuple().exponent == 0 and abs(value) < _INT:
            return int(value)
        return {_TAG: "n", "v": str(value)}
    if isinstance(value, list):
        return [encode(item) for item in value]
    if isinstance(value, Mapping):
        entries = {key: encode(item) for key, item in value.items()}
        return {_TAG: "m", "v": entries} if _TAG in entries else entries
    tag = _TAGS.get(type(value))
    if tag is None:
        return value
    return {_TAG: tag, "v": _WRITE[tag](value)}


_TAGS: dict[type, str] = {datetime: "t", date: "d", time: "c", timedelta: "p", Months: "y", Range: "r"}
_WRITE: dict[str, Any] = {
    "t": datetime.isoformat, "d": date.isoformat, "c": time.isoformat, "y": lambda value: value.months,
    "p": lambda value: value // timedelta(microseconds=1),
    "r": lambda value: [encode(value.low), encode(value.high), value.low_closed, value.high_closed],
}  # fmt: skip
_READ: dict[str, Any] = {
    "n": Decimal, "t": datetime.fromisoformat, "d": date.fromisoformat, "c": time.fromisoformat, "y": Months,
    "p": lambda value: timedelta(microseconds=value),
    "r": lambda value: Range(decode(value[0]), decode(value[1]), value[2], value[3]),
    "m": lambda value: {key: decode(item) for key, item in value.items()},
}  # fmt: skip


def decode(value: Any) -> Any:
    """The inverse of :func:`encode`."""
    if isinstance(value, list):
        return [decode(item) for item in value]
    if isinstance(value, dict):
        if _TAG not in value:
            return {key: decode(item) for key, item in value.items()}
        reader = _READ.get(value[_TAG])
        if reader is None:
            raise StateError(f"Der Zustand enthält eine unbekannte Wertart „{value[_TAG]}“.")
        return reader(value["v"])
    if isinstance(value, int) and not isinstance(value, bool):
        return Decimal(value)
    return value
