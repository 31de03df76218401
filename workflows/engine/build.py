"""A checked document to SpiffWorkflow specs, element by element in the order of the file.

SpiffWorkflow's own XML parser is not used: it recurses along the flows (long processes overflow), orders branches by
the y coordinate of the drawing, and lets several elements through that it then runs wrongly.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from SpiffWorkflow.bpmn.specs.bpmn_process_spec import BpmnProcessSpec

from workflows.dmn import Decisions
from workflows.document import Document, Element, Scope
from workflows.engine import rules, specs, waits


class HubProcessSpec(BpmnProcessSpec):  # type: ignore[misc]  # SpiffWorkflow is untyped
    """The spec of one scope. ``names``/``numbers`` give every task spec a stable number for the state."""

    def __init__(self, name: str, description: str) -> None:
        super().__init__(name=name, description=description)
        self.task_specs.clear()  # stock's start and end-join; ours need neither prediction nor polling
        self.start = specs.Start(self, "Start")
        self.end = None
        self.names: list[str] = []
        self.numbers: dict[str, int] = {}

    def freeze(self) -> None:
        self.names = list(self.task_specs)
        self.numbers = {name: number for number, name in enumerate(self.names)}


@dataclass(frozen=True)
class Specs:
    """The process and every embedded subprocess by element id."""

    process: HubProcessSpec
    subprocesses: dict[str, HubProcessSpec]


def build(document: Document, decisions: Decisions) -> Specs:
    """Specs of a document that :mod:`workflows.check` has found without fault."""
    built = {scope.id: _build_scope(scope, decisions) for scope in document.scopes.values()}
    main = next(
        process
        for process in document.processes
        if document.scopes[process].node.get("isExecutable", "true") != "false"
    )
    return Specs(built[main], {key: spec for key, spec in built.items() if document.scopes[key].parent is not None})


def _build_scope(scope: Scope, decisions: Decisions) -> HubProcessSpec:
    spec = HubProcessSpec(scope.id, scope.name)
    for element in scope.elements.values():
        _spec_for(spec, element, decisions)
        if element.boundaries:
            specs.BoundarySplit(spec, split_name(element.id))
    for element in scope.elements.values():
        _connect(spec, element)
    for start in scope.of("startEvent"):
        spec.start.connect(spec.task_specs[start.id])
    spec.freeze()
    return spec


def split_name(element_id: str) -> str:
    return f"{element_id}.boundaries"


def _connect(spec: HubProcessSpec, element: Element) -> None:
    task_specs = spec.task_specs
    if element.boundaries:
        split = task_specs[split_name(element.id)]
        split.connect(task_specs[element.id])
        for boundary in element.boundaries:
            split.connect(task_specs[boundary.id])
    this = task_specs[element.id]
    for flow in element.outgoing:
        target = task_specs.get(split_name(flow.target)) or task_specs[flow.target]
        this.connect(target)
        if isinstance(this, specs.ExclusiveGateway):
            unconditional = flow.id == element.default_flow or (len(element.outgoing) == 1 and not flow.condition)
            this.branches.append((None if unconditional else flow.condition, target.name))


Maker = Callable[[Any, str, Element], Any]

_SIMPLE: dict[str, Maker] = {
    "startEvent": specs.HubSpec,
    "task": specs.HubSpec,
    "manualTask": specs.HubSpec,
    "userTask": waits.UserTaskSpec,
    "serviceTask": waits.DeliverySpec,
    "sendTask": waits.NoticeSpec,
    "receiveTask": waits.MessageSpec,
    "scriptTask": rules.ScriptSpec,
    "subProcess": specs.Subprocess,
    "exclusiveGateway": specs.ExclusiveGateway,
    "parallelGateway": specs.ParallelGateway,
    "inclusiveGateway": specs.InclusiveGateway,
    "eventBasedGateway": specs.EventGateway,
    "intermediateThrowEvent": specs.HubSpec,
}
_TRIGGERED: dict[tuple[str, str], Maker] = {
    ("endEvent", ""): specs.EndEvent,
    ("endEvent", "terminate"): specs.TerminateEnd,
    ("endEvent", "error"): specs.ErrorEnd,
    ("intermediateCatchEvent", "message"): waits.MessageSpec,
    ("intermediateCatchEvent", "timer"): waits.TimerSpec,
    ("boundaryEvent", "message"): waits.MessageBoundary,
    ("boundaryEvent", "timer"): waits.TimerBoundary,
    ("boundaryEvent", "error"): specs.ErrorBoundary,
}


def _spec_for(spec: HubProcessSpec, element: Element, decisions: Decisions) -> Any:
    if element.tag == "businessRuleTask":
        return rules.RuleSpec(spec, element.id, element, decisions)
    kind = element.trigger.kind if element.trigger else ""
    maker = _TRIGGERED.get((element.tag, kind)) or _SIMPLE[element.tag]
    return maker(spec, element.id, element)
