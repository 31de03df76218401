"""Built-in functions of FEEL (DMN 1.5, 10.3.4). Each takes FEEL values and gives one; wrong kinds give null."""

from __future__ import annotations

import decimal
from collections.abc import Callable, Mapping
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from workflows.feel import temporal
from workflows.feel.errors import LIMITS, ExpressionError
from workflows.feel.temporal import Months
from workflows.feel.values import MATH, compare, equal, feel, kind, plus, text

Function = Callable[..., Any]
BERLIN = ZoneInfo("Europe/Berlin")


def _items(args: tuple[Any, ...]) -> list[Any]:
    """``f(list)`` and ``f(a, b, c)`` mean the same."""
    if len(args) == 1 and isinstance(args[0], list):
        return args[0]
    return list(args)


def _all(kind_name: str, items: list[Any]) -> bool:
    return all(kind(item) == kind_name for item in items)


# --- lists ---


def _sum(*args: Any) -> Any:
    items = _items(args)
    if not items or any(item is None for item in items):
        return None
    total = items[0]
    for item in items[1:]:
        total = plus(total, item)
    return total


def _extreme(op: str) -> Function:
    def best(*args: Any) -> Any:
        items = _items(args)
        if not items:
            return None
        found = items[0]
        for item in items[1:]:
            better = compare(op, item, found)
            if better is None:
                return None
            found = item if better else found
        return found

    return best


def _mean(*args: Any) -> Any:
    items = _items(args)
    total = _sum(*args)
    return MATH.divide(total, Decimal(len(items))) if kind(total) == "number" else None


def _contains_item(items: Any, value: Any) -> bool | None:
    return any(equal(item, value) is True for item in items) if isinstance(items, list) else None


def _append(items: Any, *more: Any) -> Any:
    base = items if isinstance(items, list) else [items]
    return _bounded([*base, *more])


def _concatenate(*lists: Any) -> Any:
    return _bounded([item for part in lists for item in (part if isinstance(part, list) else [part])])


def _bounded(items: list[Any]) -> list[Any]:
    if len(items) > LIMITS.items:
        raise ExpressionError(f"Eine Liste hat mehr als {LIMITS.items} Einträge.")
    return items


def _distinct(items: Any) -> Any:
    if not isinstance(items, list):
        return None
    found: list[Any] = []
    for item in items:
        if not any(equal(item, other) is True for other in found):
            found.append(item)
    return found


def _flatten(items: Any) -> Any:
    if not isinstance(items, list):
        return None
    flat: list[Any] = []
    for item in items:
        flat.extend(_flatten(item) if isinstance(item, list) else [item])
    return _bounded(flat)


def _index_of(items: Any, value: Any) -> Any:
    if not isinstance(items, list):
        return None
    return [Decimal(at) for at, item in enumerate(items, 1) if equal(item, value) is True]


def _all_true(*args: Any) -> bool | None:
    items = _items(args)
    if any(item is False for item in items):
        return False
    return True if all(item is True for item in items) else None


def _any_true(*args: Any) -> bool | None:
    items = _items(args)
    if any(item is True for item in items):
        return True
    return False if all(item is False for item in items) else None


# --- texts ---


def _on_text(function: Callable[..., Any]) -> Function:
    def checked(*args: Any) -> Any:
        return function(*args) if all(isinstance(arg, str) for arg in args) else None

    return checked


def _substring(value: Any, start: Any, length: Any = None) -> Any:
    if not isinstance(value, str) or kind(start) != "number" or not start:
        return None
    begin = int(start) - 1 if start > 0 else max(len(value) + int(start), 0)
    if length is None:
        return value[begin:]
    return value[begin : begin + int(length)] if kind(length) == "number" and length > 0 else None


def _before(value: str, mark: str) -> str:
    return value.split(mark, 1)[0] if mark and mark in value else ""


def _after(value: str, mark: str) -> str:
    return value.split(mark, 1)[1] if mark and mark in value else ("" if mark else value)


def _split(value: str, mark: str) -> Any:
    return _bounded(list(value.split(mark))) if mark else None


def _join(items: Any, mark: Any = "") -> Any:
    if not isinstance(items, list):
        return None
    joined = (mark or "").join(str(item) for item in items if item is not None)
    if len(joined) > LIMITS.text:
        raise ExpressionError(f"Ein Text ist länger als {LIMITS.text} Zeichen geworden.")
    return joined


# --- numbers ---


def _number(value: Any, *separators: Any) -> Any:
    if kind(value) == "number":
        return value
    if not isinstance(value, str):
        return None
    grouping, point = (*separators, None, None)[:2]
    plain = value.strip()
    plain = plain.replace(grouping, "") if grouping else plain
    plain = plain.replace(point, ".") if point else plain
    try:
        number = Decimal(plain)
    except decimal.InvalidOperation:
        return None
    return number if number.is_finite() and abs(number.adjusted()) <= LIMITS.digits else None


def _rounding(mode: str) -> Function:
    def rounded(value: Any, scale: Any = Decimal(0)) -> Any:
        if kind(value) != "number" or kind(scale) != "number" or abs(scale) > 100:
            return None
        try:
            return value.quantize(Decimal(1).scaleb(-int(scale)), rounding=mode)
        except decimal.InvalidOperation:
            return None

    return rounded


