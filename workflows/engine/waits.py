"""Elements that wait for the outside: each turns its attributes into one effect and never does the work itself."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from workflows.contract import Delivery, Effect, MessageWait, Notice, Timer, UserTask
from workflows.document import Element
from workflows.engine import clock
from workflows.engine.specs import BoundaryCatch, Waiting
from workflows.engine.workflow import HubTask


class UserTaskSpec(Waiting):
    """A form for a person."""

    def effect(self, my_task: HubTask) -> Effect:
        element = self.source
        return UserTask(
            **self.place(my_task),
            form=element.hub("form"),
            role=element.hub("role"),
            department=_department(my_task, element.hub("department")),
            not_by=element.words("notBy"),
            due=_due(my_task, element.hub("due"), end_of_day=True),
            variables=element.words("variables"),
        )


class DeliverySpec(Waiting):
    """A hand-over by a connector."""

    def effect(self, my_task: HubTask) -> Effect:
        element = self.source
        return Delivery(
            **self.place(my_task),
            connector=element.hub("connector"),
            operation=element.hub("operation"),
            variables=element.words("variables"),
            input=_input(my_task, element),
        )


class NoticeSpec(Waiting):
    """A notice to the applicant."""

    def effect(self, my_task: HubTask) -> Effect:
        element = self.source
        return Notice(
            **self.place(my_task),
            template=element.hub("notice"),
            document=element.hub("document") == "true",
            variables=element.words("variables"),
            input=_input(my_task, element),
        )


class MessageSpec(Waiting):
    """A receive task or message event."""

    def effect(self, my_task: HubTask) -> Effect:
        trigger = self.trigger
        return MessageWait(**self.place(my_task), message=trigger.reference)


class TimerSpec(Waiting):
    """A timer; its instant is fixed when it starts, unless it follows a deadline of the case."""

    def effect(self, my_task: HubTask) -> Effect:
        trigger = self.trigger
        if trigger.form == "deadline":
            deadlines = my_task.workflow.top_workflow.recorder.context.deadlines
            return Timer(**self.place(my_task), due=deadlines.get(trigger.text), deadline=trigger.text)
        return Timer(**self.place(my_task), due=_due(my_task, trigger.text))


class MessageBoundary(BoundaryCatch, MessageSpec):
    """A message event at the edge of an activity."""


class TimerBoundary(BoundaryCatch, TimerSpec):
    """A timer at the edge of an activity."""


def _input(my_task: HubTask, element: Element) -> dict[str, Any]:
    engine = my_task.workflow.script_engine
    return {name: engine.evaluate(my_task, source) for name, source in element.inputs()}


def _department(my_task: HubTask, text: str) -> str | None:
    """A department's id, or where the model says `= expression`, what the process decided; null falls back."""
    if not text.startswith("="):
        return text or None
    value = my_task.workflow.script_engine.evaluate(my_task, text[1:].strip())
    return str(value) if value else None


def _due(my_task: HubTask, text: str, *, end_of_day: bool = False) -> datetime | None:
    if not text:
        return None
    value = clock.literal(text)
    if value is None:
        value = my_task.workflow.script_engine.evaluate(my_task, text)
    now = my_task.workflow.top_workflow.recorder.context.now
    return clock.instant(value, now, f"Element „{my_task.element}“", end_of_day=end_of_day)
