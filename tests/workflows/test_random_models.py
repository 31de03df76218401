"""Random sound models: every token ends, and a state read back after each step is the state that was written."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

import workflows
from workflows import Context, TaskDone
from workflows.diagram import ensure_diagram, has_diagram
from workflows.document import read
from workflows.engine import state as states

CONTEXT = Context(datetime(2026, 11, 23, 9, 0, tzinfo=UTC), "case-1")
blocks = st.recursive(
    st.sampled_from([("task",), ("user",)]),
    lambda inner: st.one_of(
        st.tuples(st.just("seq"), st.lists(inner, min_size=1, max_size=3)),
        st.tuples(st.just("and"), st.lists(inner, min_size=2, max_size=3)),
        st.tuples(st.just("or"), st.lists(inner, min_size=2, max_size=3)),
        st.tuples(st.just("xor"), st.lists(inner, min_size=2, max_size=3)),
        st.tuples(st.just("sub"), inner),
    ),
    max_leaves=8,
)


class Writer:
    """Writes a block structure as BPMN; every block has one way in and one way out."""

    def __init__(self) -> None:
        self.count = 0

    def name(self, prefix: str) -> str:
        self.count += 1
        return f"{prefix}{self.count}"

    def flow(self, source: str, target: str, condition: str = "") -> str:
        inner = f"<conditionExpression>{condition}</conditionExpression>" if condition else ""
        return f'<sequenceFlow id="{self.name("f")}" sourceRef="{source}" targetRef="{target}">{inner}</sequenceFlow>'

    def scope(self, block) -> str:
        start, end = self.name("start"), self.name("end")
        first, last, text = self.block(block)
        return f'<startEvent id="{start}"/><endEvent id="{end}"/>{text}{self.flow(start, first)}{self.flow(last, end)}'

    def block(self, block) -> tuple[str, str, str]:
        kind = block[0]
        if kind in ("task", "user"):
            name = self.name(kind)
            extra = ' hub:form="f" hub:role="r"' if kind == "user" else ""
            return name, name, f'<{"userTask" if kind == "user" else "task"} id="{name}"{extra}/>'
        if kind == "sub":
            name = self.name("sub")
            return name, name, f'<subProcess id="{name}">{self.scope(block[1])}</subProcess>'
        parts = [self.block(part) for part in block[1]]
        text = "".join(part[2] for part in parts)
        if kind == "seq":
            text += "".join(self.flow(a[1], b[0]) for a, b in pairwise(parts))
            return parts[0][0], parts[-1][1], text
        return self.gateway(kind, parts, text)

    def gateway(self, kind: str, parts: list[tuple[str, str, str]], text: str) -> tuple[str, str, str]:
        tag = {"and": "parallelGateway", "or": "inclusiveGateway", "xor": "exclusiveGateway"}[kind]
        split, join = self.name("split"), self.name("join")
        for number, part in enumerate(parts):
            condition = "" if kind == "and" else "true" if number == len(parts) - 1 or kind == "or" else "false"
            text += self.flow(split, part[0], condition) + self.flow(part[1], join)
        return split, join, f'<{tag} id="{split}"/><{tag} id="{join}"/>{text}'


def written(block) -> bytes:
    inside = Writer().scope(block)
    return (
        '<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:hub="urn:ozg-hub:bpmn:1" id="d" '
        f'targetNamespace="urn:test"><process id="p" isExecutable="true">{inside}</process></definitions>'
    ).encode()


@settings(max_examples=60, deadline=None)
@given(block=blocks, last_first=st.booleans())
def test_every_random_model_ends_and_survives_each_round_trip(block, last_first):
    model = workflows.load({"p.bpmn": written(block)})
    step = model.start(CONTEXT)
    for _ in range(100):
        if step.done:
            break
        assert round_trip(model, step.state) == step.state
        waits = model.open_waits(step.state)
        assert waits, "neither done nor waiting"
        step = model.resume(step.state, TaskDone(waits[-1 if last_first else 0]), CONTEXT)
    assert step.done
    assert step.outcome is not None


def round_trip(model, data: bytes) -> bytes:
    workflow = model._workflow(CONTEXT)
    states.restore(workflow, states.head(data))
    return states.dump(workflow, model.hash)


@settings(max_examples=30, deadline=None)
@given(block=blocks)
def test_every_random_model_gets_a_diagram_of_all_its_elements(block):
    before = written(block)
    drawn = ensure_diagram(before)
    document = read(drawn)
    assert has_diagram(document.root)
    shown = {node.get("bpmnElement") for node in document.root.iter("{*}BPMNShape")}
    assert shown == {element.id for element in document.elements()}
    assert ensure_diagram(drawn) == drawn
    assert workflows.load({"p.bpmn": drawn}).start(CONTEXT).state
