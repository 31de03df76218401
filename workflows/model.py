"""A deployed process: loaded once per content, started and resumed in pure steps."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from workflows import check, dmn, document
from workflows.contract import Context, Ended, Event, ModelError, ModelFault, Step
from workflows.engine import state as states
from workflows.engine import steps
from workflows.engine.build import Specs, build
from workflows.engine.expressions import FeelEngine
from workflows.engine.recorder import Recorder
from workflows.engine.workflow import HubWorkflow

_CACHE: dict[str, Model] = {}
_CACHE_SIZE = 256


def load(files: Mapping[str, bytes]) -> Model:
    """The model of these files (one ``.bpmn``, any ``.dmn``; others are ignored), cached by their content.

    Raises ModelError with every fault of every file.
    """
    relevant = {name: data for name, data in files.items() if name.endswith((".bpmn", ".dmn"))}
    key = digest(relevant)
    model = _CACHE.get(key)
    if model is None:
        if len(_CACHE) >= _CACHE_SIZE:
            _CACHE.pop(next(iter(_CACHE)))
        model = _CACHE[key] = _load(relevant, key)
    return model


def digest(files: Mapping[str, bytes]) -> str:
    """Short content hash of a model; part of every state."""
    whole = hashlib.sha256()
    for name in sorted(files):
        whole.update(f"{name}\0{len(files[name])}\0".encode())
        whole.update(files[name])
    return whole.hexdigest()[:16]


def _load(files: Mapping[str, bytes], key: str) -> Model:
    decisions, faults = dmn.read({name: data for name, data in files.items() if name.endswith(".dmn")})
    diagrams = sorted(name for name in files if name.endswith(".bpmn"))
    if len(diagrams) != 1:
        text = f"Es braucht genau eine BPMN-Datei, gefunden wurden {len(diagrams)}."
        raise ModelError([*faults, ModelFault("", None, "model.files", text)])
    try:
        doc = document.read(files[diagrams[0]], diagrams[0])
    except ModelError as error:
        raise ModelError([*faults, *error.faults]) from None
    faults += check.faults(doc, decisions)
    if faults:
        raise ModelError(faults)
    return Model(doc, decisions, build(doc, decisions), key)


class Model:
    """A checked process. Stateless: one object serves any number of instances and threads."""

    def __init__(self, doc: document.Document, decisions: dmn.Decisions, specs: Specs, key: str) -> None:
        self.document, self.decisions, self.hash = doc, decisions, key
        self._specs = specs
        self.reads: frozenset[str] = check.reads(doc, decisions)
        """which of application, case and data any expression uses"""
        self.elements: dict[str, document.Element] = {element.id: element for element in doc.elements()}

    def start(self, context: Context) -> Step:
        """Begin an instance; runs until it waits or ends."""
        workflow = self._workflow(context)
        workflow.open()
        return self._finish(workflow)

    def resume(self, state: bytes, event: Event, context: Context) -> Step:
        """Answer a wait. An event for a closed or unknown wait gives ``stale`` and changes nothing.

        Raises StateError (not our state), EventError (the event does not fit the wait, or an outcome that nothing
        catches), RunError and ExpressionError (the model fails); in every case the old state stays valid.
        """
        parts = states.head(state)
        steps.require_model(parts, self.hash)
        workflow = self._workflow(context)
        states.restore(workflow, parts)
        task = steps.find_wait(workflow, event.wait)
        if task is None:
            return Step(state, done=workflow.completed, outcome=workflow.outcome, stale=True,
                        variables=workflow.variables)  # fmt: skip
        steps.answer(task, event)
        return self._finish(workflow)

    def variables(self, state: bytes) -> dict[str, Any]:
        """The process variables in a saved state."""
        return steps.variables_of(state)

    def open_waits(self, state: bytes) -> tuple[str, ...]:
        """Ids of the waits that are open in a saved state."""
        parts = states.head(state)
        steps.require_model(parts, self.hash)
        workflow = self._workflow(_NOWHERE)
        states.restore(workflow, parts)
        return steps.open_waits(workflow)

    def catches(self, element: str, code: str) -> bool:
        """Whether a BPMN error with this code at this element is caught by the model."""
        return check.catches(self.document, element, code)

    def _workflow(self, context: Context) -> HubWorkflow:
        return HubWorkflow(self._specs.process, self._specs.subprocesses, FeelEngine(context), Recorder(context))

    def _finish(self, workflow: HubWorkflow) -> Step:
        workflow.advance()
        recorder = workflow.recorder
        effects = list(recorder.effects)
        if workflow.completed:
            name = self.elements[workflow.outcome].name if workflow.outcome in self.elements else ""
            effects.append(Ended("end", workflow.outcome or "", name, workflow.outcome or ""))
        return Step(
            state=states.dump(workflow, self.hash),
            effects=tuple(effects),
            done=workflow.completed,
            outcome=workflow.outcome if workflow.completed else None,
            history=tuple(recorder.history),
            variables=workflow.variables,
        )


_NOWHERE: Any = Context(now=None, instance="")  # type: ignore[arg-type]  # looking at a state needs no clock
