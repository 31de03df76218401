"""FEEL values: their kinds, equality, order and arithmetic with the null semantics of DMN.

A value is None, bool, Decimal, str, list, Mapping, date, datetime, time, timedelta, Months or Range; nothing else
gets in (:func:`feel`), so that no attribute of a Python object is ever reachable from an expression.
"""

from __future__ import annotations

import decimal
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from workflows.feel import temporal
from workflows.feel.errors import LIMITS, ExpressionError
from workflows.feel.temporal import Months

MATH = decimal.Context(prec=34, rounding=decimal.ROUND_HALF_EVEN)
"""Arithmetic of DMN: IEEE 754 decimal128, 34 digits."""


@dataclass(frozen=True)
class Range:
    """An interval; a bound that is None is open."""

    low: Any
    high: Any
    low_closed: bool = True
    high_closed: bool = True

    def holds(self, value: Any) -> bool | None:
        """Whether ``value`` lies inside; None when it cannot be compared with the bounds."""
        if value is None:
            return None
        low = True if self.low is None else compare(">=" if self.low_closed else ">", value, self.low)
        high = True if self.high is None else compare("<=" if self.high_closed else "<", value, self.high)
        return None if low is None or high is None else low and high


_KINDS: dict[type, str] = {
    type(None): "null", bool: "boolean", Decimal: "number", str: "string", list: "list", dict: "context",
    datetime: "date and time", date: "date", time: "time", timedelta: "days and time duration",
    Months: "years and months duration", Range: "range",
}  # fmt: skip


def kind(value: Any) -> str:
    """The FEEL type name of a value."""
    return _KINDS.get(type(value)) or ("context" if isinstance(value, Mapping) else "unknown")


def feel(value: Any) -> Any:
    """A Python value as FEEL sees it: ints and floats become exact decimals, tuples lists; foreign objects are refused.

    Mappings stay as they are (they may be lazy); their entries are converted when they are read.
    """
    cls = type(value)
    if cls in _KINDS and cls is not list:
        return value
    if cls is int:
        return Decimal(value)
    if cls is float:
        number = Decimal(repr(value))
        return number if number.is_finite() else None
    if isinstance(value, (list, tuple)):
        if len(value) > LIMITS.items:
            raise ExpressionError(f"Eine Liste hat mehr als {LIMITS.items} Einträge.")
        return [feel(item) for item in value]
    if isinstance(value, Mapping):
        return value
    if isinstance(value, str):  # enumerations and other subclasses of str
        return str(value)
    raise ExpressionError(f"Ein Wert der Art {cls.__name__} kann in Ausdrücken nicht verwendet werden.")


def equal(left: Any, right: Any) -> bool | None:
    """FEEL ``=``: null equals only null; values of different kinds give null."""
    if left is None or right is None:
        return left is right
    a, b = kind(left), kind(right)
    if a != b:
        return None
    if a == "list":
        return len(left) == len(right) and all(equal(x, y) is True for x, y in zip(left, right, strict=True))
    if a == "context":
        return left.keys() == right.keys() and all(equal(feel(left[k]), feel(right[k])) is True for k in left)
    if a in ("date and time", "time") and (left.tzinfo is None) != (right.tzinfo is None):
        return None
    return bool(left == right)


_ORDERED = {
    "number", "string", "date", "date and time", "time", "days and time duration", "years and months duration",
}  # fmt: skip


def compare(op: str, left: Any, right: Any) -> bool | None:
    """FEEL order; null for values that have none or are of different kinds."""
    a = kind(left)
    if a not in _ORDERED or a != kind(right):
        return None
    try:
        if op == "<":
            return bool(left < right)
        if op == "<=":
            return bool(left <= right)
        return bool(left > right) if op == ">" else bool(left >= right)
    except TypeError:  # one side has a time zone, the other has none
        return None


def _checked(number: Decimal) -> Decimal | None:
    if not number.is_finite():
        return None
    if number and abs(number.adjusted()) > LIMITS.digits:
        raise ExpressionError("Eine Zahl ist zu groß oder zu klein geworden.")
    return number


def plus(left: Any, right: Any) -> Any:
    a, b = kind(left), kind(right)
    if a == b == "number":
        return _checked(MATH.add(left, right))
    if a == b == "string":
        if len(left) + len(right) > LIMITS.text:
            raise ExpressionError(f"Ein Text ist länger als {LIMITS.text} Zeichen geworden.")
        return left + right
    if a in ("date", "date and time") and b.endswith("duration"):
        return temporal.add(left, right)
    if b in ("date", "date and time") and a.endswith("duration"):
        return temporal.add(right, left)
    if a == b == "days and time duration":
        return left + right
    if a == b == "years and months duration":
        return Months(left.months + right.months)
    if a == "time" and b == "days and time duration":
        return (datetime.combine(date(2000, 1, 1), left) + timedelta(seconds=right.seconds)).timetz()
    return None


