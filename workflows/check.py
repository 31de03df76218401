"""What a model must not contain, told with element, line, reason and remedy.

The engine runs exactly what passes here. Everything SpiffWorkflow would accept and run wrongly is refused by name;
everything unknown is refused because it is unknown. Nothing is guessed.
"""

from __future__ import annotations

from collections.abc import Iterator

from lxml import etree

from workflows import dialect
from workflows.contract import ModelFault
from workflows.dmn import Decisions
from workflows.document import Document, Element, Scope
from workflows.expressions import expressions_of, sources, written
from workflows.feel import ExpressionError, expression
from workflows.refusals import refusals


def faults(document: Document, decisions: Decisions) -> list[ModelFault]:
    """Every fault of a document, in the order of the file."""
    found: list[ModelFault] = []
    found += _structure(document)
    for scope in document.scopes.values():
        for element in scope.elements.values():
            found += refusals(document, element, decisions)
            found += _wiring(scope, element)
    found += _foreign(document)
    found += _own_attributes(document)
    found += _expressions(document, decisions)
    file = document.file
    placed = [ModelFault(f.element, f.line, f.code, f.message, f.remedy, f.file or file) for f in found]
    return sorted(placed, key=lambda fault: (fault.line or 0, fault.element, fault.code))


def catches(document: Document, element_id: str, code: str) -> bool:
    """Whether an error boundary at the element or at a subprocess around it catches this code."""
    element = document.find(element_id)
    while element is not None:
        for boundary in element.boundaries:
            if boundary.trigger and boundary.trigger.kind == "error" and boundary.trigger.reference in ("", code):
                return True
        element = document.find(element.scope)
    return False


def reads(document: Document, decisions: Decisions) -> frozenset[str]:
    """Which of the read-only names any expression uses."""
    names = {path[0] for source in sources(document) for path in _paths(source)}
    names |= {path[0] for decision in decisions for path in decision.paths()}
    return frozenset(names & dialect.READ_ONLY)


def _paths(source: str) -> frozenset[tuple[str, ...]]:
    try:
        return expression(source).paths
    except ExpressionError:
        return frozenset()


# --- the parts ---


def _structure(document: Document) -> Iterator[ModelFault]:
    executable = [each for each in document.processes if document.scopes[each].node.get("isExecutable") != "false"]
    if not executable:
        yield ModelFault("", None, "bpmn.no-process", "Die Datei enthält keinen ausführbaren Prozess.",
                         "Am Prozess isExecutable=\"true\" setzen.")  # fmt: skip
    if len(executable) > 1:
        yield ModelFault(executable[1], document.scopes[executable[1]].node.sourceline, "bpmn.many-processes",
                         "Die Datei enthält mehrere ausführbare Prozesse.",
                         "Je Verfahren eine Datei; andere Beteiligte als nicht ausführbar kennzeichnen.")  # fmt: skip
    for element in document.doubled:
        yield _fault(element, "bpmn.double-id", f"Die Kennung „{element.id}“ gibt es mehrfach.",
                     "Jedem Element eine eigene Kennung geben.")  # fmt: skip
    for scope in document.scopes.values():
        yield from _scope(document, scope)


def _scope(document: Document, scope: Scope) -> Iterator[ModelFault]:
    if scope.parent is None and scope.node.get("isExecutable") == "false":
        return
    line, starts = scope.node.sourceline, scope.of("startEvent")
    if scope.node.get("triggeredByEvent") == "true":
        return  # refused as a whole elsewhere
    if len(starts) != 1:
        yield ModelFault(scope.id, line, "bpmn.start", f"Es braucht genau ein Startereignis, gefunden: {len(starts)}.",
                         "Ein einziges Startereignis zeichnen.")  # fmt: skip
    if not scope.of("endEvent"):
        yield ModelFault(
            scope.id, line, "bpmn.no-end", "Es gibt kein Endereignis.", "Jeden Weg mit einem Ende schließen."
        )
    for flow in scope.flows:
        missing = [each for each in (flow.source, flow.target) if each not in scope.elements]
        if missing:
            yield ModelFault(flow.id, flow.line, "bpmn.flow",
                             f"Der Pfeil verbindet „{missing[0]}“, das es auf dieser Ebene nicht gibt.",
                             "Den Pfeil neu ziehen.")  # fmt: skip


def _wiring(scope: Scope, element: Element) -> Iterator[ModelFault]:
    if element.tag == "boundaryEvent":
        if element.attached_to not in scope.elements:
            yield _fault(element, "bpmn.boundary", "Das angeheftete Ereignis hängt an keinem Element.",
                         "Es auf eine Aufgabe setzen.")  # fmt: skip
    elif element.tag != "startEvent" and not element.incoming:
        yield _fault(element, "bpmn.unreachable", "Kein Pfeil führt hierher; das Element würde nie erreicht.",
                     "Verbinden oder entfernen.")  # fmt: skip
    if element.tag == "endEvent":
        if element.outgoing:
            yield _fault(element, "bpmn.end-goes-on", "Aus einem Ende führt ein Pfeil heraus.", "Den Pfeil entfernen.")
    elif not element.outgoing:
        yield _fault(element, "bpmn.dead-end", "Der Weg endet hier ohne Endereignis.", "Ein Endereignis anfügen.")
    if not element.tag.endswith("Gateway"):
        yield from _plain_flows(element)
    elif element.tag in ("exclusiveGateway", "inclusiveGateway"):
        yield from _conditions(element)


