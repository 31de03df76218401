"""Generate data that fits a schema: for tests, samples and the first fill of a form."""

from __future__ import annotations

import re
from re import _constants as constants  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

from xoev.fim.json_schema import NUMBERS, TEXTS
from xoev.fim.model import DataType, Element, Field, Group
from xoev.fim.rules import Demand, Path
from xoev.fim.schema import DataSchema

_FIXED: dict[DataType, Any] = {
    DataType.DATE: "1984-08-12",
    DataType.TIME: "09:30",
    DataType.TIMEONLY: "09:30",
    DataType.DATETIME: "2026-11-23T09:00:00Z",
    DataType.BOOL: True,
    DataType.FILE: "anlage.pdf",
}
_ROUNDS = 20


def example(schema: DataSchema) -> dict[str, Any]:
    """Return an instance with every element filled that the rules leave room for."""
    data = _group(schema.root)
    for _ in range(_ROUNDS):
        broken = [(place, demand) for _, place, demand in schema.rules.demands(data) if not demand.holds(place)]
        if not broken:
            break
        for place, demand in broken:
            _repair(schema.root, place, demand)
    return data


def _group(group: Group) -> dict[str, Any]:
    children = list(group.data_children())
    return {child.id: _element(child) for child in (children[:1] if group.choice else children)}


def _element(child: Element) -> Any:
    value = _group(child) if isinstance(child, Group) else _value(child)
    return [value] * max(child.multiplicity.low, 1) if child.multiplicity.repeated else value


def _value(child: Element) -> Any:
    if not isinstance(child, Field):
        return None
    if child.codes and child.codes.values:
        code = child.codes.values[0][0]
        return int(code) if child.datatype in NUMBERS else code
    if child.datatype in NUMBERS:
        low = float(child.constraints.min_value or 1)
        return int(low) if low.is_integer() else low
    if child.datatype in TEXTS and child.constraints.pattern:
        return _matching(child.constraints.pattern, child.constraints.min_length or 1)
    if child.datatype in TEXTS:
        low_length, high = child.constraints.min_length or 1, child.constraints.max_length
        return "Beispieltext"[:high].ljust(low_length, "x")
    return _FIXED.get(child.datatype, "Beispiel")


def _matching(pattern: str, at_least: int) -> str:
    """The shortest text of at least this length that ``pattern`` makes by growing its repetitions."""
    parsed = parser.parse(pattern)
    for extra in range(64):
        text = _text(parsed, extra)
        if len(text) >= at_least and re.fullmatch(pattern, text):
            return text
    return _text(parsed, 0)


def _text(parsed: Any, extra: int) -> str:
    return "".join(_piece(operation, argument, extra) for operation, argument in parsed)


def _piece(operation: Any, argument: Any, extra: int) -> str:
    if operation is constants.LITERAL:
        return chr(argument)
    if operation is constants.IN:
        return _member(argument)
    if operation is constants.ANY:
        return "x"
    if operation is constants.NOT_LITERAL:
        return "x" if argument != ord("x") else "y"
    if operation in (constants.MAX_REPEAT, constants.MIN_REPEAT):
        low, high, inner = argument
        return _text(inner, extra) * min(int(low) + extra, int(high))
    if operation is constants.SUBPATTERN:
        return _text(argument[3], extra)
    if operation is constants.BRANCH:
        return _text(argument[1][-1], extra)
    return ""  # anchors and look-arounds add nothing


def _member(items: list[tuple[Any, Any]]) -> str:
    pattern_negated = items[0][0] is constants.NEGATE
    if pattern_negated:
        return "x"
    operation, argument = items[0]
    if operation is constants.RANGE:
        return chr(argument[0])
    if operation is constants.CATEGORY:
        return "1" if argument is constants.CATEGORY_DIGIT else "x"
    return chr(argument)


def _repair(root: Group, place: dict[str, Any], demand: Demand) -> None:
    """Fill the first missing place, or take away what is too much."""
    filled = [path for path in demand.paths if _has(place, path)]
    for path in filled[max(demand.high, 0) :]:
        _remove(place, path)
    if len(filled) < demand.low:
        _fill(root, place, demand.paths[0])


def _has(place: dict[str, Any], path: Path) -> bool:
    node: Any = place
    for key in path:
        if not isinstance(node, dict) or key not in node:
            return False
        node = node[key]
    return True


def _remove(place: dict[str, Any], path: Path) -> None:
    node = place
    for key in path[:-1]:
        node = node[key]
    node.pop(path[-1], None)


def _fill(root: Group, place: dict[str, Any], path: Path) -> None:
    element = _find(root, path[-1])
    node = place
    for key in path[:-1]:
        node = node.setdefault(key, {})
    if element is not None:
        node[path[-1]] = _element(element)


def _find(group: Group, wanted: str) -> Element | None:
    for child in group.children:
        if child.id == wanted:
            return child
        if isinstance(child, Group) and (found := _find(child, wanted)):
            return found
    return None
