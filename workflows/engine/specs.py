"""Task specs over SpiffWorkflow: what each BPMN element does with a token.

Life of a token: FUTURE -> READY -> (STARTED while a wait is open | WAITING at a join) -> COMPLETED. A spec says in
``_run_hook`` whether the element is done at once (True) or waits (None), and in ``followers`` where the token goes.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from SpiffWorkflow.bpmn.specs.bpmn_task_spec import BpmnTaskSpec
from SpiffWorkflow.util.task import TaskState

from workflows.contract import Effect, RunError
from workflows.document import Element, Trigger
from workflows.engine.recorder import wait_id
from workflows.engine.workflow import LIVE, HubTask


class HubSpec(BpmnTaskSpec):  # type: ignore[misc]  # SpiffWorkflow is untyped
    """Base: passes the token on to every output."""

    def __init__(self, wf_spec: Any, name: str, element: Element | None = None) -> None:
        # Own lists: stock's default arguments are per call, but kwargs.get('inputs', []) is easy to share by mistake.
        super().__init__(wf_spec, name, inputs=[], outputs=[], data={}, defines={}, pre_assign=[], post_assign=[])
        self.element = element
        self.bpmn_id = element.id if element is not None else None
        self.bpmn_name = element.name if element is not None else None

    @property
    def source(self) -> Element:
        """The element of the model; only asked of specs that have one."""
        if self.element is None:
            raise TypeError(f"{self.name} stands for no element")
        return self.element

    @property
    def trigger(self) -> Trigger:
        """The event definition; check has made sure that events have one."""
        if self.source.trigger is None:
            raise TypeError(f"{self.name} has no event definition")
        return self.source.trigger

    def _predict(self, my_task: HubTask, *_args: Any, **_kwargs: Any) -> None:
        """No look-ahead: children come into being when their parent completes."""

    def _update(self, my_task: HubTask) -> None:
        if self._update_hook(my_task):
            my_task._ready()

    def _update_hook(self, my_task: HubTask) -> bool:
        return True

    def _run_hook(self, my_task: HubTask) -> bool | None:
        return True

    def followers(self, my_task: HubTask) -> list[HubSpec]:
        """Where the token goes on completion."""
        return self.outputs  # type: ignore[no-any-return]

    def _on_complete(self, my_task: HubTask) -> None:
        top = my_task.workflow.top_workflow
        top.recorder.note(my_task, "left", tuple(my_task.internal_data.pop("names", ())))
        my_task.wait = 0
        my_task.workflow._task_completed_notify(my_task)
        self.after(my_task)
        for spec in self.followers(my_task):
            child = my_task._add_child(spec)
            child.task_spec._update(child)

    def after(self, my_task: HubTask) -> None:
        """What completion means for the tokens around: boundary events and rivals are withdrawn."""
        parent = my_task.parent
        if parent is None:
            return
        if isinstance(parent.task_spec, BoundarySplit) and not isinstance(self, BoundaryCatch):
            for other in my_task.siblings():
                if isinstance(other.task_spec, BoundaryCatch):
                    other.cancel()
        elif isinstance(parent.task_spec, EventGateway):
            for other in my_task.siblings():
                other.cancel()

    def _on_cancel(self, my_task: HubTask) -> None:
        if my_task.wait:
            my_task.workflow.top_workflow.recorder.withdrawn(my_task)
            my_task.wait = 0

    def look_again(self, my_task: HubTask) -> bool:
        """Asked of WAITING tokens when nothing else moves; True if the token became ready."""
        return False


class Start(HubSpec):
    """The engine's own token source of a scope."""

    def test(self) -> None:
        """It has no input by nature."""


class EndEvent(HubSpec):
    """A token ends here; the id becomes the outcome of the instance."""

    def _run_hook(self, my_task: HubTask) -> bool:
        workflow = my_task.workflow
        if workflow is workflow.top_workflow:
            workflow.outcome = self.bpmn_id
        return True


class TerminateEnd(EndEvent):
    """Ends its scope at once: every other token of the scope is withdrawn."""

    def after(self, my_task: HubTask) -> None:
        for task in my_task.workflow.live_tasks():
            task.cancel()


class ErrorEnd(EndEvent):
    """Throws an error to the boundary of a subprocess around it (checked at load that one catches)."""

    def after(self, my_task: HubTask) -> None:
        parent = my_task.workflow.top_workflow.get_task_from_id(my_task.workflow.parent_task_id)
        throw(parent, self.trigger.reference)


class Waiting(HubSpec):
    """An element that opens a wait and goes on when its event arrives."""

    def effect(self, my_task: HubTask) -> Effect:
        raise NotImplementedError

    def _run_hook(self, my_task: HubTask) -> None:
        top = my_task.workflow.top_workflow
        my_task.wait = top.next_wait()
        top.recorder.opened(my_task, self.effect(my_task))

    def place(self, my_task: HubTask) -> dict[str, str]:
        """The common fields of an effect."""
        return {"wait": wait_id(my_task), "element": my_task.element, "name": self.bpmn_name or ""}


class BoundaryCatch(Waiting):
    """Mixed into boundary events: interrupts its activity, or is armed again."""

    def after(self, my_task: HubTask) -> None:
        if self.source.interrupting:
            for other in my_task.siblings():
                if other.live:
                    other.cancel()
        elif self.trigger.kind == "message":
            rearmed = my_task.parent._add_child(self)
            rearmed._ready()


class BoundarySplit(HubSpec):
    """Stands before an activity with boundary events and starts them together with it."""


class ErrorBoundary(BoundaryCatch):
    """Armed without a wait of its own: an outcome or an error end event reaches it through :func:`throw`."""

    def _run_hook(self, my_task: HubTask) -> None:
        my_task.wait = 0

    def catches(self, code: str) -> bool:
        return self.trigger.reference in ("", code)


