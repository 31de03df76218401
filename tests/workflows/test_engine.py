"""An instance from start to end: effects, events, history, and what survives between two steps."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

import workflows
from workflows import (
    Cancel,
    DeliveryDone,
    Ended,
    EventError,
    MessageReceived,
    RunError,
    StateError,
    TaskDone,
    Timer,
    TimerFired,
)

YES = {"decision": "yes", "amount": 12.5, "unasked": "stays outside"}
STATES = Path(__file__).parent / "states"


def effects(step, kind):
    return [effect for effect in step.effects if isinstance(effect, kind)]


def test_a_case_is_granted_after_a_decision_and_two_parallel_deliveries(model, context):
    permit = model("permit")
    step = permit.start(context)
    task, timer = step.effects
    assert (task.form, task.role, task.due) == ("check", "caseworker", context.now + timedelta(days=3))
    assert (timer.deadline, timer.due) == ("decision", None)

    step = permit.resume(step.state, TaskDone(task.wait, YES), context)
    assert step.variables == {"decision": "yes", "amount": Decimal("12.5")}
    (delivery,) = effects(step, workflows.Delivery)
    (notice,) = effects(step, workflows.Notice)
    assert delivery.input == {"a": Decimal("25.0")}
    assert [cancel.closes for cancel in effects(step, Cancel)] == [timer.wait]

    step = permit.resume(step.state, DeliveryDone(delivery.wait, "handed-over", {"kz": "K-1"}), context)
    assert not step.done
    step = permit.resume(step.state, DeliveryDone(notice.wait, "delivered"), context)
    assert step.done
    assert step.outcome == "granted"
    assert step.variables["kz"] == "K-1"
    assert effects(step, Ended)[0].outcome == "granted"


def test_a_rejected_delivery_goes_back_to_the_caseworker_and_uncaught_outcomes_change_nothing(model, context):
    permit = model("permit")
    step = permit.start(context)
    step = permit.resume(step.state, TaskDone("check:1", YES), context)
    (delivery,) = effects(step, workflows.Delivery)
    assert permit.catches("tax", "rejected")
    assert not permit.catches("tax", "configuration")
    with pytest.raises(EventError):
        permit.resume(step.state, DeliveryDone(delivery.wait, "configuration"), context)
    again = permit.resume(step.state, DeliveryDone(delivery.wait, "rejected"), context)
    assert [effect.element for effect in effects(again, workflows.UserTask)] == ["check"]
    assert [entry.kind for entry in again.history if entry.element == "tax"] == ["failed"]
    assert delivery.wait not in {cancel.closes for cancel in effects(again, Cancel)}


def test_an_event_for_a_closed_or_unknown_wait_is_stale(model, context):
    permit = model("permit")
    first = permit.start(context)
    second = permit.resume(first.state, TaskDone("check:1", {"decision": "no"}), context)
    for wait in ("check:1", "check:99", "nothing", "granted:end"):
        late = permit.resume(second.state, TaskDone(wait, YES), context)
        assert late.stale
        assert late.state == second.state
        assert late.effects == ()


def test_an_event_of_the_wrong_kind_is_an_error(model, context):
    step = model("permit").start(context)
    with pytest.raises(EventError):
        model("permit").resume(step.state, TimerFired("check:1"), context)


def test_a_reminder_does_not_interrupt_and_a_loop_does_not_grow_the_state(model, context):
    handling = model("handling")
    step = handling.start(context)
    (timer,) = effects(step, Timer)
    assert timer.due == context.now + timedelta(days=3)
    reminded = handling.resume(step.state, TimerFired(timer.wait), replace(context, now=timer.due))
    assert [effect.element for effect in reminded.effects] == ["chase"]
    assert set(handling.open_waits(reminded.state)) == {"check:2", "chase:4", "withdrawn_by_applicant:1"}

    sizes = []
    for _ in range(50):
        (task,) = [wait for wait in handling.open_waits(step.state) if wait.startswith("check")]
        step = handling.resume(step.state, TaskDone(task, {"decision": "again"}), context)
        sizes.append(len(step.state))
    assert max(sizes) - min(sizes) <= 8  # only the digits of the running number
    assert max(sizes) < 250


def test_a_withdrawal_ends_the_subprocess_and_everything_in_it(model, context):
    handling = model("handling")
    step = handling.start(context)
    step = handling.resume(step.state, MessageReceived("withdrawn_by_applicant:1", "withdrawal"), context)
    assert step.outcome == "withdrawn"
    assert {cancel.closes for cancel in effects(step, Cancel)} == {"check:2", "remind:3"}


def test_an_error_end_is_caught_at_the_edge_of_the_subprocess(model, context):
    handling = model("handling")
    step = handling.start(context)
    step = handling.resume(step.state, TaskDone("check:2", {"decision": "unpaid"}), context)
    assert step.outcome == "cancelled_unpaid"


def test_behind_an_event_gateway_the_first_event_wins(model, context):
    handling = model("handling")
    context = replace(context, deadlines={"decision": context.now + timedelta(days=30)})
    step = handling.start(context)
    step = handling.resume(step.state, TaskDone("check:2", {"decision": "fine"}), context)
    (timer,) = effects(step, Timer)
    assert timer.due == context.deadlines["decision"]
    (message,) = effects(step, workflows.MessageWait)
    done = handling.resume(step.state, MessageReceived(message.wait, "number", {"file_number": "F1"}), context)
    assert done.outcome == "granted"
    assert done.variables["total"] == Decimal("0.3")
    assert timer.wait in {cancel.closes for cancel in effects(done, Cancel)}


def test_the_same_input_gives_the_same_bytes_and_ids(model, context, wrap):
    runs = []
    for _ in range(3):
        step = model("permit").start(context)
        later = model("permit").resume(step.state, TaskDone("check:1", YES), context)
        runs.append((step.state, step.effects, later.state, later.effects))
    assert runs[0] == runs[1] == runs[2]


def test_states_of_released_formats_stay_readable(model, context):
    saved = (STATES / "format-1.state").read_bytes()
    handling = model("handling")
    assert "check:2" in handling.open_waits(saved)
    step = handling.resume(saved, TaskDone("check:2", {"decision": "unpaid"}), context)
    assert step.outcome == "cancelled_unpaid"


@pytest.mark.parametrize("state", [b"", b"[]", b"{", b'[2,"x",0,null,{},[]]', b'[1,"other",0,null,{},[]]'])
def test_a_foreign_state_is_refused(model, context, state):
    with pytest.raises(StateError):
        model("permit").resume(state, TaskDone("check:1"), context)


def test_what_comes_in_is_copied_and_lists_keep_their_duplicates(model, context, wrap):
    given = {"decision": ["a", {"n": 1}]}
    handling = model("handling")
    step = handling.start(context)
    step = handling.resume(step.state, TaskDone("check:2", given), context)
    given["decision"][1]["n"] = 99
    assert step.variables["decision"] == ["a", {"n": Decimal(1)}]
    body = (
        '<startEvent id="s"/><parallelGateway id="fork"/><parallelGateway id="join"/><endEvent id="e"/>'
        '<scriptTask id="a" scriptFormat="feel"><script>{xs: [1, 1, 2]}</script></scriptTask>'
        '<scriptTask id="b" scriptFormat="feel"><script>{ys: [1]}</script></scriptTask>'
    ) + flows("s-fork", "fork-a", "fork-b", "a-join", "b-join", "join-e")
    step = workflows.load({"p.bpmn": wrap(body)}).start(context)
    assert step.variables == {"xs": [1, 1, 2], "ys": [1]}


def test_a_process_that_never_waits_fails_loudly(context, wrap):
    body = '<startEvent id="s"/><exclusiveGateway id="g" default="g-t"/><task id="t"/><endEvent id="e"/>'
    body += flows("s-g", "g-t", "t-g")
    never = "<conditionExpression>false</conditionExpression>"
    body += f'<sequenceFlow id="out" sourceRef="g" targetRef="e">{never}</sequenceFlow>'
    with pytest.raises(RunError, match="endlos"):
        workflows.load({"p.bpmn": wrap(body)}).start(context)


def flows(*pairs: str) -> str:
    made = ""
    for pair in pairs:
        source, target = pair.split("-")
        made += f'<sequenceFlow id="{pair}" sourceRef="{source}" targetRef="{target}"/>'
    return made