def _abs(value: Any) -> Any:
    if isinstance(value, Months):
        return Months(abs(value.months))
    return abs(value) if kind(value) in ("number", "days and time duration") else None


def _modulo(value: Any, divisor: Any) -> Any:
    if kind(value) != "number" or kind(divisor) != "number" or not divisor:
        return None
    floor = (value / divisor).to_integral_value(decimal.ROUND_FLOOR)
    return MATH.subtract(value, MATH.multiply(divisor, floor))


def _on_number(test: Callable[[Decimal], Any]) -> Function:
    return lambda value: test(value) if kind(value) == "number" else None


# --- dates ---


def _date(*args: Any) -> Any:
    if len(args) == 3 and _all("number", list(args)):
        try:
            return date(*(int(part) for part in args))
        except ValueError:
            return None
    value = args[0] if len(args) == 1 else None
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    if not isinstance(value, str):
        return None
    moment = temporal.parse_datetime(value) if "T" in value else None
    return moment.date() if moment else temporal.parse_date(value)


def _datetime(*args: Any) -> Any:
    if len(args) == 2 and isinstance(args[0], date) and isinstance(args[1], time):
        return datetime.combine(args[0], args[1])
    value = args[0] if len(args) == 1 else None
    if isinstance(value, datetime):
        return value
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day)
    return temporal.parse_datetime(value) if isinstance(value, str) else None


def _time(*args: Any) -> Any:
    if len(args) == 3 and _all("number", list(args)):
        try:
            hour, minute, second = (int(part) for part in args)
            return time(hour, minute, second)
        except ValueError:
            return None
    value = args[0] if len(args) == 1 else None
    if isinstance(value, datetime):
        return value.timetz()
    return value if isinstance(value, time) else temporal.parse_time(value) if isinstance(value, str) else None


def _duration(value: Any) -> Any:
    if isinstance(value, str):
        return temporal.parse_duration(value)
    return value if kind(value).endswith("duration") else None


def _months_between(start: Any, end: Any) -> Any:
    if not isinstance(start, date) or not isinstance(end, date):
        return None
    return Months(temporal.months_between(_date(start), _date(end)))


def _get_entries(value: Any) -> Any:
    if not isinstance(value, Mapping):
        return None
    return [{"key": key, "value": feel(item)} for key, item in value.items()]


FUNCTIONS: dict[str, Function] = {
    "count": lambda items: Decimal(len(items)) if isinstance(items, list) else None,
    "sum": _sum,
    "min": _extreme("<"),
    "max": _extreme(">"),
    "mean": _mean,
    "all": _all_true,
    "any": _any_true,
    "list contains": _contains_item,
    "append": _append,
    "concatenate": _concatenate,
    "distinct values": _distinct,
    "union": lambda *lists: _distinct(_concatenate(*lists)),
    "flatten": _flatten,
    "reverse": lambda items: items[::-1] if isinstance(items, list) else None,
    "index of": _index_of,
    "contains": _on_text(lambda value, part: part in value),
    "starts with": _on_text(str.startswith),
    "ends with": _on_text(str.endswith),
    "string length": _on_text(lambda value: Decimal(len(value))),
    "upper case": _on_text(str.upper),
    "lower case": _on_text(str.lower),
    "trim": _on_text(str.strip),
    "substring": _substring,
    "substring before": _on_text(_before),
    "substring after": _on_text(_after),
    "split": _on_text(_split),
    "string join": _join,
    "string": text,
    "number": _number,
    "floor": _rounding(decimal.ROUND_FLOOR),
    "ceiling": _rounding(decimal.ROUND_CEILING),
    "round half up": _rounding(decimal.ROUND_HALF_UP),
    "round half down": _rounding(decimal.ROUND_HALF_DOWN),
    "round half even": _rounding(decimal.ROUND_HALF_EVEN),
    "round up": _rounding(decimal.ROUND_UP),
    "round down": _rounding(decimal.ROUND_DOWN),
    "decimal": _rounding(decimal.ROUND_HALF_EVEN),
    "abs": _abs,
    "modulo": _modulo,
    "even": _on_number(lambda value: value % 2 == 0),
    "odd": _on_number(lambda value: abs(value % 2) == 1),
    "date": _date,
    "date and time": _datetime,
    "time": _time,
    "duration": _duration,
    "years and months duration": _months_between,
    "day of year": lambda day: Decimal(day.timetuple().tm_yday) if isinstance(day, date) else None,
    "week of year": lambda day: Decimal(day.isocalendar().week) if isinstance(day, date) else None,
    "not": lambda value: (not value) if isinstance(value, bool) else None,
    "get value": lambda ctx, key: feel(ctx.get(key)) if isinstance(ctx, Mapping) and isinstance(key, str) else None,
    "get entries": _get_entries,
    "@": lambda value: temporal.parse_any(value) if isinstance(value, str) else None,
}
"""Name to function. ``now``, ``today`` and ``is defined`` need the scope and live in the compiler."""

PARAMETERS: dict[str, tuple[str, ...]] = {
    "contains": ("string", "match"),
    "starts with": ("string", "match"),
    "ends with": ("string", "match"),
    "substring": ("string", "start position", "length"),
    "list contains": ("list", "element"),
    "count": ("list",),
    "date": ("year", "month", "day"),
    "duration": ("from",),
    "years and months duration": ("from", "to"),
}
"""Parameter names for named arguments, where they are used in practice."""
