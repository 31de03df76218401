"""Scenarios: a process folder played through on a virtual clock, with the answers of people and far systems given.

``scenarios/<name>.yaml``::

    name: refused
    sample: samples/plain.json
    now: 2026-11-23T09:00:00Z
    case: {department: ...}            # optional, also data: and deadlines:
    answers:                           # by element; a list answers the first, second, ... time
      check: {decision: refuse}        # user task: form answers
      tax: {outcome: delivered, kassenzeichen: K1}
      number: {message: number, file_number: X}
      remind: {fire: true}             # timer; the clock moves to its due time
    expect: {visited: [...], not_visited: [...], ended: granted, waits_at: [...], variables: {...}}

Which wait is answered next: events at the edge of an activity before the activity itself, else the order of
``answers``. A single answer of a task holds every time; one of a message or timer only once. Notices without an answer
are delivered.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import yaml

from workflows.contract import (
    Cancel,
    Context,
    DeliveryDone,
    Effect,
    Ended,
    Event,
    MessageReceived,
    MessageWait,
    ModelError,
    ModelFault,
    Notice,
    Step,
    TaskDone,
    Timer,
    TimerFired,
    UserTask,
    WorkflowError,
)
from workflows.engine.variables import copied
from workflows.feel.values import equal
from workflows.model import Model, load

ReadSample = Callable[[Path], Mapping[str, Any]]
MAX_ANSWERS = 500


def read_json(path: Path) -> Mapping[str, Any]:
    """The sample as it stands; the hub passes a reader that turns FIM data into readable names."""
    found = orjson.loads(path.read_bytes())
    return found if isinstance(found, dict) else {}


@dataclass(frozen=True)
class ScenarioResult:
    name: str
    file: str
    faults: tuple[str, ...]
    visited: tuple[str, ...] = ()
    ended: str | None = None
    waits_at: tuple[str, ...] = ()
    variables: Mapping[str, Any] = field(default_factory=dict)
    steps: int = 0
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        return not self.faults


@dataclass(frozen=True)
class Result:
    """All scenarios of a folder. ``uncovered``: elements that no scenario reached."""

    folder: Path
    faults: tuple[ModelFault, ...] = ()
    scenarios: tuple[ScenarioResult, ...] = ()
    elements: int = 0
    uncovered: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        return not self.faults and all(each.ok for each in self.scenarios)

    @property
    def coverage(self) -> float:
        return 1 - len(self.uncovered) / self.elements if self.elements else 0.0


def read_files(folder: Path) -> dict[str, bytes]:
    """The model's files of a process folder."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.suffix in (".bpmn", ".dmn")}


def run(folder: Path, *, read_sample: ReadSample = read_json) -> Result:
    """Play every scenario of a process folder; never raises for a faulty model or scenario."""
    try:
        model = load(read_files(folder))
    except ModelError as error:
        return Result(folder, tuple(error.faults))
    paths = sorted((folder / "scenarios").glob("*.yaml"))
    results = tuple(run_file(model, folder, path, read_sample) for path in paths)
    seen = {element for result in results for element in result.visited}
    uncovered = tuple(element for element in model.elements if element not in seen)
    return Result(folder, (), results, len(model.elements), uncovered)


