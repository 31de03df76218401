"""Decision tables (DMN 1.5, chapter 8): compiled once, evaluated rule by rule."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from workflows.feel import Expression, ExpressionError, Scope, Tests, feel
from workflows.feel.builtins import FUNCTIONS
from workflows.feel.values import equal


@dataclass(frozen=True)
class Input:
    label: str
    expression: Expression


@dataclass(frozen=True)
class Output:
    name: str
    label: str
    default: Expression | None


@dataclass(frozen=True)
class Rule:
    number: int
    tests: tuple[Tests, ...]
    results: tuple[Expression | None, ...]


@dataclass(frozen=True)
class Table:
    """One decision table. ``policy`` is UNIQUE, FIRST, ANY, COLLECT or RULE ORDER; ``aggregation`` for COLLECT."""

    name: str
    policy: str
    aggregation: str
    inputs: tuple[Input, ...]
    outputs: tuple[Output, ...]
    rules: tuple[Rule, ...]

    def evaluate(self, env: Scope) -> Any:
        """The result; raises ExpressionError naming table, rule and cell."""
        values = [feel(item.expression.evaluate(env, self._place(f"Eingabe „{item.label}“"))) for item in self.inputs]
        hits: list[Rule] = []
        for rule in self.rules:
            env.spend()
            if self._fits(rule, env, values):
                hits.append(rule)
                if self.policy == "FIRST":
                    break
        return _POLICIES[self.policy](self, env, hits)

    def result(self, rule: Rule, env: Scope) -> Any:
        """Output of one rule: the value, or a context where there are several outputs."""
        found = [
            cell.evaluate(env, self._place(f"Regel {rule.number}, Ausgabe „{output.label}“")) if cell else None
            for cell, output in zip(rule.results, self.outputs, strict=True)
        ]
        return found[0] if len(found) == 1 else self._context(found)

    def default(self, env: Scope) -> Any:
        """What holds when no rule does: the declared default, else null."""
        if all(output.default is None for output in self.outputs):
            return None
        found = [output.default.evaluate(env, self._place("Vorgabewert")) if output.default else None
                 for output in self.outputs]  # fmt: skip
        return found[0] if len(found) == 1 else self._context(found)

    def _context(self, found: list[Any]) -> dict[str, Any]:
        return {output.name: value for output, value in zip(self.outputs, found, strict=True)}

    def _fits(self, rule: Rule, env: Scope, values: list[Any]) -> bool:
        for at, (test, value) in enumerate(zip(rule.tests, values, strict=True)):
            try:
                if test.run(env, value) is not True:
                    return False
            except ExpressionError as error:
                place = self._place(f"Regel {rule.number}, Eingabe „{self.inputs[at].label}“")
                raise error.at(place, test.source) from None
        return True

    def _place(self, cell: str) -> str:
        return f"Entscheidungstabelle „{self.name}“, {cell}"

    def error(self, message: str) -> ExpressionError:
        return ExpressionError(message, place=f"Entscheidungstabelle „{self.name}“")


def _numbers(hits: list[Rule]) -> str:
    return ", ".join(str(rule.number) for rule in hits)


def _unique(table: Table, env: Scope, hits: list[Rule]) -> Any:
    if len(hits) > 1:
        raise table.error(f"Die Regeln {_numbers(hits)} treffen zugleich zu, erlaubt ist eine (UNIQUE).")
    return table.result(hits[0], env) if hits else table.default(env)


def _first(table: Table, env: Scope, hits: list[Rule]) -> Any:
    return table.result(hits[0], env) if hits else table.default(env)


def _any(table: Table, env: Scope, hits: list[Rule]) -> Any:
    results = [table.result(rule, env) for rule in hits]
    if any(equal(results[0], other) is not True for other in results[1:]):
        raise table.error(f"Die Regeln {_numbers(hits)} treffen zu, aber mit verschiedenen Ergebnissen (ANY).")
    return results[0] if results else table.default(env)


def _collect(table: Table, env: Scope, hits: list[Rule]) -> Any:
    results = [table.result(rule, env) for rule in hits]
    return _AGGREGATE[table.aggregation](results)


_AGGREGATE: dict[str, Callable[[list[Any]], Any]] = {
    "": lambda results: results,
    "SUM": lambda results: FUNCTIONS["sum"](results) if results else None,
    "MIN": lambda results: FUNCTIONS["min"](results) if results else None,
    "MAX": lambda results: FUNCTIONS["max"](results) if results else None,
    "COUNT": lambda results: FUNCTIONS["count"](results),
}
_POLICIES: dict[str, Callable[[Table, Scope, list[Rule]], Any]] = {
    "UNIQUE": _unique, "FIRST": _first, "ANY": _any, "COLLECT": _collect, "RULE ORDER": _collect,
}  # fmt: skip
POLICIES = frozenset(_POLICIES)
AGGREGATIONS = frozenset(_AGGREGATE)
