"""Syntax tree of FEEL. Every node knows the position it came from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Node:
    at: int


@dataclass(frozen=True)
class Literal(Node):
    value: Any


@dataclass(frozen=True)
class Name(Node):
    name: str


@dataclass(frozen=True)
class Path(Node):
    base: Node
    name: str


@dataclass(frozen=True)
class Filter(Node):
    base: Node
    condition: Node


@dataclass(frozen=True)
class Call(Node):
    function: str
    args: tuple[Node, ...]
    named: tuple[tuple[str, Node], ...] = ()


@dataclass(frozen=True)
class Negate(Node):
    value: Node


@dataclass(frozen=True)
class Binary(Node):
    op: str
    left: Node
    right: Node


@dataclass(frozen=True)
class Between(Node):
    value: Node
    low: Node
    high: Node


@dataclass(frozen=True)
class In(Node):
    value: Node
    tests: tuple[Node, ...]


@dataclass(frozen=True)
class Compare(Node):
    """A unary test ``< 5``: the left side is the tested value."""

    op: str
    right: Node


@dataclass(frozen=True)
class RangeNode(Node):
    low: Node | None
    high: Node | None
    low_closed: bool
    high_closed: bool


@dataclass(frozen=True)
class ListNode(Node):
    items: tuple[Node, ...]


@dataclass(frozen=True)
class ContextNode(Node):
    entries: tuple[tuple[str, Node], ...]


@dataclass(frozen=True)
class If(Node):
    condition: Node
    then: Node
    otherwise: Node


@dataclass(frozen=True)
class For(Node):
    clauses: tuple[tuple[str, Node], ...]
    result: Node


@dataclass(frozen=True)
class Quantified(Node):
    every: bool
    clauses: tuple[tuple[str, Node], ...]
    condition: Node


@dataclass(frozen=True)
class Tests(Node):
    """Unary tests of a decision table cell; ``negated`` for ``not(...)``, no test at all for ``-``."""

    tests: tuple[Node, ...] = field(default=())
    negated: bool = False