def _plain_flows(element: Element) -> Iterator[ModelFault]:
    if len(element.outgoing) > 1:
        yield _fault(element, "bpmn.many-outflows", "Aus dem Element führen mehrere Pfeile.",
                     "Die Verzweigung mit einem Gateway zeichnen.")  # fmt: skip
    for flow in element.outgoing:
        if flow.condition is not None:
            yield ModelFault(flow.id, flow.line, "bpmn.condition-on-task",
                             f"Die Bedingung am Pfeil aus „{element.name or element.id}“ würde nicht beachtet.",
                             "Ein exklusives Gateway dazwischen setzen.")  # fmt: skip


def _conditions(element: Element) -> Iterator[ModelFault]:
    if element.default_flow and element.default_flow not in {flow.id for flow in element.outgoing}:
        yield _fault(element, "bpmn.default", f"Der Standardweg „{element.default_flow}“ geht nicht von hier aus.",
                     "Einen der ausgehenden Pfeile als Standardweg wählen.")  # fmt: skip
    if len(element.outgoing) < 2:
        return
    for flow in element.outgoing:
        if not flow.condition and flow.id != element.default_flow:
            yield ModelFault(flow.id, flow.line, "bpmn.no-condition",
                             f"Der Weg aus „{element.name or element.id}“ hat weder Bedingung noch ist er Standardweg.",
                             "Eine FEEL-Bedingung eintragen oder ihn zum Standardweg machen.")  # fmt: skip
        if flow.condition and flow.id == element.default_flow:
            yield ModelFault(flow.id, flow.line, "bpmn.default-condition",
                             "Der Standardweg trägt eine Bedingung, die nie geprüft würde.",
                             "Die Bedingung entfernen.")  # fmt: skip


def _foreign(document: Document) -> Iterator[ModelFault]:
    """Attributes and elements of other engines would be dropped in silence, so they are refused."""
    for node in document.root.iter("*"):
        holder = _holder(node)
        for name in node.attrib:
            key = etree.QName(name)
            if (product := dialect.FOREIGN.get(key.namespace or "")) and key.localname not in dialect.HARMLESS:
                yield ModelFault(holder, node.sourceline, "bpmn.foreign",
                                 f"{product}: „{key.localname}“ wird hier nicht ausgeführt.", _IMPORT)  # fmt: skip
        key = etree.QName(node)
        if product := dialect.FOREIGN.get(key.namespace or ""):
            yield ModelFault(holder, node.sourceline, "bpmn.foreign",
                             f"{product}: „{key.localname}“ wird hier nicht ausgeführt.", _IMPORT)  # fmt: skip


_IMPORT = "Das Modell in den Dialekt des Hubs übertragen (hub:…) und die fremden Angaben entfernen."


def _holder(node: etree._Element) -> str:
    current: etree._Element | None = node
    while current is not None:
        if identifier := current.get("id"):
            return str(identifier)
        current = current.getparent()
    return ""


def _own_attributes(document: Document) -> Iterator[ModelFault]:
    """A misspelt attribute of ours would silently mean nothing."""
    prefix = f"{{{dialect.HUB}}}"
    for node in document.root.iter(f"{{{dialect.BPMN}}}*"):
        tag = etree.QName(node).localname
        allowed = dialect.ATTRIBUTES.get(tag, set())
        for name in node.attrib:
            plain = str(name).removeprefix(prefix)
            if plain != name and plain not in allowed:
                known = ", ".join(f"hub:{each}" for each in sorted(allowed)) or "keine"
                yield ModelFault(_holder(node), node.sourceline, "hub.attribute",
                                 f"hub:{plain} gibt es an „{tag}“ nicht.", f"Erlaubt: {known}.")  # fmt: skip


def _expressions(document: Document, decisions: Decisions) -> Iterator[ModelFault]:
    known = written(document) | dialect.READ_ONLY
    for item in expressions_of(document):
        try:
            compiled = expression(item.source)
        except ExpressionError as error:
            yield ModelFault(item.element, item.line, "feel.syntax", f"{item.what}: {error}",
                             "Den FEEL-Ausdruck berichtigen.")  # fmt: skip
            continue
        for name in sorted(compiled.names - known):
            yield ModelFault(item.element, item.line, "feel.name",
                             f"{item.what}: „{name}“ ist keine Prozessvariable dieses Modells.",
                             "Schreibweise prüfen oder den Wert mit hub:variables/hub:result setzen.")  # fmt: skip


def _fault(element: Element, code: str, message: str, remedy: str) -> ModelFault:
    return ModelFault(element.id, element.line, code, message, remedy)
