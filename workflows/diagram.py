"""Adds the diagram (BPMNDI) that a model lacks, so that every model can be looked at and edited."""

from __future__ import annotations

import re
from typing import Any

from lxml import etree

from workflows import document, layout
from workflows.dialect import BPMNDI, DC, DI


def has_diagram(root: Any) -> bool:
    return root.find(f".//{{{BPMNDI}}}BPMNShape") is not None


def ensure_diagram(bpmn: bytes, *, again: bool = False) -> bytes:
    """The same file with a diagram; unchanged if it has one (unless ``again``).

    Everything before the diagram stays byte for byte as it was. Raises ModelError for what is no BPMN.
    """
    doc = document.read(bpmn)
    if has_diagram(doc.root):
        if not again:
            return bpmn
        bpmn = _without_diagram(bpmn)
        doc = document.read(bpmn)
    process = next((each for each in doc.processes if doc.scopes[each].node.get("isExecutable") != "false"), None)
    if process is None:
        return bpmn
    drawing = layout.draw(doc, doc.scopes[process])
    drawing.shift(120, 60)
    text = _diagram(doc, process, drawing)
    head, tail = _split_at_end(bpmn)
    return head.rstrip() + b"\n" + text.encode() + b"\n" + tail


def _diagram(doc: document.Document, process: str, drawing: layout.Drawing) -> str:
    root = etree.Element(f"{{{BPMNDI}}}BPMNDiagram", {"id": f"{process}_diagram"},
                         nsmap={"bpmndi": BPMNDI, "dc": DC, "di": DI})  # fmt: skip
    plane = etree.SubElement(root, f"{{{BPMNDI}}}BPMNPlane", {"id": f"{process}_plane", "bpmnElement": process})
    for element_id, box in drawing.boxes.items():
        shape = etree.SubElement(plane, f"{{{BPMNDI}}}BPMNShape", {"id": f"{element_id}_di", "bpmnElement": element_id})
        element = doc.find(element_id)
        if element is not None and element.tag in document.SUBPROCESSES:
            shape.set("isExpanded", "true")
        if element is not None and element.tag == "exclusiveGateway":
            shape.set("isMarkerVisible", "true")
        sizes = {"x": box.x, "y": box.y, "width": box.width, "height": box.height}
        etree.SubElement(shape, f"{{{DC}}}Bounds", {key: _number(value) for key, value in sizes.items()})
    for flow_id, points in drawing.edges.items():
        edge = etree.SubElement(plane, f"{{{BPMNDI}}}BPMNEdge", {"id": f"{flow_id}_di", "bpmnElement": flow_id})
        for x, y in points:
            etree.SubElement(edge, f"{{{DI}}}waypoint", {"x": _number(x), "y": _number(y)})
    etree.indent(root, "  ", level=1)
    return "  " + etree.tostring(root, encoding="unicode")


def _number(value: float) -> str:
    return str(round(value))


_END = re.compile(rb"</(?:[\w.-]+:)?definitions\s*>\s*\Z")
_DIAGRAM = re.compile(rb"\s*<((?:[\w.-]+:)?BPMNDiagram)\b.*?</\1\s*>", re.DOTALL)


def _split_at_end(bpmn: bytes) -> tuple[bytes, bytes]:
    match = _END.search(bpmn)
    at = match.start() if match else len(bpmn)
    return bpmn[:at], bpmn[at:]


def _without_diagram(bpmn: bytes) -> bytes:
    return _DIAGRAM.sub(b"", bpmn)
