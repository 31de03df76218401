"""The engine layer: load and check BPMN/DMN, run it in pure steps, keep the state small and versioned."""

from __future__ import annotations

from workflows.contract import (
    Cancel,
    Context,
    Delivery,
    DeliveryDone,
    Effect,
    Ended,
    Event,
    EventError,
    HistoryEntry,
    MessageReceived,
    MessageWait,
    ModelError,
    ModelFault,
    Notice,
    RunError,
    StateError,
    Step,
    TaskDone,
    Timer,
    TimerFired,
    UserTask,
    WorkflowError,
)
from workflows.feel import ExpressionError
from workflows.model import Model, load

__all__ = [
    "Cancel",
    "Context",
    "Delivery",
    "DeliveryDone",
    "Effect",
    "Ended",
    "Event",
    "EventError",
    "ExpressionError",
    "HistoryEntry",
    "MessageReceived",
    "MessageWait",
    "Model",
    "ModelError",
    "ModelFault",
    "Notice",
    "RunError",
    "StateError",
    "Step",
    "TaskDone",
    "Timer",
    "TimerFired",
    "UserTask",
    "WorkflowError",
    "load",
]
