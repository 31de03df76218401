"""Where expressions stand in a model, and which process variables it writes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from workflows.document import Document, Element
from workflows.engine.clock import literal
from workflows.feel import ExpressionError
from workflows.feel import nodes as n
from workflows.feel.parser import parse_expression


@dataclass(frozen=True)
class Place:
    """One expression of a model. ``what`` names it in German."""

    element: str
    line: int | None
    what: str
    source: str


def expressions_of(document: Document) -> Iterator[Place]:
    """Every FEEL expression of a document; ISO literals in timers and due dates are none."""
    for scope in document.scopes.values():
        for element in scope.elements.values():
            yield from _of_element(element)
            if element.tag not in ("exclusiveGateway", "inclusiveGateway"):
                continue
            for flow in element.outgoing:
                if flow.condition:
                    yield Place(flow.id or element.id, flow.line, "Bedingung", flow.condition)


def _of_element(element: Element) -> Iterator[Place]:
    for trigger in element.triggers:
        if trigger.kind == "timer" and trigger.form != "deadline" and trigger.text and literal(trigger.text) is None:
            yield Place(element.id, trigger.line, "Zeit", trigger.text)
    due = element.hub("due")
    if due and literal(due) is None:
        yield Place(element.id, element.line, "hub:due", due)
    for name, source in element.inputs():
        yield Place(element.id, element.line, f"hub:input {name}", source)
    if element.tag == "scriptTask" and element.script():
        yield Place(element.id, element.line, "Skript", element.script())


def sources(document: Document) -> list[str]:
    return [place.source for place in expressions_of(document)]


def written(document: Document) -> frozenset[str]:
    """Every process variable that some element of the model may write."""
    names: set[str] = set()
    for element in document.elements():
        names |= set(element.words("variables"))
        if element.hub("result"):
            names.add(element.hub("result"))
        elif element.tag == "businessRuleTask":
            names.add(element.hub("decision"))
        elif element.tag == "scriptTask":
            names |= _merged(element.script())
    return frozenset(names)


def _merged(source: str) -> set[str]:
    """Keys of a script that is a context."""
    try:
        tree = parse_expression(source)
    except ExpressionError:
        return set()
    return {key for key, _ in tree.entries} if isinstance(tree, n.ContextNode) else set()
