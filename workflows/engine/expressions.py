"""The only evaluator that models can reach: compiled FEEL.

SpiffWorkflow calls ``script_engine.evaluate/execute`` wherever a model holds an expression; its own engine passes the
text to Python's ``eval`` and ``exec``. This object takes its place, has no parent class in SpiffWorkflow, and knows
nothing but FEEL.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workflows.contract import Context, RunError
from workflows.feel import Scope, expression, scope


class FeelEngine:
    """Evaluates expressions over the variables of an instance and what the context lets it read."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self._readable = {"application": context.application, "case": _Case(context), "data": context.data}

    @property
    def environment(self) -> FeelEngine:
        """SpiffWorkflow asks for an environment in some places; it gets the same closed evaluator."""
        return self

    def scope(self, variables: Mapping[str, Any]) -> Scope:
        return scope(variables, self._readable, now=self.context.now)

    def evaluate(self, task: Any, source: str, external_context: Any = None) -> Any:
        """The value of an expression at a task; raises ExpressionError naming the element."""
        variables = task.workflow.top_workflow.variables
        return expression(source).evaluate(self.scope(variables), f"Element „{task.element}“")

    def execute(self, task: Any, source: str, external_context: Any = None) -> Any:
        """A script is an expression too: there are no statements."""
        return self.evaluate(task, source)

    def holds(self, task: Any, source: str) -> bool:
        """A condition: true or not; null counts as not, anything else is an error of the model."""
        value = self.evaluate(task, source)
        if value is None or isinstance(value, bool):
            return value is True
        raise RunError(f"Die Bedingung „{source}“ bei „{task.element}“ ergibt keinen Wahrheitswert.")


class _Case(Mapping[str, Any]):
    """``case`` with its deadlines, without copying either."""

    def __init__(self, context: Context) -> None:
        self._case, self._deadlines = context.case, context.deadlines

    def __getitem__(self, key: str) -> Any:
        if key == "deadlines" and self._deadlines:
            return self._deadlines
        return self._case[key]

    def __contains__(self, key: object) -> bool:
        return key in self._case or (key == "deadlines" and bool(self._deadlines))

    def __iter__(self) -> Any:
        return iter(self._case)

    def __len__(self) -> int:
        return len(self._case)
