"""Decisions by id and their requirements of each other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from workflows.dmn.table import Table
from workflows.feel import Expression, ExpressionError, Scope


@dataclass(frozen=True)
class Decision:
    """One decision. ``names``: under these its result can be read by decisions that require it."""

    id: str
    name: str
    names: tuple[str, ...]
    logic: Table | Expression
    requires: tuple[str, ...] = ()
    file: str = ""
    line: int | None = None

    def paths(self) -> frozenset[tuple[str, ...]]:
        """Free dotted paths of all its expressions."""
        if isinstance(self.logic, Expression):
            return self.logic.paths
        found: set[tuple[str, ...]] = set()
        for item in self.logic.inputs:
            found |= item.expression.paths
        for rule in self.logic.rules:
            for cell in (*rule.tests, *rule.results):
                found |= cell.paths if cell is not None else frozenset()
        return frozenset(found)


@dataclass(frozen=True)
class Decisions:
    """All decisions of a model."""

    by_id: dict[str, Decision] = field(default_factory=dict)

    def __contains__(self, decision_id: object) -> bool:
        return decision_id in self.by_id

    def __iter__(self) -> Iterator[Decision]:
        return iter(self.by_id.values())

    def decide(self, decision_id: str, env: Scope) -> Any:
        """Evaluate a decision and everything it requires; raises ExpressionError naming its place."""
        if decision_id not in self.by_id:
            raise ExpressionError(f"Die Entscheidung „{decision_id}“ gibt es nicht.")
        return self._value(self.by_id[decision_id], env, {})

    def _value(self, decision: Decision, env: Scope, known: dict[str, Any]) -> Any:
        if decision.id in known:
            return known[decision.id]
        needed: dict[str, Any] = {}
        for required in decision.requires:
            value = self._value(self.by_id[required], env, known)
            needed |= dict.fromkeys(self.by_id[required].names, value)
        inner = env.inner(needed) if needed else env
        if isinstance(decision.logic, Table):
            value = decision.logic.evaluate(inner)
        else:
            value = decision.logic.evaluate(inner, f"Entscheidung „{decision.name}“")
        known[decision.id] = value
        return value

    def cycles(self) -> list[Decision]:
        """Decisions that need their own result."""
        return [decision for decision in self if decision.id in self._needs(decision.id)]

    def _needs(self, decision_id: str) -> set[str]:
        found: set[str] = set()
        todo = list(self.by_id[decision_id].requires)
        while todo:
            current = todo.pop()
            if current not in found and current in self.by_id:
                found.add(current)
                todo.extend(self.by_id[current].requires)
        return found