def run_file(model: Model, folder: Path, path: Path, read_sample: ReadSample = read_json) -> ScenarioResult:
    """One scenario file."""
    began = time.perf_counter()
    try:
        spec = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        play = _Play(model, folder, spec, read_sample)
        play.to_the_end()
        faults = tuple(play.compare(spec.get("expect") or {}))
    except (WorkflowError, yaml.YAMLError, OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        return ScenarioResult(path.stem, path.name, (f"{type(error).__name__}: {error}",))
    name = str(spec.get("name") or path.stem)
    return ScenarioResult(name, path.name, faults, tuple(play.visited), play.step.outcome, tuple(play.waits_at()),
                          dict(play.step.variables), play.count, round(time.perf_counter() - began, 4))  # fmt: skip


class _Play:
    """One run: the open waits, the clock, and what was visited."""

    def __init__(self, model: Model, folder: Path, spec: Mapping[str, Any], read_sample: ReadSample) -> None:
        self.model, self.spec = model, spec
        self.now = _instant(spec.get("now", "2026-01-05T08:00:00Z"))
        self.application = read_sample(folder / spec["sample"]) if spec.get("sample") else {}
        self.case = {
            "number": "S-0001", "received_on": self.now.date(), "department": "", "secrecy": "general",
            "protected": False, "aktenzeichen": None, **(spec.get("case") or {}),
        }  # fmt: skip
        self.deadlines = {name: _instant(value) for name, value in (spec.get("deadlines") or {}).items()}
        self.data: dict[str, Any] = dict(spec.get("data") or {})
        self.answers: dict[str, Any] = dict(spec.get("answers") or {})
        self.used: dict[str, int] = {}
        self.visited: dict[str, None] = {}
        self.waits: dict[str, Effect] = {}
        self.count = 0
        self.step = self._take(model.start(self._context()))

    def to_the_end(self) -> None:
        while not self.step.done and (chosen := self._next()) is not None:
            self.count += 1
            if self.count > MAX_ANSWERS:
                raise ValueError(f"Nach {MAX_ANSWERS} Antworten ist der Ablauf nicht zu Ende (Schleife?).")
            effect, answer = chosen
            event = self._event(effect, answer)
            self.waits.pop(effect.wait)
            self.step = self._take(self.model.resume(self.step.state, event, self._context()))

    def waits_at(self) -> list[str]:
        return sorted({effect.element for effect in self.waits.values()})

    def compare(self, expect: Mapping[str, Any]) -> list[str]:
        """What differs from the expectation, in German."""
        faults = [f"„{each}“ wurde nicht erreicht." for each in expect.get("visited", []) if each not in self.visited]
        faults += [f"„{each}“ wurde erreicht." for each in expect.get("not_visited", []) if each in self.visited]
        named = (*expect.get("visited", []), *expect.get("not_visited", []), *self.answers)
        faults += [f"„{each}“ gibt es im Modell nicht." for each in named if each not in self.model.elements]
        if "ended" in expect and expect["ended"] != self.step.outcome:
            at = ", ".join(self.waits_at())
            faults.append(f"Ende „{expect['ended']}“ erwartet, " +
                          (f"wartet an {at}." if at else f"geendet mit „{self.step.outcome}“."))  # fmt: skip
        if "waits_at" in expect and sorted(expect["waits_at"]) != self.waits_at():
            faults.append(f"Sollte warten an {expect['waits_at']}, wartet an {self.waits_at()}.")
        for name, wanted in (expect.get("variables") or {}).items():
            found = self.step.variables.get(name)
            if equal(found, copied(wanted)) is not True and str(found) != str(wanted):
                faults.append(f"Variable „{name}“: {wanted!r} erwartet, {found!r} erhalten.")
        return faults

    def _context(self) -> Context:
        return Context(self.now, "scenario", self.application, self.case, self.data, self.deadlines)

    def _take(self, step: Step) -> Step:
        for effect in step.effects:
            if isinstance(effect, Cancel):
                self.waits.pop(effect.closes, None)
            elif not isinstance(effect, Ended):
                self.waits[effect.wait] = effect
        for entry in step.history:
            event = self.model.elements[entry.element].tag.endswith("Event")
            if entry.kind == "left" or (not event and entry.kind in ("entered", "failed")):
                self.visited[entry.element] = None
        return step

    def _next(self) -> tuple[Effect, Mapping[str, Any]] | None:
        order = {element: at for at, element in enumerate(self.answers)}
        found = [(effect, answer) for effect in self.waits.values() if (answer := self._answer(effect)) is not None]
        if not found:
            return None

        def rank(pair: tuple[Effect, Mapping[str, Any]]) -> tuple[bool, int]:
            element = self.model.elements[pair[0].element]
            return element.tag != "boundaryEvent", order.get(element.id, -1)

        effect, answer = min(found, key=rank)
        self.used[effect.element] = self.used.get(effect.element, 0) + 1
        return effect, answer

    def _answer(self, effect: Effect) -> Mapping[str, Any] | None:
        given = self.answers.get(effect.element)
        used = self.used.get(effect.element, 0)
        if given is None:
            return {"outcome": "delivered"} if isinstance(effect, Notice) else None
        if isinstance(given, list):
            return given[used] if used < len(given) else None
        once = isinstance(effect, (Timer, MessageWait))
        return None if once and used else given if isinstance(given, dict) else {}

    def _event(self, effect: Effect, answer: Mapping[str, Any]) -> Event:
        values = dict(answer)
        if isinstance(effect, Timer):
            self.now = max(self.now, effect.due or self.now)
            return TimerFired(effect.wait)
        if isinstance(effect, UserTask):
            self.data[effect.element] = values
            return TaskDone(effect.wait, values)
        if isinstance(effect, MessageWait):
            message = values.pop("message", effect.message)
            self.data[effect.element] = values
            return MessageReceived(effect.wait, message, values)
        outcome = values.pop("outcome", "delivered")
        self.data[effect.element] = values
        return DeliveryDone(effect.wait, outcome, values)


def _instant(value: Any) -> datetime:
    found = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
