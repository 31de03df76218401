"""Events to tokens: find the wait, check that the event fits, write its variables, move the token."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workflows.contract import DeliveryDone, Event, EventError, MessageReceived, StateError, TaskDone, TimerFired
from workflows.dialect import READ_ONLY
from workflows.engine import specs, state, waits
from workflows.engine.recorder import wait_id
from workflows.engine.variables import copied, decode
from workflows.engine.workflow import HubTask, HubWorkflow

COMPLETING = {"delivered", "handed-over"}
"""Outcomes of a delivery with which the case goes on."""

_FITS: dict[type[Event], tuple[type, ...]] = {
    TaskDone: (waits.UserTaskSpec,),
    DeliveryDone: (waits.DeliverySpec, waits.NoticeSpec),
    MessageReceived: (waits.MessageSpec,),
    TimerFired: (waits.TimerSpec,),
}


def require_model(parts: list[Any], model: str) -> None:
    if parts[1] != model:
        raise StateError("Der Zustand gehört zu einer anderen Fassung des Prozesses.")


def find_wait(workflow: HubWorkflow, wait: str) -> HubTask | None:
    """The token whose open wait has this id."""
    element, _, number = wait.rpartition(":")
    if not number.isdecimal():
        return None
    wanted = int(number)
    for task in workflow.all_tasks():
        if task.wait == wanted and task.element == element:
            return task
    return None


def open_waits(workflow: HubWorkflow) -> tuple[str, ...]:
    return tuple(wait_id(task) for task in workflow.all_tasks() if task.wait)


def variables_of(data: bytes) -> dict[str, Any]:
    return {name: decode(value) for name, value in state.head(data)[4].items()}


def answer(task: HubTask, event: Event) -> None:
    """Apply an event to its wait; raises EventError if it does not fit (nothing has changed then)."""
    if not isinstance(task.task_spec, _FITS.get(type(event), ())):
        raise EventError(f"Das Ereignis {type(event).__name__} passt nicht zu „{task.element}“.")
    awaited = task.task_spec.trigger.reference if isinstance(task.task_spec, waits.MessageSpec) else ""
    if isinstance(event, MessageReceived) and event.message != awaited:
        raise EventError(f"„{task.element}“ wartet auf eine andere Nachricht als „{event.message}“.")
    if isinstance(event, DeliveryDone) and event.outcome not in COMPLETING:
        _fail(task, event)
        return
    if not isinstance(event, TimerFired):
        _write(task, event.variables)  # type: ignore[attr-defined]
    task.complete()


def _fail(task: HubTask, event: DeliveryDone) -> None:
    if not _caught(task, event.outcome):
        raise EventError(f"Das Ergebnis „{event.outcome}“ von „{task.element}“ wird im Modell nicht aufgefangen.")
    _write(task, event.variables)
    task.workflow.top_workflow.recorder.note(task, "failed", tuple(task.internal_data.pop("names", ())))
    task.wait = 0  # answered, so nothing is left to withdraw
    specs.throw(task, event.outcome)


def _caught(task: HubTask, code: str) -> bool:
    current: HubTask | None = task
    while current is not None:
        if specs.handler_of(current, code) is not None:
            return True
        parent = current.workflow.parent_task_id
        current = current.workflow.top_workflow.get_task_from_id(parent) if parent is not None else None
    return False


def _write(task: HubTask, values: Mapping[str, Any]) -> None:
    """Keep the values that the model names, nothing else: what is not routed on does not enter the state."""
    wanted = [name for name in task.task_spec.element.words("variables") if name in values and name not in READ_ONLY]
    task.workflow.top_workflow.variables.update((name, copied(values[name])) for name in wanted)
    task.internal_data["names"] = tuple(wanted)
