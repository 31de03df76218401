"""What is refused before it can run wrongly, and that no file in the world crashes the check."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import workflows
from workflows import ModelError
from workflows.inspect import inspect

SAMPLES = Path(__file__).parents[3] / "shared" / "bpmn-samples"


def through(element: str) -> str:
    return (
        f'<startEvent id="s"/>{element}<endEvent id="e"/><sequenceFlow id="f" sourceRef="s" targetRef="x"/>'
        '<sequenceFlow id="g" sourceRef="x" targetRef="e"/>'
    )


def throwing(definition: str) -> str:
    return through(f'<intermediateThrowEvent id="x">{definition}</intermediateThrowEvent>')


USER = '<userTask id="x" hub:form="f" hub:role="r" {0}/>'
REFUSED = {
    "bpmn.complex-gateway": through('<complexGateway id="x"/>'),
    "bpmn.call-activity": through('<callActivity id="x" calledElement="q"/>'),
    "bpmn.intermediateThrowEvent.link": throwing('<linkEventDefinition name="L"/>'),
    "bpmn.intermediateThrowEvent.compensate": throwing("<compensateEventDefinition/>"),
    "bpmn.endEvent.signal": '<startEvent id="s"/><endEvent id="x"><signalEventDefinition/></endEvent>'
    '<sequenceFlow id="f" sourceRef="s" targetRef="x"/>',
    "bpmn.event-subprocess": through('<task id="x"/>')
    + '<subProcess id="es" triggeredByEvent="true"><startEvent id="s2"><errorEventDefinition/></startEvent>'
    "</subProcess>",
    "bpmn.condition-on-task": '<startEvent id="s"/><task id="x"/><endEvent id="e"/><sequenceFlow id="f" sourceRef="s" '
    'targetRef="x"/><sequenceFlow id="g" sourceRef="x" targetRef="e"><conditionExpression>false</conditionExpression>'
    "</sequenceFlow>",
    "bpmn.many-outflows": through(
        '<task id="x"/><endEvent id="e2"/><sequenceFlow id="h" sourceRef="x" targetRef="e2"/>'
    ),
    "bpmn.script-language": through('<scriptTask id="x" scriptFormat="groovy"><script>1</script></scriptTask>'),
    "bpmn.foreign": through(USER.format('camunda:assignee="demo"')),
    "bpmn.loop": through('<task id="x"><multiInstanceLoopCharacteristics/></task>'),
    "bpmn.timer-cycle": through('<intermediateCatchEvent id="x"><timerEventDefinition><timeCycle>R3/PT1H</timeCycle>'
                                "</timerEventDefinition></intermediateCatchEvent>"),
    "bpmn.error-end": '<startEvent id="s"/><endEvent id="x"><errorEventDefinition errorRef="z"/></endEvent>'
    '<sequenceFlow id="f" sourceRef="s" targetRef="x"/>',
    "bpmn.unreachable": through('<task id="x"/><task id="orphan"/>'),
    "bpmn.dead-end": '<startEvent id="s"/><task id="x"/><endEvent id="e"/><sequenceFlow id="f" sourceRef="s" '
    'targetRef="x"/>',
    "bpmn.start": '<endEvent id="e"/>',
    "hub.missing": through('<serviceTask id="x" hub:connector="c"/>'),
    "hub.attribute": through(USER.format('hub:variabels="a"')),
    "hub.read-only": through(USER.format('hub:variables="application"')),
    "hub.not-by": through(USER.format('hub:notBy="nobody"')),
    "dmn.missing": through('<businessRuleTask id="x" hub:decision="none" hub:result="y"/>'),
    "feel.syntax": through(USER.format('hub:due="1 +"')),
    "feel.name": through(USER.format('hub:due="dedline"')),
}  # fmt: skip


@pytest.mark.parametrize("code", REFUSED)
def test_refused_with_element_line_reason_and_remedy(code, wrap):
    with pytest.raises(ModelError) as caught:
        workflows.load({"p.bpmn": wrap(REFUSED[code])})
    (fault, *_) = [fault for fault in caught.value.faults if fault.code == code]
    assert fault.message.endswith((".", "?", ")", "“")) or fault.message
    assert fault.line
    if not code.startswith("feel"):
        assert fault.remedy


def test_all_faults_at_once(wrap):
    body = through('<callActivity id="x"/><complexGateway id="y"/><userTask id="z"/>')
    with pytest.raises(ModelError) as caught:
        workflows.load({"p.bpmn": wrap(body)})
    assert {fault.element for fault in caught.value.faults} >= {"x", "y", "z"}


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="the collection of foreign models is not beside this checkout")
def test_no_foreign_model_crashes_the_check():
    paths = [path for path in sorted(SAMPLES.rglob("*")) if path.suffix in (".bpmn", ".dmn")]
    assert len(paths) > 20
    for path in paths:
        found = inspect(path)
        assert found.ok or all(fault.code and fault.message for fault in found.faults)


@given(data=st.binary(max_size=200))
def test_no_bytes_crash_the_check(data, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "any.bpmn"
    path.write_bytes(data)
    assert not inspect(path).ok
