"""Workflow and task classes over SpiffWorkflow: deterministic, alias-free, without tree scans.

What differs from stock, and why:

- Ids are counted, never random, and no clock is read: the same input gives the same bytes.
- Ready tasks stand in a queue; stock walks the whole task tree after every task.
- Children come into being when their parent completes; stock predicts the whole tree ahead (2^k tasks over k joins).
- Process variables live once per instance, not in a copy per task: nothing can be aliased, and no join merges lists.
- Nothing is logged about a task's data.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from SpiffWorkflow.bpmn.util.subworkflow import BpmnSubWorkflow
from SpiffWorkflow.bpmn.workflow import BpmnWorkflow
from SpiffWorkflow.task import Task
from SpiffWorkflow.util.task import TaskState

from workflows.contract import RunError

if TYPE_CHECKING:
    from workflows.engine.recorder import Recorder

LIVE = TaskState.READY | TaskState.WAITING | TaskState.STARTED
MAX_RUNS = 50_000
"""Elements that one step may pass; beyond it the model loops without ever waiting."""


class DeadlockError(RunError):
    """Every token waits at a join that can no longer fire."""


class EndlessError(RunError):
    """A step passes elements without end."""


class HubTask(Task):  # type: ignore[misc]  # SpiffWorkflow is untyped
    """A token. ``wait`` is the number of its open wait, 0 when it has none."""

    def __init__(self, workflow: Any, task_spec: Any, parent: HubTask | None = None, state: int = TaskState.FUTURE,
                 id: int | None = None) -> None:  # fmt: skip
        # Deliberately without super().__init__: stock draws a uuid4 and reads the clock there.
        self.workflow, self.task_spec = workflow, task_spec
        self.id = id if id is not None else workflow.top_workflow.next_id()
        workflow.tasks[self.id] = self
        self._parent = parent.id if parent is not None else None
        self._children: list[int] = []
        self._state = state
        self.triggered, self.thread_id, self.last_state_change = False, 0, 0.0
        self.data: dict[str, Any] = {}
        self.internal_data: dict[str, Any] = {}
        self.wait = 0
        if parent is not None:
            parent._children.append(self.id)

    def _add_child(self, task_spec: Any, state: int = TaskState.FUTURE) -> HubTask:
        return HubTask(self.workflow, task_spec, self, state)

    def _set_state(self, value: int) -> None:
        self._state = value

    def _inherit_data(self) -> None:
        """Variables belong to the instance; tasks carry none."""

    def _ready(self) -> None:
        self._state = TaskState.READY
        self.workflow.top_workflow.ready.append(self)

    def siblings(self) -> list[HubTask]:
        return [task for task in self.parent.children if task is not self]

    @property
    def element(self) -> str:
        return str(self.task_spec.bpmn_id)

    @property
    def live(self) -> bool:
        return bool(self._state & LIVE)

    def cancel(self) -> None:
        """Withdraw this token alone (with the subprocess it runs); a finished one stays as it is."""
        if self._state & TaskState.FINISHED_MASK:
            return
        self._state = TaskState.CANCELLED
        self.task_spec._on_cancel(self)

    def __repr__(self) -> str:
        return f"<{self.task_spec.name} {TaskState.get_name(self._state)} {self.id}>"


class _Scope:
    """What process and subprocess workflows share."""

    tasks: dict[int, HubTask]
    spec: Any
    completed: bool

    def open(self) -> None:
        """Put the first token on the start event."""
        root = HubTask(self, self.spec.start, None)
        self.task_tree = root
        root._ready()

    def update_waiting_tasks(self) -> None:
        """Nothing polls here: waits are answered by events, joins by arriving tokens."""

    def _task_completed_notify(self, task: HubTask) -> None:
        self.last_task = task

    def live_tasks(self) -> list[HubTask]:
        return [task for task in self.tasks.values() if task._state & LIVE]

    def close(self) -> None:
        """Withdraw every token; used by terminate, interruption and cancellation."""
        self.completed = True
        for task in self.live_tasks():
            task.cancel()


class HubSubWorkflow(_Scope, BpmnSubWorkflow):  # type: ignore[misc]
    """An embedded subprocess that is running."""

    def __init__(self, spec: Any, parent_task_id: int, top_workflow: HubWorkflow) -> None:
        super().__init__(spec, parent_task_id, top_workflow, deserializing=True)


class HubWorkflow(_Scope, BpmnWorkflow):  # type: ignore[misc]
    """One instance. ``variables`` are its process variables, ``recorder`` collects what a step does outside."""

    def __init__(self, spec: Any, subprocess_specs: dict[str, Any], script_engine: Any, recorder: Recorder) -> None:
        self.ready: deque[HubTask] = deque()
        self.variables: dict[str, Any] = {}
        self.recorder = recorder
        self.last_id = self.last_wait = 0
        self.outcome: str | None = None
        super().__init__(spec, subprocess_specs, script_engine=script_engine, deserializing=True)

    def next_id(self) -> int:
        self.last_id += 1
        return self.last_id

    def next_wait(self) -> int:
        self.last_wait += 1
        return self.last_wait

    def create_subprocess(self, my_task: HubTask, spec_name: str) -> HubSubWorkflow:
        subprocess = HubSubWorkflow(self.subprocess_specs[spec_name], my_task.id, self)
        self.subprocesses[my_task.id] = subprocess
        return subprocess

    def all_tasks(self) -> list[HubTask]:
        tasks = list(self.tasks.values())
        for subprocess in self.subprocesses.values():
            tasks.extend(subprocess.tasks.values())
        return tasks

    def advance(self) -> None:
        """Run until every token waits for the outside, or the instance is over.

        Raises DeadlockError, EndlessError, or what an expression raises.
        """
        runs = 0
        while True:
            while self.ready:
                task = self.ready.popleft()
                if task._state != TaskState.READY:
                    continue  # withdrawn in the meantime
                runs += 1
                if runs > MAX_RUNS:
                    raise EndlessError(f"Der Prozess läuft bei „{task.element}“ endlos, ohne je zu warten.")
                task.run()
            if not self._settle():
                return

    def _settle(self) -> bool:
        """Complete scopes that have no token left, let inclusive joins look again; True if something moved."""
        for scope in [*sorted(self.subprocesses.values(), key=lambda each: -each.depth), self]:
            if scope.completed:
                continue
            live = scope.live_tasks()
            if not live:
                self._complete(scope)
                return True
            if any(task.task_spec.look_again(task) for task in live if task._state == TaskState.WAITING):
                return True
            self._refuse_deadlock(live)
        return False

    def _complete(self, scope: _Scope) -> None:
        scope.completed = True
        if scope is not self:
            parent = self.get_task_from_id(scope.parent_task_id)  # type: ignore[attr-defined]
            self.subprocesses.pop(parent.id)
            parent.complete()

    @staticmethod
    def _refuse_deadlock(live: list[HubTask]) -> None:
        if all(task._state == TaskState.WAITING for task in live):
            names = ", ".join(sorted({task.element for task in live}))
            raise DeadlockError(f"Der Prozess ist verklemmt: alle Wege warten am Zusammenfluss „{names}“.")

    def get_task_from_id(self, task_id: int) -> HubTask:
        if task_id in self.tasks:
            return self.tasks[task_id]
        for subprocess in self.subprocesses.values():
            if task_id in subprocess.tasks:
                return subprocess.tasks[task_id]  # type: ignore[no-any-return]
        raise KeyError(task_id)
