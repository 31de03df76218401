"""Rules (Regeln) as checks, where their German text has one of the fixed forms of the FIM building blocks.

A rule counts as readable only when *every* sentence of it was understood and every id is found below the
element that holds it; all others are left to people. Sentences understood (F/G stand for ids):

- ``Es muss mindestens eines der Felder F, F oder F befüllt sein.``
- ``Es muss entweder Feldgruppe G oder Feldgruppe G befüllt werden.`` and ``Entweder muss ...`` (exactly one)
- ``Wenn F nicht leer, dann darf F nicht leer sein.``
- ``Wenn das Feld F = 001 [ODER = 002], dann muss die Feldgruppe G befüllt sein.``, ``<>``, ``= Ja``, ``dann darf
  G nicht befüllt sein``
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from xoev.fim.check import pointer
from xoev.fim.model import DataType, Element, Field, Group, Rule
from xoev.report import Fault

_NOUN = r"(?:(?:das|die|eines der|einer der|der)\s+)?(?:(?:Daten)?Feldgruppen?|(?:Daten)?Feld(?:er)?)?\s*"
_QUOTED = re.compile(r"[\"“„'][^\"“”„']*[\"”“']")
_ID = r"((?:G\d+\.)*[FG]\d+)"
_FILLED = r"(?:befüllt|ausgefüllt|angegeben)\s+(?:sein|werden)"
_LIST = rf"{_NOUN}{_ID}((?:\s*(?:,|oder)\s*{_NOUN}(?:G\d+\.)*[FG]\d+)*)"
_AT_LEAST = re.compile(rf"Es muss mindestens {_LIST}\s+{_FILLED}", re.IGNORECASE)
_EITHER = re.compile(rf"(?:Es muss entweder|Entweder muss)\s+{_LIST}\s+{_FILLED}", re.IGNORECASE)
_NOT_EMPTY = re.compile(rf"Wenn {_NOUN}{_ID}\s+nicht leer,? dann darf {_NOUN}{_ID} nicht leer sein", re.IGNORECASE)
_VALUE = r"(?:=|<>)\s*[\w-]+"
_WHEN = re.compile(
    rf"Wenn {_NOUN}{_ID}\s*({_VALUE}(?:\s*oder\s*{_VALUE})*)\s*,? dann "
    rf"(?:(muss)|darf)\s+{_NOUN}{_ID}\s+(nicht\s+)?{_FILLED}",
    re.IGNORECASE,
)
_IDS = re.compile(r"(?:G\d+\.)*[FG]\d+")
_TEST = re.compile(r"(=|<>)\s*([\w-]+)")
_SENTENCE_END = re.compile(r"\.(?:\s+|$)")

Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Demand:
    """One sentence: between ``low`` and ``high`` of ``paths`` are filled whenever ``when`` holds."""

    paths: tuple[Path, ...]
    low: int
    high: int
    when: Path | None = None
    equal: frozenset[str] | None = None  # None: filled at all
    negated: bool = False

    def applies(self, data: Mapping[str, Any]) -> bool:
        if self.when is None:
            return True
        value = _at(data, self.when)
        if self.equal is None:
            return _filled(value)
        if not _filled(value):
            return False
        said = ("ja" if value else "nein") if isinstance(value, bool) else str(value).lower()
        return (said in self.equal) != self.negated

    def holds(self, data: Mapping[str, Any]) -> bool:
        if self.when is not None and not self.applies(data):
            return True
        filled = 0
        for path in self.paths:
            if _filled(_at(data, path)):
                filled += 1
        return self.low <= filled <= self.high


@dataclass(frozen=True, slots=True)
class _Node:
    """The rules of one group and of the groups below it."""

    checks: tuple[tuple[Rule, tuple[Demand, ...]], ...]
    notes: tuple[Rule, ...]
    below: tuple[tuple[str, _Node], ...]


class RuleBook:
    """All rules of one schema, read once."""

    def __init__(self, root: Group) -> None:
        self._node = _node(root)

    def faults(self, instance: object) -> list[Fault]:
        """Broken rules, code ``schema.rule``, at the group that holds the rule."""
        found: list[Fault] = []
        _judge(self._node, instance, (), found)
        return found

    def demands(self, instance: object) -> Iterator[tuple[list[str | int], dict[str, Any], Demand]]:
        """Every demand with the group data it applies to (for building examples)."""
        for steps, node, data in _walk(self._node, instance, []):
            for _, demands in node.checks:
                for demand in demands:
                    yield steps, data, demand

    def notes(self, instance: object) -> list[tuple[list[str | int], Rule, str]]:
        """Rules only a person can check, each once, for groups that are filled."""
        seen: dict[str, tuple[list[str | int], Rule, str]] = {}
        for steps, node, _ in _walk(self._node, instance, []):
            for rule in node.notes:
                if rule.text:
                    seen.setdefault(rule.id, (steps, rule, plain(rule.text)))
        return list(seen.values())


def plain(text: str) -> str:
    """The words of a rule without ids, on one line."""
    return re.sub(r"\s+", " ", re.sub(r"\b(?:[GF]\d+\.)*[GF]\d{3,}\s*", "", text)).strip()


def read_rule(rule: Rule, group: Group) -> tuple[Demand, ...] | None:
    """The demands of ``rule``, or None when any part of its text is not understood."""
    text = re.sub(r"\s+", " ", _QUOTED.sub("", rule.text)).strip()
    sentences = [sentence.strip() for sentence in _SENTENCE_END.split(text) if sentence.strip()]
    demands = [_sentence(re.sub(r"\s+([,.])", r"\1", sentence), group) for sentence in sentences]
    if not demands or None in demands:
        return None
    return tuple(demand for demand in demands if demand is not None)


def _sentence(sentence: str, group: Group) -> Demand | None:
    paths: list[Path | None]
    if match := _AT_LEAST.fullmatch(sentence):
        paths = [_find(group, found) for found in _IDS.findall(match[0])]
        return None if None in paths else Demand(_known(paths), 1, len(paths))
    if match := _EITHER.fullmatch(sentence):
        paths = [_find(group, found) for found in _IDS.findall(match[0])]
        return None if None in paths else Demand(_known(paths), 1, 1)
    if match := _NOT_EMPTY.fullmatch(sentence):
        paths = [_find(group, match[1]), _find(group, match[2])]
        return None if None in paths else Demand(_known(paths[1:]), 1, 1, paths[0])
    if match := _WHEN.fullmatch(sentence):
        return _when(match, group)
    return None


def _when(match: re.Match[str], group: Group) -> Demand | None:
    tests = _TEST.findall(match[2])
    signs = {sign for sign, _ in tests}
    paths = [_find(group, match[1]), _find(group, match[4])]
    must, negative = bool(match[3]), bool(match[5])
    if len(signs) != 1 or None in paths or must == negative or (signs == {"<>"} and len(tests) > 1):
        return None
    values = [_known_value(_element(group, paths[0]), value.lower()) for _, value in tests]
    if None in values:
        return None
    equal = frozenset(value for value in values if value is not None)
    low, high = (1, 1) if must else (0, 0)
    return Demand(_known(paths[1:]), low, high, paths[0], equal, signs == {"<>"})


def _known_value(element: Element | None, said: str) -> str | None:
    """The lower-case value a rule means, or None when the field can never hold it."""
    if not isinstance(element, Field):
        return None
    if element.datatype is DataType.BOOL:
        return said if said in ("ja", "nein") else None
    if element.codes is None or not element.codes.values:
        return said
    codes = {code.lower() for code, _ in element.codes.values}
    labels = {label.lower(): code.lower() for code, label in element.codes.values}
    return said if said in codes else labels.get(said)


def _element(group: Group, path: Path | None) -> Element | None:
    found: Element | None = group
    for key in path or ():
        children = found.children if isinstance(found, Group) else ()
        found = next((child for child in children if child.id == key), None)
    return found


def _known(paths: list[Path | None]) -> tuple[Path, ...]:
    return tuple(path for path in paths if path is not None)


def _find(group: Group, dotted: str) -> Path | None:
    """The path of an id below ``group``; None when it is missing, ambiguous or inside a list."""
    wanted = dotted.split(".")
    found = [path for path in _paths(group) if path[-1] == wanted[-1] and set(wanted) <= set(path)]
    shortest = [path for path in found if len(path) == min(map(len, found))]
    return shortest[0] if len(shortest) == 1 else None


def _paths(group: Group, above: Path = ()) -> Iterator[Path]:
    for child in group.data_children():
        path = (*above, child.id)
        yield path
        if isinstance(child, Group) and not child.multiplicity.repeated:
            yield from _paths(child, path)


def _node(group: Group) -> _Node:
    checks: list[tuple[Rule, tuple[Demand, ...]]] = []
    notes: list[Rule] = []
    for rule in group.rules:
        demands = read_rule(rule, group)
        if demands is None:
            notes.append(rule)
        else:
            checks.append((rule, demands))
    children: list[Element] = list(group.data_children())
    below = [(child.id, _node(child)) for child in children if isinstance(child, Group)]
    return _Node(tuple(checks), tuple(notes), tuple((key, node) for key, node in below if _any(node)))


def _any(node: _Node) -> bool:
    return bool(node.checks or node.notes or node.below)


def _walk(node: _Node, data: object, steps: list[str | int]) -> Iterator[tuple[list[str | int], _Node, dict[str, Any]]]:
    if isinstance(data, list):
        for index, entry in enumerate(data):
            yield from _walk(node, entry, [*steps, index])
    elif isinstance(data, dict):
        yield steps, node, data
        for key, inner in node.below:
            if key in data:
                yield from _walk(inner, data[key], [*steps, key])


def _judge(node: _Node, data: object, steps: tuple[str | int, ...], found: list[Fault]) -> None:
    if isinstance(data, list):
        for index, entry in enumerate(data):
            _judge(node, entry, (*steps, index), found)
    elif isinstance(data, dict):
        for rule, demands in node.checks:
            for demand in demands:
                if not demand.holds(data):
                    message = f"Regel „{rule.name}“ ist nicht erfüllt: {plain(rule.text)}"
                    found.append(Fault(None, pointer(steps), "schema.rule", message))
                    break
        for key, inner in node.below:
            if key in data:
                _judge(inner, data[key], (*steps, key), found)


def _at(data: object, path: Path) -> Any:
    if len(path) == 1 and isinstance(data, dict):
        return data.get(path[0])
    for key in path:
        if not isinstance(data, dict):
            return None
        data = data.get(key)
    return data


def _filled(value: object) -> bool:
    """A value counts as filled when it is more than an empty text, list or group."""
    return bool(value) or value is False or (value == 0 and not isinstance(value, str | list | dict))
