"""The XML form of the data: namespace ``urn:fim:<id>:<version>``, elements named by slug, in the schema's order.

Repeated elements stand one after the other; codes, dates and booleans are written as in JSON.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, cast

from lxml import etree

from xoev.fim.json_schema import NUMBERS
from xoev.fim.model import DataType, Element, Field, Group
from xoev.report import Fault
from xoev.safe import line_of

Lines = dict[str, etree._Element]  # lines are counted only for faults: libxml2 counts slowly


class XmlForm:
    """Reader and writer for one schema."""

    def __init__(self, root: Group, namespace: str) -> None:
        self.root = root
        self.namespace = namespace
        self.tag = f"{{{namespace}}}{root.slug}"
        self._plans = {id(group): self._plan(group) for group in _groups(root)}

    def _plan(self, group: Group) -> dict[str, tuple[int, Element]]:
        children = enumerate(group.data_children())
        return {f"{{{self.namespace}}}{child.slug}": (place, child) for place, child in children}

    # -- reading

    def read(self, node: etree._Element) -> tuple[dict[str, Any], Lines, list[Fault]]:
        """Return the data, the element behind every JSON Pointer in it, and what has no place in the schema."""
        lines: Lines = {"": node}
        faults: list[Fault] = []
        if node.tag != self.tag:
            message = f"Erwartet wird das Element <{self.root.slug}> im Namensraum {self.namespace}."
            return {}, lines, [Fault(line_of(node), "", "schema.root", message)]
        return self._read_group(self.root, node, "", lines, faults), lines, faults

    def _read_group(
        self, group: Group, node: etree._Element, path: str, lines: Lines, faults: list[Fault]
    ) -> dict[str, Any]:
        plan = self._plans[id(group)]
        data: dict[str, Any] = {}
        last = -1
        for item in node.iterchildren(etree.Element):
            step = plan.get(item.tag)
            if step is None:
                name = etree.QName(item).localname
                message = f"Unbekanntes Element <{name[:60]}> in: {group.output_label}"
                faults.append(Fault(line_of(item), f"{path}/{name}", "schema.additional", message))
                continue
            place, child = step
            if place < last:
                message = f"Das Element <{child.slug}> steht an der falschen Stelle."
                faults.append(Fault(line_of(item), f"{path}/{child.id}", "schema.order", message))
            last = max(last, place)
            self._read_child(child, item, data, f"{path}/{child.id}", lines, faults)
        return data

    def _read_child(
        self,
        child: Element,
        item: etree._Element,
        data: dict[str, Any],
        path: str,
        lines: Lines,
        faults: list[Fault],
    ) -> None:
        entries: list[Any] | None = None
        if child.multiplicity.repeated:
            entries = data.setdefault(child.id, [])
            lines.setdefault(path, item)
            path = f"{path}/{len(entries)}"
        elif child.id in data:
            message = f"{child.output_label}: Diese Angabe darf nur einmal vorkommen."
            faults.append(Fault(line_of(item), path, "schema.count", message))
        lines[path] = item
        value: Any
        if isinstance(child, Group):
            value = self._read_group(child, item, path, lines, faults)
        else:
            value = _value(child, item.text or "")
        if entries is None:
            data[child.id] = value
        else:
            entries.append(value)

    # -- writing

    def write(self, instance: Mapping[str, Any]) -> bytes:
        """The XML document of a valid instance; what the schema does not know is left out."""
        names: dict[str | None, str] = {None: self.namespace}
        root = etree.Element(self.tag, nsmap=cast(dict[str, str], names))  # the stubs know no default namespace
        self._write_group(self.root, instance, root)
        return etree.tostring(root, encoding="utf-8", xml_declaration=True, pretty_print=True)

    def _write_group(self, group: Group, data: Mapping[str, Any], node: etree._Element) -> None:
        for child in group.data_children():
            if child.id not in data:
                continue
            value = data[child.id]
            for entry in value if isinstance(value, list) else [value]:
                item = etree.SubElement(node, f"{{{self.namespace}}}{child.slug}")
                if isinstance(child, Group):
                    self._write_group(child, entry, item)
                else:
                    item.text = _text(child, entry)


def with_lines(faults: list[Fault], lines: Lines) -> list[Fault]:
    """Give every fault the line of its place, or of the nearest element around it."""
    result: list[Fault] = []
    for fault in faults:
        path = fault.path
        while path and path not in lines:
            path = path.rpartition("/")[0]
        result.append(Fault(fault.line or line_of(lines[path]), fault.path, fault.code, fault.message))
    return sorted(result, key=lambda fault: fault.line or 0)


def _groups(group: Group) -> list[Group]:
    inner = [child for child in group.children if isinstance(child, Group)]
    return [group, *(deep for child in inner for deep in _groups(child))]


def _value(child: Element, text: str) -> Any:
    """The JSON value of an element's text; text that does not fit its type stays text, so that `check` names it."""
    if not isinstance(child, Field):
        return text
    stripped = text.strip()
    if child.datatype is DataType.BOOL:
        return {"true": True, "1": True, "false": False, "0": False}.get(stripped, text)
    if child.datatype not in NUMBERS:
        return text if child.datatype in (DataType.TEXT, DataType.TEXT_LATIN) else stripped
    try:
        number = Decimal(stripped)
    except InvalidOperation:
        return text
    if not number.is_finite() or number.adjusted() > 30:
        return text
    whole = child.datatype is DataType.NUM_INT or "." not in stripped
    return int(number) if whole and number == number.to_integral_value() else float(number)


def _text(child: Element, value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(child, Field) and child.datatype is DataType.NUM_CURRENCY and isinstance(value, int | float):
        return f"{value:.2f}"
    if isinstance(value, float):
        return format(Decimal(str(value)), "f")
    return str(value)