def throw(task: HubTask, code: str) -> None:
    """Throw an error at an activity: the nearest boundary that catches takes over, outward through subprocesses."""
    current: HubTask | None = task
    while current is not None:
        handler = handler_of(current, code)
        if handler is not None:
            current.cancel()
            handler.complete()
            return
        parent_id = current.workflow.parent_task_id
        current = current.workflow.top_workflow.get_task_from_id(parent_id) if parent_id is not None else None
    raise RunError(f"Der Fehler „{code}“ von „{task.element}“ wird nirgends aufgefangen.")


def handler_of(task: HubTask, code: str) -> HubTask | None:
    """The armed error boundary of an activity for this code; one that names the code wins over one for all."""
    if task.parent is None or not isinstance(task.parent.task_spec, BoundarySplit):
        return None
    armed = [other for other in task.siblings() if other.live and isinstance(other.task_spec, ErrorBoundary)]
    fitting = [other for other in armed if other.task_spec.catches(code)]
    return min(fitting, key=lambda other: not other.task_spec.element.trigger.reference, default=None)


class Subprocess(HubSpec):
    """An embedded subprocess; it shares the variables of its instance."""

    def _run_hook(self, my_task: HubTask) -> None:
        top = my_task.workflow.top_workflow
        subprocess = top.create_subprocess(my_task, self.bpmn_id)
        my_task._set_state(TaskState.STARTED)
        subprocess.open()

    def _on_cancel(self, my_task: HubTask) -> None:
        subprocess = my_task.workflow.top_workflow.subprocesses.pop(my_task.id, None)
        if subprocess is not None:
            my_task.workflow.top_workflow.recorder.note(my_task, "cancelled")
            subprocess.close()


# --- gateways ---


class ExclusiveGateway(HubSpec):
    """Takes the first flow whose condition is true, in the order of the file, else the default flow."""

    def __init__(self, wf_spec: Any, name: str, element: Element) -> None:
        super().__init__(wf_spec, name, element)
        self.branches: list[tuple[str | None, str]] = []
        """condition (None: default or only flow) and name of the spec that follows"""

    def matching(self, my_task: HubTask) -> list[str]:
        engine = my_task.workflow.script_engine
        return [target for condition, target in self.branches if condition and engine.holds(my_task, condition)]

    def fallback(self) -> list[str]:
        return [target for condition, target in self.branches if condition is None][:1]

    def followers(self, my_task: HubTask) -> list[HubSpec]:
        engine = my_task.workflow.script_engine
        for condition, target in self.branches:
            if condition and engine.holds(my_task, condition):
                return [self._wf_spec.task_specs[target]]
        return self.chosen(self.fallback())

    def chosen(self, names: list[str]) -> list[HubSpec]:
        if not names:
            raise RunError(
                f"Am Gateway „{self.bpmn_name or self.bpmn_id}“ trifft keine Bedingung zu; es hat keinen Standardweg."
            )
        return [self._wf_spec.task_specs[name] for name in names]


class Join(HubSpec):
    """Waits for tokens; those consumed besides the one that goes on are withdrawn."""

    def _update_hook(self, my_task: HubTask) -> bool:
        my_task._set_state(TaskState.WAITING)
        if not self.late:
            self.look_again(my_task)
        return False

    late = False

    def arrived(self, my_task: HubTask) -> list[HubTask]:
        """Tokens standing at this join, in order of arrival."""
        return [
            task for task in my_task.workflow.tasks.values()
            if task.task_spec is self and task._state == TaskState.WAITING
        ]  # fmt: skip


class ParallelGateway(Join):
    """Consumes exactly one token of each incoming flow; further ones stay for the next round (BPMN 2.0, 13.4.1)."""

    def look_again(self, my_task: HubTask) -> bool:
        wanted: Counter[str] = Counter(self._inputs)
        taken: list[HubTask] = []
        for task in self.arrived(my_task):
            source = task.parent.task_spec.name
            if wanted[source] > 0:
                wanted[source] -= 1
                taken.append(task)
        if wanted.total() > 0 or not taken:
            return False
        for task in taken[:-1]:
            task._set_state(TaskState.CANCELLED)
        taken[-1]._ready()
        return True


class InclusiveGateway(Join, ExclusiveGateway):
    """Waits until no token that could still reach it is on its way; takes every flow whose condition is true."""

    late = True

    def _update_hook(self, my_task: HubTask) -> bool:
        if len(self._inputs) < 2:
            return True
        return super()._update_hook(my_task)

    def look_again(self, my_task: HubTask) -> bool:
        tokens = self.arrived(my_task)
        for task in my_task.workflow.tasks.values():
            if task._state & LIVE and task.task_spec is not self and self.name in reachable(task.task_spec):
                return False
        for task in tokens[:-1]:
            task._set_state(TaskState.CANCELLED)
        tokens[-1]._ready()
        return True

    def followers(self, my_task: HubTask) -> list[HubSpec]:
        if len(self.branches) < 2:
            return self.outputs  # type: ignore[no-any-return]
        return self.chosen(self.matching(my_task) or self.fallback())


def reachable(spec: HubSpec) -> frozenset[str]:
    """Names of all specs that a token on ``spec`` may still reach; computed once per spec."""
    known: frozenset[str] | None = spec.__dict__.get("_reachable")
    if known is None:
        found: set[str] = set()
        todo = list(spec.outputs)
        while todo:
            current = todo.pop()
            if current.name not in found:
                found.add(current.name)
                todo.extend(current.outputs)
        known = spec.__dict__["_reachable"] = frozenset(found)
    return known


class EventGateway(HubSpec):
    """Starts all events behind it; the first one that fires withdraws the others."""
