"""The engine's contract: what goes into a step, what comes out, and how a model may be faulty.

Everything here is plain, immutable data without behaviour, so that the hub, tests and tools can build and compare
values freely. The engine itself lives in :mod:`workflows.engine`; nothing in this module imports it.

A *wait* is one place where an instance stops until the outside answers. Its id is deterministic: the same state and
the same event always open waits with the same ids.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

Values = Mapping[str, Any]


class WorkflowError(Exception):
    """Base of all errors of this package.

    ::

        WorkflowError
        ├── ModelError         a model cannot be deployed; carries every fault
        ├── ExpressionError    an expression (FEEL, decision table cell) failed; names its place
        ├── RunError           an instance cannot go on (no way out of a gateway, deadlock, endless loop)
        ├── StateError         a saved state does not fit this engine or this model
        └── EventError         an event does not fit the wait that it names
    """


@dataclass(frozen=True)
class ModelFault:
    """One reason why a model is refused, told so that its author can mend it.

    ``element`` is the BPMN/DMN id (empty for the file as a whole), ``code`` is stable, ``message`` and ``remedy`` are
    German sentences.
    """

    element: str
    line: int | None
    code: str
    message: str
    remedy: str = ""
    file: str = ""


class ModelError(WorkflowError):
    """A model cannot be loaded. ``faults`` holds every fault found, never only the first."""

    def __init__(self, faults: list[ModelFault]) -> None:
        self.faults = faults
        super().__init__("; ".join(f"{fault.element or fault.file}: {fault.message}" for fault in faults))


class StateError(WorkflowError):
    """A saved state cannot be read: unknown format, damaged, or written for another model."""


class RunError(WorkflowError):
    """A running instance cannot go on: no condition holds, or an error that nothing catches."""


class EventError(WorkflowError):
    """The event's kind or content does not fit the open wait that it names."""


@dataclass(frozen=True)
class Context:
    """What a step may know about the world; the engine reads nothing else.

    ``now`` is aware UTC. ``application`` (readable slugs), ``case`` and ``data`` (per element id: form answers,
    connector results) are read-only and may be lazy mappings: a step only looks at what its expressions name.
    ``deadlines`` maps deadline ids of the case to aware instants.
    """

    now: datetime
    instance: str
    application: Values = field(default_factory=dict)
    case: Values = field(default_factory=dict)
    data: Values = field(default_factory=dict)
    deadlines: Mapping[str, datetime] = field(default_factory=dict)


# --- effects: what the hub has to do after a step -----------------------------------------------------------------


@dataclass(frozen=True)
class Effect:
    """Base of all effects. ``wait`` is the deterministic id, ``element`` the BPMN id, ``name`` its caption."""

    wait: str
    element: str
    name: str


@dataclass(frozen=True)
class UserTask(Effect):
    """A person works on a form. ``not_by``: element ids whose completer may not do this one (four eyes)."""

    form: str
    role: str
    department: str | None = None
    not_by: tuple[str, ...] = ()
    due: datetime | None = None
    variables: tuple[str, ...] = ()


@dataclass(frozen=True)
class Delivery(Effect):
    """Something leaves through a connector. ``input`` holds evaluated routing values only, never payload."""

    connector: str
    operation: str
    variables: tuple[str, ...] = ()
    input: Values = field(default_factory=dict)


@dataclass(frozen=True)
class Notice(Effect):
    """A notice is rendered and sent; waits until the hub answers ``DeliveryDone(wait, "delivered")``."""

    template: str
    document: bool = False
    variables: tuple[str, ...] = ()
    input: Values = field(default_factory=dict)


@dataclass(frozen=True)
class Timer(Effect):
    """Fires at ``due``. With ``deadline`` it follows that deadline of the case: the hub reschedules it when it moves.

    ``due`` is None when the deadline is not yet known; the hub sets the timer as soon as it is.
    """

    due: datetime | None
    deadline: str | None = None


@dataclass(frozen=True)
class MessageWait(Effect):
    """The instance waits for a message of this name."""

    message: str


@dataclass(frozen=True)
class Cancel(Effect):
    """The wait ``closes`` is no longer open: withdraw its task, timer or subscription."""

    closes: str


@dataclass(frozen=True)
class Ended(Effect):
    """The instance is over; ``outcome`` is the id of the end event reached last."""

    outcome: str


# --- events: how the outside answers ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Event:
    """Base of all events; ``wait`` names the wait that it answers."""

    wait: str


@dataclass(frozen=True)
class TaskDone(Event):
    """A person finished a user task; only the variables that the model names are kept."""

    variables: Values = field(default_factory=dict)


@dataclass(frozen=True)
class DeliveryDone(Event):
    """A delivery or notice ended. ``delivered`` and ``handed-over`` complete it; any other outcome is thrown as a
    BPMN error with that code (``rejected``, ...)."""

    outcome: str
    variables: Values = field(default_factory=dict)


@dataclass(frozen=True)
class MessageReceived(Event):
    """A message arrived for this wait."""

    message: str
    variables: Values = field(default_factory=dict)


@dataclass(frozen=True)
class TimerFired(Event):
    """The timer of this wait is due."""


# --- results ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class HistoryEntry:
    """Something happened at an element. ``names``: process variables written (never their values).

    ``kind`` is ``entered`` (a wait opened), ``left`` (an element was completed), ``failed`` (a delivery ended with an
    outcome that the model catches) or ``cancelled`` (an open wait was withdrawn).
    """

    element: str
    name: str
    kind: str
    at: datetime
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Step:
    """The result of one pure step: the new state and what the hub has to do about it.

    ``stale`` means the event named a closed or unknown wait: state unchanged, no effects.
    """

    state: bytes
    effects: tuple[Effect, ...] = ()
    done: bool = False
    outcome: str | None = None
    history: tuple[HistoryEntry, ...] = ()
    stale: bool = False
    variables: Values = field(default_factory=dict)