def minus(left: Any, right: Any) -> Any:
    a, b = kind(left), kind(right)
    if a == b == "number":
        return _checked(MATH.subtract(left, right))
    if a in ("date", "date and time") and b in ("date", "date and time"):
        return _difference(left, right)
    if b.endswith("duration"):
        return plus(left, negate(right))
    return None


def _difference(left: date, right: date) -> timedelta | None:
    if type(left) is not type(right):
        left, right = _midnight(left, right), _midnight(right, left)
    try:
        return left - right
    except TypeError:
        return None


def _midnight(value: date, other: date) -> datetime:
    if isinstance(value, datetime):
        return value
    zone = other.tzinfo if isinstance(other, datetime) else None
    return datetime(value.year, value.month, value.day, tzinfo=zone)


def times(left: Any, right: Any) -> Any:
    a, b = kind(left), kind(right)
    if a == b == "number":
        return _checked(MATH.multiply(left, right))
    if a == "number":
        left, right, a, b = right, left, b, a
    if b != "number":
        return None
    try:
        if a == "days and time duration":
            return timedelta(microseconds=int(Decimal(left // timedelta(microseconds=1)) * right))
        return Months(int(left.months * right)) if a == "years and months duration" else None
    except (OverflowError, decimal.DecimalException):
        return None


def divided(left: Any, right: Any) -> Any:
    a, b = kind(left), kind(right)
    if a == b == "number":
        return _checked(MATH.divide(left, right)) if right else None
    if a == b == "days and time duration":
        return MATH.divide(_micro(left), _micro(right)) if right else None
    if a == b == "years and months duration":
        return MATH.divide(Decimal(left.months), Decimal(right.months)) if right.months else None
    return times(left, MATH.divide(Decimal(1), right)) if b == "number" and right else None


def _micro(span: timedelta) -> Decimal:
    return Decimal(span // timedelta(microseconds=1))


def power(left: Any, right: Any) -> Any:
    if kind(left) != "number" or kind(right) != "number":
        return None
    if left and abs(right) * (abs(left.adjusted()) + 1) > LIMITS.digits * 2:
        raise ExpressionError("Eine Zahl ist zu groß oder zu klein geworden.")
    try:
        return _checked(MATH.power(left, right))
    except decimal.DecimalException:
        return None


def negate(value: Any) -> Any:
    a = kind(value)
    if a == "number":
        return MATH.minus(value)
    if a == "days and time duration":
        return -value
    return Months(-value.months) if a == "years and months duration" else None


def text(value: Any) -> str | None:
    """FEEL ``string(value)``."""
    a = kind(value)
    if a == "null":
        return None
    if a == "string":
        return str(value)
    if a == "boolean":
        return "true" if value else "false"
    if a == "number":
        return number_text(value)
    if a == "days and time duration":
        return temporal.duration_text(value)
    if a == "date and time":
        return str(value.isoformat()).replace("+00:00", "Z")
    if a in ("date", "time"):
        return str(value.isoformat())
    if a == "list":
        return "[" + ", ".join(_inner(item) for item in value) + "]"
    if a == "context":
        return "{" + ", ".join(f"{key}: {_inner(feel(item))}" for key, item in value.items()) + "}"
    return str(value)


def _inner(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else (text(value) or "null")


def number_text(value: Decimal) -> str:
    """A number without exponent and without superfluous zeros of an integer: 1E+2 -> 100; 12.50 stays 12.50."""
    return format(value.to_integral_value() if value == value.to_integral_value() else value, "f")


_PROPERTIES: dict[str, dict[str, str]] = {
    "date": {"year": "year", "month": "month", "day": "day"},
    "time": {"hour": "hour", "minute": "minute", "second": "second"},
}
_PROPERTIES["date and time"] = _PROPERTIES["date"] | _PROPERTIES["time"]


def entry(value: Any, name: str) -> Any:
    """``value.name``: an entry of a context, a part of a date or duration, or the entries of a list's contexts."""
    a = kind(value)
    if a == "context":
        return feel(value.get(name))
    if a == "list":
        return [entry(item, name) for item in value]
    if name == "weekday" and a in ("date", "date and time"):
        return Decimal(value.isoweekday())
    if part := _PROPERTIES.get(a, {}).get(name):
        return Decimal(getattr(value, part))
    if a == "days and time duration":
        return _duration_part(value, name)
    if a == "years and months duration":
        sign = -1 if value.months < 0 else 1
        years, months = divmod(abs(value.months), 12)
        return {"years": Decimal(sign * years), "months": Decimal(sign * months)}.get(name)
    if a == "range":
        return {"start": value.low, "end": value.high, "start included": value.low_closed,
                "end included": value.high_closed}.get(name)  # fmt: skip
    return None


def _duration_part(span: timedelta, name: str) -> Decimal | None:
    sign = -1 if span < timedelta(0) else 1
    value = abs(span)
    parts = {"days": value.days, "hours": value.seconds // 3600, "minutes": value.seconds % 3600 // 60,
             "seconds": value.seconds % 60}  # fmt: skip
    return Decimal(sign * parts[name]) if name in parts else None
