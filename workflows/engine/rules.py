"""Elements that compute: script and business rule tasks. They write process variables and never wait."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workflows.contract import RunError
from workflows.dialect import READ_ONLY
from workflows.dmn import Decisions
from workflows.document import Element
from workflows.engine.specs import HubSpec
from workflows.engine.variables import copied
from workflows.engine.workflow import HubTask


class ScriptSpec(HubSpec):
    """``hub:result="x"`` writes one variable; without it the value must be a context, which is merged."""

    def _run_hook(self, my_task: HubTask) -> bool:
        element = self.source
        value = my_task.workflow.script_engine.execute(my_task, element.script())
        write(my_task, {element.hub("result"): value} if element.hub("result") else value)
        return True


class RuleSpec(HubSpec):
    """A decision of the model's DMN files."""

    def __init__(self, wf_spec: Any, name: str, element: Element, decisions: Decisions) -> None:
        super().__init__(wf_spec, name, element)
        self.decisions = decisions

    def _run_hook(self, my_task: HubTask) -> bool:
        element = self.source
        decision = element.hub("decision")
        top = my_task.workflow.top_workflow
        value = self.decisions.decide(decision, my_task.workflow.script_engine.scope(top.variables))
        write(my_task, {element.hub("result") or decision: value})
        return True


def write(my_task: HubTask, values: Any) -> None:
    """Set process variables; the names (never the values) go into the history."""
    if not isinstance(values, Mapping):
        raise RunError(f"Das Skript „{my_task.element}“ ergibt keinen Kontext {{name: wert}}; hub:result fehlt.")
    names = tuple(str(name) for name in values)
    if forbidden := READ_ONLY.intersection(names):
        raise RunError(f"„{my_task.element}“ schreibt {', '.join(sorted(forbidden))}; das darf nur der Hub.")
    my_task.workflow.top_workflow.variables.update((name, copied(values[name])) for name in names)
    my_task.internal_data["names"] = names
