"""Shapes that the pages show. Everything in them is ready for reading; nothing in them is sealed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

from hub.cases.documents import Stored
from hub.cases.model import Case, Effect
from hub.library.process import Process
from hub.library.profile import Form
from xoev.view import Section

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Due:
    """The next day something must be done by, and why."""

    on: date
    title: str


@dataclass(frozen=True, slots=True)
class CaseRow:
    """One line of a list of cases."""

    id: UUID
    number: str
    title: str
    service: str
    department: str
    state: str
    received_at: datetime
    aktenzeichen: str | None
    due: Due | None
    protected: bool = False


@dataclass(frozen=True, slots=True)
class TaskRow:
    """One waiting task with its case."""

    id: UUID
    name: str
    case: CaseRow
    claimed_by: str | None
    claimed_name: str | None
    mine: bool
    created_at: datetime
    due: Due | None


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """A part of a list and the cursor of the next part."""

    rows: Sequence[T]
    next: str | None


@dataclass(frozen=True, slots=True)
class Wish:
    """What a list should show. `whose`: free (mine and free ones), mine, all."""

    whose: str = "free"
    department: str | None = None
    service: str | None = None
    state: str = "open"
    after: str | None = None
    size: int = 25


@dataclass(frozen=True, slots=True)
class Opened:
    """A case an actor may read, with what is needed to read on."""

    case: Case
    title: str
    process: Process | None

    @property
    def service(self) -> str:
        """The service's title."""
        return self.process.profile.title if self.process else self.case.process


@dataclass(slots=True)
class Task:
    """An open task on the case page: its form, who has it, and what stands against completing it."""

    effect: Effect
    form: Form
    claimed_name: str | None
    mine: bool
    hindrance: str | None
    intro: str = ""
    variables: Sequence[tuple[str, Sequence[str]]] = ()
    answers: Mapping[str, Any] = field(default_factory=dict)
    faults: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Decision:
    """A task that was completed: who decided what, and when."""

    name: str
    by: str
    at: datetime
    rows: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Added:
    """A later submission of the case (Nachreichung, Änderung ...)."""

    kind: str
    received_at: datetime
    sections: Sequence[Section]


@dataclass(slots=True)
class CaseView:
    """Everything on the case page."""

    opened: Opened
    department: str
    application: Sequence[Section]
    added: Sequence[Added]
    documents: Sequence[Stored]
    deadlines: Sequence[Mapping[str, Any]]
    numbers: Sequence[tuple[str, str]]
    story: Sequence[Mapping[str, Any]]
    waits: Sequence[str]
    tasks: Sequence[Task]
    decisions: Sequence[Decision]
    refusals: Sequence[tuple[str, str]]
    troubles: Sequence[Mapping[str, Any]]
