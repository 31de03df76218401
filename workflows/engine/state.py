"""State format 1: an instance in a few hundred bytes.

One JSON array, ``[1, model, last wait, outcome, variables, scope]``:

- ``model``: hash of the model's files; the spec itself is never stored.
- ``variables``: process variables, see :mod:`workflows.engine.variables`. No payload.
- ``scope``: ``[rows, {row: scope}]``, rows in order of creation ``[parent row, spec number, state, wait?]``; nested
  scopes are running subprocesses by the row of their activity. ``state`` is S (open wait or running subprocess),
  W (waits at a join) or C (completed, kept because live tokens hang below).

Only what the future can depend on is kept: live tokens, their direct parents, and the starters of boundary events.
Everything else of the past is history, which stands outside the state; so a loop does not make it grow.

Compatibility: format 1 stays readable. A new format gets a new number and a reader beside this one.
"""

from __future__ import annotations

from typing import Any

import orjson
from SpiffWorkflow.util.task import TaskState

from workflows.contract import StateError
from workflows.engine.specs import BoundarySplit
from workflows.engine.variables import decode, encode
from workflows.engine.workflow import LIVE, HubTask, HubWorkflow

FORMAT = 1
_LETTERS = {TaskState.STARTED: "S", TaskState.WAITING: "W"}
_STATES = {"S": TaskState.STARTED, "W": TaskState.WAITING, "C": TaskState.COMPLETED}


def dump(workflow: HubWorkflow, model: str) -> bytes:
    """The bytes of an instance at rest (nothing READY)."""
    variables = {name: encode(value) for name, value in workflow.variables.items()}
    scope: Any = [] if workflow.completed else _dump_scope(workflow, workflow)
    return orjson.dumps([FORMAT, model, workflow.last_wait, workflow.outcome, variables, scope])


def _dump_scope(workflow: HubWorkflow, scope: Any) -> list[Any]:
    numbers = scope.spec.numbers
    kept = _kept(scope)
    rows: list[list[Any]] = []
    at: dict[int, int] = {}
    nested: dict[str, Any] = {}
    for task in sorted(kept.values(), key=lambda each: each.id):
        at[task.id] = len(rows)
        row: list[Any] = [_kept_parent(task, at), numbers[task.task_spec.name], _LETTERS.get(task._state, "C")]
        if task.wait:
            row.append(task.wait)
        rows.append(row)
        if task.id in workflow.subprocesses:
            nested[str(at[task.id])] = _dump_scope(workflow, workflow.subprocesses[task.id])
    return [rows, nested] if nested else [rows]


def _kept(scope: Any) -> dict[int, HubTask]:
    """Live tokens and, of their ancestors, the direct parents and the starters of boundary events."""
    kept: dict[int, HubTask] = {}
    for task in scope.live_tasks():
        kept[task.id] = task
        parent = task.parent
        if parent is not None:
            kept[parent.id] = parent
            if isinstance(parent.task_spec, BoundarySplit):
                _keep_main(parent, kept)
    return kept


def _keep_main(split: HubTask, kept: dict[int, HubTask]) -> None:
    for child in split.children:
        if child._state & LIVE:
            kept[child.id] = child


def _kept_parent(task: HubTask, at: dict[int, int]) -> int:
    """Row of the parent, -1 when the parent is not kept."""
    return at.get(task._parent, -1) if task._parent is not None else -1


def head(state: bytes) -> list[Any]:
    """The parsed array of a state; raises StateError when it is none of ours."""
    try:
        parts = orjson.loads(state)
    except orjson.JSONDecodeError:
        raise StateError("Der gespeicherte Zustand ist nicht lesbar.") from None
    if not isinstance(parts, list) or len(parts) != 6 or parts[0] != FORMAT:
        raise StateError("Der gespeicherte Zustand hat ein unbekanntes Format.")
    return parts


def restore(workflow: HubWorkflow, parts: list[Any]) -> None:
    """Fill a fresh workflow from a parsed state; raises StateError when it does not fit the spec."""
    workflow.last_wait, workflow.outcome = parts[2], parts[3]
    workflow.variables = {name: decode(value) for name, value in parts[4].items()}
    if not parts[5]:
        workflow.completed = True
        return
    try:
        _restore_scope(workflow, workflow, parts[5])
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise StateError(f"Der gespeicherte Zustand passt nicht zum Modell ({type(error).__name__}).") from None


def _restore_scope(workflow: HubWorkflow, scope: Any, saved: list[Any]) -> None:
    names = scope.spec.names
    tasks: list[HubTask] = []
    for row in saved[0]:
        parent = tasks[row[0]] if row[0] >= 0 else None
        task = HubTask(scope, scope.spec.task_specs[names[row[1]]], parent, _STATES[row[2]])
        task.wait = row[3] if len(row) > 3 else 0
        tasks.append(task)
    scope.task_tree = tasks[0]
    for number, inner in (saved[1] if len(saved) > 1 else {}).items():
        activity = tasks[int(number)]
        _restore_scope(workflow, workflow.create_subprocess(activity, activity.element), inner)
