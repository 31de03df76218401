"""No text of a model ever reaches Python's eval or exec."""

from __future__ import annotations

import builtins

import pytest
from SpiffWorkflow.bpmn.script_engine import PythonScriptEngine, TaskDataEnvironment
from SpiffWorkflow.bpmn.script_engine import python_environment as environment_module

import workflows
from workflows import DeliveryDone, ExpressionError, ModelError, RunError, TaskDone
from workflows.feel import expression

HOSTILE = [
    '__import__("os").getpid()',
    "().__class__.__base__.__subclasses__()",
    "open('/etc/passwd').read()",
    "(lambda: 1)()",
    "[x for x in (1).__class__.__mro__]",
    "exec('x=1')",
    "application.__class__.__init__.__globals__",
    "case.__dict__",
    "amount.real.__class__",
]


@pytest.fixture(autouse=True)
def mined(monkeypatch):
    """Every way of SpiffWorkflow to Python explodes."""

    def explode(*_args, **_kwargs):
        raise AssertionError("Python was reached")

    for cls in (PythonScriptEngine, TaskDataEnvironment):
        monkeypatch.setattr(cls, "evaluate", explode)
        monkeypatch.setattr(cls, "execute", explode)
    monkeypatch.setattr(PythonScriptEngine, "__init__", explode)
    for name in ("eval", "exec"):
        monkeypatch.setattr(environment_module, name, explode, raising=False)


def outcome(call):
    """Refused, failed as an expression, or a plain value: all fine, as long as no mine went off."""
    try:
        return call()
    except (ModelError, ExpressionError, RunError):
        return None


@pytest.mark.parametrize("text", HOSTILE)
def test_alone(text):
    found = outcome(lambda: expression(text)({"application": {}, "case": {}, "amount": 1}))
    assert found in (None, [])


def escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")


PLACES = {
    "script": '<scriptTask id="x" scriptFormat="feel" hub:result="amount"><script>{0}</script></scriptTask>',
    "python script": '<scriptTask id="x" scriptFormat="python"><script>{0}</script></scriptTask>',
    "nameless script": '<scriptTask id="x"><script>{0}</script></scriptTask>',
    "timer": '<intermediateCatchEvent id="x"><timerEventDefinition><timeDuration>{0}</timeDuration>'
    "</timerEventDefinition></intermediateCatchEvent>",
    "due": '<userTask id="x" hub:form="f" hub:role="r" hub:due="{0}" hub:variables="amount"/>',
    "input": '<serviceTask id="x" hub:connector="c" hub:operation="o" hub:variables="amount"><extensionElements>'
    '<hub:input name="i" value="{0}"/></extensionElements></serviceTask>',
    "multi-instance": '<task id="x"><multiInstanceLoopCharacteristics><loopCardinality>{0}</loopCardinality>'
    "<completionCondition>{0}</completionCondition></multiInstanceLoopCharacteristics></task>",
    "loop": '<task id="x"><standardLoopCharacteristics loopMaximum="1"><loopCondition>{0}</loopCondition>'
    "</standardLoopCharacteristics></task>",
    "ad hoc": '<adHocSubProcess id="x"><completionCondition>{0}</completionCondition><task id="y"/></adHocSubProcess>',
    "conditional event": '<intermediateCatchEvent id="x"><conditionalEventDefinition><condition>{0}</condition>'
    "</conditionalEventDefinition></intermediateCatchEvent>",
    "data object": '<dataObject id="o" name="{0}"/><task id="x"/>',
}


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("place", PLACES)
def test_in_a_model(place, text, wrap, context):
    body = '<startEvent id="s"/><endEvent id="e"/>' + PLACES[place].replace("{0}", escaped(text))
    body += '<sequenceFlow id="f" sourceRef="s" targetRef="x"/><sequenceFlow id="g" sourceRef="x" targetRef="e"/>'
    outcome(lambda: workflows.load({"p.bpmn": wrap(body)}).start(context))


@pytest.mark.parametrize("text", HOSTILE)
def test_in_a_gateway_and_a_message_correlation(text, wrap, context):
    body = (
        '<startEvent id="s"/><exclusiveGateway id="g" default="d"/><endEvent id="a"/><endEvent id="b"/>'
        '<sequenceFlow id="f" sourceRef="s" targetRef="g"/><sequenceFlow id="d" sourceRef="g" targetRef="a"/>'
        f'<sequenceFlow id="c" sourceRef="g" targetRef="b"><conditionExpression>{escaped(text)}'
        "</conditionExpression></sequenceFlow>"
    )
    before = (
        '<message id="m" name="m"/><correlationProperty id="cp" name="cp"><correlationPropertyRetrievalExpression '
        f'messageRef="m"><messagePath>{escaped(text)}</messagePath></correlationPropertyRetrievalExpression>'
        "</correlationProperty>"
    )
    outcome(lambda: workflows.load({"p.bpmn": wrap(body, before)}).start(context))


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("cell", ["input", "test", "output"])
def test_in_a_decision_table(text, cell, wrap, context):
    cells = {"input": "1", "test": "-", "output": "1", cell: escaped(text)}
    dmn = (
        '<definitions xmlns="https://www.omg.org/spec/DMN/20191111/MODEL/" id="d" name="d" namespace="n">'
        '<decision id="r" name="r"><decisionTable><input><inputExpression><text>{input}</text></inputExpression>'
        '</input><output name="o"/><rule><inputEntry><text>{test}</text></inputEntry><outputEntry>'
        "<text>{output}</text></outputEntry></rule></decisionTable></decision></definitions>"
    ).format(**cells)
    body = (
        '<startEvent id="s"/><businessRuleTask id="x" hub:decision="r" hub:result="amount"/><endEvent id="e"/>'
        '<sequenceFlow id="f" sourceRef="s" targetRef="x"/><sequenceFlow id="g" sourceRef="x" targetRef="e"/>'
    )
    outcome(lambda: workflows.load({"p.bpmn": wrap(body), "r.dmn": dmn.encode()}).start(context))


def test_a_whole_case_runs_without_eval_exec_random_ids_or_a_clock(model, context, monkeypatch):
    import uuid

    import SpiffWorkflow.task as spiff_task

    permit = model("permit")

    def explode(*_args, **_kwargs):
        raise AssertionError("not pure")

    monkeypatch.setattr(builtins, "eval", explode)
    monkeypatch.setattr(builtins, "exec", explode)
    monkeypatch.setattr(uuid, "uuid4", explode)
    monkeypatch.setattr(spiff_task, "uuid4", explode)
    monkeypatch.setattr(spiff_task.time, "time", explode)
    step = permit.start(context)
    step = permit.resume(step.state, TaskDone("check:1", {"decision": "yes", "amount": 11}), context)
    for wait in permit.open_waits(step.state):
        step = permit.resume(step.state, DeliveryDone(wait, "delivered"), context)
    monkeypatch.undo()
    assert step.outcome == "granted"
