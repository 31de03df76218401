"""Collects what one step does: effects to carry out, history to keep."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from workflows.contract import Cancel, Context, Effect, HistoryEntry

if TYPE_CHECKING:
    from workflows.engine.workflow import HubTask


def wait_id(task: HubTask) -> str:
    """The id under which the outside knows a wait: element and running number within the instance."""
    return f"{task.element}:{task.wait}"


@dataclass
class Recorder:
    """One step's book. A wait that opens and closes within the step leaves no effect."""

    context: Context
    effects: list[Effect] = field(default_factory=list)
    history: list[HistoryEntry] = field(default_factory=list)

    def opened(self, task: HubTask, effect: Effect) -> None:
        self.effects.append(effect)
        self.note(task, "entered")

    def withdrawn(self, task: HubTask) -> None:
        wait = wait_id(task)
        kept = [effect for effect in self.effects if effect.wait != wait]
        if len(kept) == len(self.effects):
            kept.append(Cancel(wait, task.element, task.task_spec.bpmn_name or "", closes=wait))
        self.effects = kept
        self.note(task, "cancelled")

    def note(self, task: HubTask, kind: str, names: tuple[str, ...] = ()) -> None:
        spec = task.task_spec
        if spec.bpmn_id is not None:
            self.history.append(HistoryEntry(spec.bpmn_id, spec.bpmn_name or "", kind, self.context.now, names))
