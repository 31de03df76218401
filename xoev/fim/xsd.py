"""Write the XML Schema of the XML form, for senders and for validation with line numbers."""

from __future__ import annotations

from typing import cast

from lxml import etree

from xoev.fim.json_schema import NUMBERS, TEXTS
from xoev.fim.model import DataType, Element, Field, Group

_XS = "http://www.w3.org/2001/XMLSchema"
_BASES = {
    DataType.TEXT: "string",
    DataType.TEXT_LATIN: "string",
    DataType.DATE: "date",
    DataType.TIME: "string",
    DataType.TIMEONLY: "string",
    DataType.DATETIME: "dateTime",
    DataType.BOOL: "boolean",
    DataType.NUM: "decimal",
    DataType.NUM_INT: "integer",
    DataType.NUM_CURRENCY: "decimal",
    DataType.FILE: "string",
    DataType.OBJ: "string",
}
_TIME = r"([01]\d|2[0-3]):[0-5]\d(:[0-5]\d)?"


def to_xsd(root: Group, namespace: str) -> bytes:
    """The schema document; one global element, everything else local."""
    schema = etree.Element(
        f"{{{_XS}}}schema",
        {"targetNamespace": namespace, "elementFormDefault": "qualified", "version": root.version},
        nsmap=_namespaces(namespace),
    )
    node = _add(schema, "element", name=root.slug)
    _group(root, node)
    return etree.tostring(schema, encoding="utf-8", xml_declaration=True, pretty_print=True)


def _group(group: Group, node: etree._Element) -> None:
    _document(group, node)
    content = _add(_add(node, "complexType"), "choice" if group.choice else "sequence")
    children = list(group.data_children())
    if group.choice and not children:
        content.tag = f"{{{_XS}}}sequence"
    for child in children:
        times = child.multiplicity
        low = max(times.low, 1) if group.choice else times.low
        high = "unbounded" if times.high is None else str(times.high)
        item = _add(content, "element", name=child.slug, minOccurs=str(low), maxOccurs=high)
        if isinstance(child, Group):
            _group(child, item)
        elif isinstance(child, Field):
            _field(child, item, required=times.required or group.choice)


def _field(field: Field, node: etree._Element, *, required: bool) -> None:
    _document(field, node)
    restriction = _add(_add(node, "simpleType"), "restriction", base=f"xs:{_BASES[field.datatype]}")
    limits = field.constraints
    for code, _ in field.codes.values if field.codes else ():
        _add(restriction, "enumeration", value=code)
    if field.datatype in NUMBERS:
        for facet, text in (("minInclusive", limits.min_value), ("maxInclusive", limits.max_value)):
            if text is not None and "-" not in text[1:] and not (field.datatype is DataType.NUM_INT and "." in text):
                _add(restriction, facet, value=text)
        if field.datatype is DataType.NUM_CURRENCY:
            _add(restriction, "fractionDigits", value="2")
    elif field.datatype in TEXTS:
        low = limits.min_length or (1 if required else 0)
        if low:
            _add(restriction, "minLength", value=str(low))
        if limits.max_length is not None:
            _add(restriction, "maxLength", value=str(limits.max_length))
        if limits.pattern and (pattern := _xsd_pattern(limits.pattern)):
            _add(restriction, "pattern", value=pattern)
    elif field.datatype in (DataType.TIME, DataType.TIMEONLY):
        _add(restriction, "pattern", value=_TIME)


def _xsd_pattern(pattern: str) -> str | None:
    """The pattern without anchors, or None where XML Schema has no such expression; `check` still applies it."""
    plain = pattern.removeprefix("^").removesuffix("$").replace("(?:", "(")
    schema = etree.Element(f"{{{_XS}}}schema", nsmap={"xs": _XS})
    restriction = _add(_add(schema, "simpleType", name="t"), "restriction", base="xs:string")
    _add(restriction, "pattern", value=plain)
    try:
        etree.XMLSchema(schema)
    except etree.XMLSchemaParseError:
        return None
    return plain


def _document(element: Element, node: etree._Element) -> None:
    """Say in the schema which FIM element this is."""
    text = f"{element.id} {element.version} {element.name}"
    _add(_add(node, "annotation"), "documentation").text = text


def _namespaces(own: str) -> dict[str, str]:
    names: dict[str | None, str] = {"xs": _XS, None: own}
    return cast(dict[str, str], names)  # the stubs do not know the default namespace


def _add(parent: etree._Element, tag: str, **attributes: str) -> etree._Element:
    return etree.SubElement(parent, f"{{{_XS}}}{tag}", attributes)
