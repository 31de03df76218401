"""FEEL, the expression language of DMN: parsed once, compiled to closures, exact decimals, no way to Python.

``expression(source)`` gives an :class:`Expression`; it is cached by text, so calling it again costs a dictionary
look-up. Both compiling and running raise :class:`ExpressionError`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from workflows.feel import nodes as n
from workflows.feel.compiler import Run, Scope, Test, compile_node, compile_tests, scope
from workflows.feel.errors import LIMITS, ExpressionError, Limits
from workflows.feel.parser import parse_expression, parse_tests
from workflows.feel.temporal import Months
from workflows.feel.values import Range, feel

__all__ = [
    "LIMITS", "Expression", "ExpressionError", "Limits", "Months", "Range", "Scope", "Tests", "expression", "feel",
    "scope", "unary_tests",
]  # fmt: skip


@dataclass(frozen=True)
class Expression:
    """A compiled expression. ``names``: free names it reads; ``paths``: dotted paths as far as they are fixed."""

    source: str
    run: Run
    names: frozenset[str]
    paths: frozenset[tuple[str, ...]]

    def __call__(self, *tables: Mapping[str, Any], now: datetime | None = None) -> Any:
        """Evaluate over these tables of names, the first one wins."""
        return self.evaluate(scope(*tables, now=now))

    def evaluate(self, env: Scope, place: str = "") -> Any:
        """Evaluate in a scope; an error gets ``place`` and the source."""
        try:
            return self.run(env)
        except ExpressionError as error:
            raise error.at(place, self.source) from None
        except RecursionError:
            raise ExpressionError("Der Ausdruck ist zu tief geschachtelt.", place=place, source=self.source) from None


@dataclass(frozen=True)
class Tests:
    """Compiled unary tests of one decision table cell."""

    source: str
    run: Test
    names: frozenset[str]
    paths: frozenset[tuple[str, ...]]


@lru_cache(maxsize=4096)
def expression(source: str) -> Expression:
    """Parse and compile; raises ExpressionError with position."""
    try:
        tree = parse_expression(source)
        paths = frozenset(_paths(tree, frozenset()))
        return Expression(source, compile_node(tree), frozenset(path[0] for path in paths), paths)
    except ExpressionError as error:
        raise error.at("", source) from None


@lru_cache(maxsize=4096)
def unary_tests(source: str) -> Tests:
    """Parse and compile an input cell; raises ExpressionError with position."""
    try:
        tree = parse_tests(source)
        paths = frozenset(_paths(tree, frozenset({"?"})))
        return Tests(source, compile_tests(tree), frozenset(path[0] for path in paths), paths)
    except ExpressionError as error:
        raise error.at("", source) from None


def _paths(node: Any, bound: frozenset[str]) -> set[tuple[str, ...]]:
    """Free names and the fixed dotted paths below them; names bound by loops, contexts and filters do not count."""
    if isinstance(node, n.Name):
        return set() if node.name in bound else {(node.name,)}
    if isinstance(node, n.Path):
        base = _paths(node.base, bound)
        straight = isinstance(node.base, (n.Name, n.Path)) and len(base) == 1
        return {(*next(iter(base)), node.name)} if straight else base
    if isinstance(node, n.Filter):  # inside, any name may be an entry of the item: only known roots count
        inner = {path for path in _paths(node.condition, bound | {"item"}) if path[0] in _ROOTS}
        return _paths(node.base, bound) | inner
    if isinstance(node, (n.For, n.Quantified)):
        return _loop_paths(node, bound)
    if isinstance(node, n.ContextNode):
        found: set[tuple[str, ...]] = set()
        for key, value in node.entries:
            found |= _paths(value, bound)
            bound = bound | {key}
        return found
    if isinstance(node, n.Call):
        return {path for arg in (*node.args, *(value for _, value in node.named)) for path in _paths(arg, bound)}
    if isinstance(node, n.Node):
        return {path for part in vars(node).values() for path in _paths(part, bound)}
    if isinstance(node, tuple):
        return {path for part in node for path in _paths(part, bound)}
    return set()


_ROOTS = {"application", "case", "data"}


def _loop_paths(node: n.For | n.Quantified, bound: frozenset[str]) -> set[tuple[str, ...]]:
    found: set[tuple[str, ...]] = set()
    for name, source in node.clauses:
        found |= _paths(source, bound)
        bound = bound | {name}
    body = node.result if isinstance(node, n.For) else node.condition
    return found | _paths(body, bound | {"partial"})
