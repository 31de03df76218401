"""A BPMN file read into plain objects: scopes, elements, flows, event definitions.

Reading never judges (that is :mod:`workflows.check`) and never fails on odd models; only what is no safe XML or no
BPMN at all raises :class:`ModelError`. Checks, engine, layout and coverage all work on this one reading.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from lxml import etree

from workflows.contract import ModelError, ModelFault
from workflows.dialect import BPMN, HUB, bpmn, hub
from xoev.safe import UnsafeInput, parse_xml

SUBPROCESSES = {"subProcess", "transaction", "adHocSubProcess"}
TASKS = {"task", "userTask", "manualTask", "serviceTask", "sendTask", "receiveTask", "businessRuleTask", "scriptTask",
         "callActivity"}  # fmt: skip
GATEWAYS = {"exclusiveGateway", "parallelGateway", "inclusiveGateway", "eventBasedGateway", "complexGateway"}
EVENTS = {"startEvent", "endEvent", "intermediateCatchEvent", "intermediateThrowEvent", "boundaryEvent"}
NODES = TASKS | SUBPROCESSES | GATEWAYS | EVENTS
DEFINITION = "EventDefinition"


@dataclass
class Trigger:
    """An event definition: ``kind`` is its BPMN name without suffix (timer, message, error, terminate, link, ...)."""

    kind: str
    reference: str = ""
    """name of the message or code of the error"""
    form: str = ""
    """for timers: timeDate, timeDuration, timeCycle, or deadline"""
    text: str = ""
    line: int | None = None


@dataclass
class Flow:
    id: str
    name: str
    source: str
    target: str
    condition: str | None
    language: str
    line: int | None


@dataclass(eq=False)
class Element:
    """A flow node. ``scope`` is the id of the process or subprocess around it."""

    id: str
    tag: str
    name: str
    scope: str
    line: int | None
    node: Any
    triggers: list[Trigger] = field(default_factory=list)
    incoming: list[Flow] = field(default_factory=list)
    outgoing: list[Flow] = field(default_factory=list)
    boundaries: list[Element] = field(default_factory=list)

    def hub(self, name: str, default: str = "") -> str:
        """One of our attributes."""
        return str(self.node.get(hub(name), default)).strip()

    def words(self, name: str) -> tuple[str, ...]:
        """One of our attributes that lists names, separated by blanks or commas."""
        return tuple(self.hub(name).replace(",", " ").split())

    @property
    def trigger(self) -> Trigger | None:
        return self.triggers[0] if self.triggers else None

    @property
    def attached_to(self) -> str:
        return str(self.node.get("attachedToRef", ""))

    @property
    def interrupting(self) -> bool:
        return str(self.node.get("cancelActivity", "true")).strip() not in ("false", "0")

    @property
    def default_flow(self) -> str:
        return str(self.node.get("default", ""))

    def inputs(self) -> list[tuple[str, str]]:
        """``hub:input`` entries: name and FEEL text."""
        found = self.node.iterfind(f"{bpmn('extensionElements')}//{{{HUB}}}input")
        return [(item.get("name", ""), item.get("value", "")) for item in found]

    def script(self) -> str:
        node = self.node.find(bpmn("script"))
        return "".join(node.itertext()).strip() if node is not None else ""


@dataclass
class Scope:
    """A process or an embedded subprocess with its own elements and flows."""

    id: str
    name: str
    node: Any
    parent: str | None
    elements: dict[str, Element] = field(default_factory=dict)
    flows: list[Flow] = field(default_factory=list)

    def of(self, *tags: str) -> list[Element]:
        return [element for element in self.elements.values() if element.tag in tags]


@dataclass
class Document:
    """One BPMN file."""

    file: str
    root: Any
    scopes: dict[str, Scope] = field(default_factory=dict)
    processes: list[str] = field(default_factory=list)
    messages: dict[str, str] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    doubled: list[Element] = field(default_factory=list)

    def elements(self) -> Iterator[Element]:
        for scope in self.scopes.values():
            yield from scope.elements.values()

    def find(self, element_id: str) -> Element | None:
        return next(
            (scope.elements[element_id] for scope in self.scopes.values() if element_id in scope.elements), None
        )


def read_xml(data: bytes, file: str) -> Any:
    """Safe XML; raises ModelError with one fault."""
    try:
        return parse_xml(data)
    except UnsafeInput as error:
        fault = error.fault
        raise ModelError([ModelFault("", fault.line, fault.code, fault.message, file=file)]) from None


def read(data: bytes, file: str = "process.bpmn") -> Document:
    """The document of one BPMN file; raises ModelError if it is none."""
    root = read_xml(data, file)
    if etree.QName(root).namespace != BPMN or etree.QName(root).localname != "definitions":
        text = f"Die Datei ist kein BPMN 2.0: die Wurzel ist „{etree.QName(root).localname}“."
        remedy = "Das Modell als BPMN 2.0 XML speichern."
        raise ModelError([ModelFault("", root.sourceline, "bpmn.no-bpmn", text, remedy, file)])
    document = Document(file, root)
    for message in root.iterfind(bpmn("message")):
        document.messages[message.get("id", "")] = message.get("name") or message.get("id", "")
    for error in root.iterfind(bpmn("error")):
        document.errors[error.get("id", "")] = error.get("errorCode") or ""
    for process in root.iterfind(bpmn("process")):
        process_id = process.get("id", "")
        document.processes.append(process_id)
        _read_scope(document, process, process_id, None)
    return document


def _read_scope(document: Document, node: Any, scope_id: str, parent: str | None) -> None:
    todo: list[tuple[Any, str, str | None]] = [(node, scope_id, parent)]
    while todo:
        current, current_id, above = todo.pop(0)
        scope = Scope(current_id, current.get("name") or "", current, above)
        document.scopes[current_id] = scope
        for child in current.iterchildren(f"{{{BPMN}}}*"):
            tag = etree.QName(child).localname
            if tag in NODES:
                element = _read_element(document, child, tag, scope)
                if tag in SUBPROCESSES:
                    todo.append((child, element.id, current_id))
            elif tag == "sequenceFlow":
                scope.flows.append(_read_flow(child))
        _connect(scope)


def _read_element(document: Document, node: Any, tag: str, scope: Scope) -> Element:
    element_id = node.get("id") or f"{tag}-{node.sourceline}"
    element = Element(element_id, tag, " ".join((node.get("name") or "").split()), scope.id, node.sourceline, node)
    element.triggers = [_read_trigger(document, child) for child in node if _is_definition(child)]
    if tag == "receiveTask":
        reference = node.get("messageRef", "")
        element.triggers = [Trigger("message", document.messages.get(reference, ""), line=node.sourceline)]
    if document.find(element_id) is not None:
        document.doubled.append(element)
    scope.elements[element_id] = element
    return element


def _is_definition(node: Any) -> bool:
    return isinstance(node.tag, str) and node.tag.startswith(f"{{{BPMN}}}") and node.tag.endswith(DEFINITION)


def _read_trigger(document: Document, node: Any) -> Trigger:
    kind = etree.QName(node).localname.removesuffix(DEFINITION)
    trigger = Trigger(kind, line=node.sourceline)
    if kind == "message":
        trigger.reference = document.messages.get(node.get("messageRef", ""), "")
    elif kind == "error":
        reference = node.get("errorRef", "")
        trigger.reference = document.errors.get(reference, reference)
    elif kind == "timer":
        trigger.form, trigger.text = _timer(node)
    return trigger


def _timer(node: Any) -> tuple[str, str]:
    if deadline := node.get(hub("deadline")):
        return "deadline", str(deadline).strip()
    for child in node.iterchildren(f"{{{BPMN}}}*"):
        form = etree.QName(child).localname
        if form in ("timeDate", "timeDuration", "timeCycle"):
            return form, "".join(child.itertext()).strip()
    return "", ""


def _read_flow(node: Any) -> Flow:
    expression = node.find(bpmn("conditionExpression"))
    condition = "".join(expression.itertext()).strip() if expression is not None else None
    language = expression.get("language", "") if expression is not None else ""
    return Flow(node.get("id", ""), node.get("name") or "", node.get("sourceRef", ""), node.get("targetRef", ""),
                condition, language, node.sourceline)  # fmt: skip


def _connect(scope: Scope) -> None:
    for flow in scope.flows:
        if flow.source in scope.elements:
            scope.elements[flow.source].outgoing.append(flow)
        if flow.target in scope.elements:
            scope.elements[flow.target].incoming.append(flow)
    for element in scope.of("boundaryEvent"):
        if element.attached_to in scope.elements:
            scope.elements[element.attached_to].boundaries.append(element)
