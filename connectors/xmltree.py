"""The small convention between mappings and XML.

A mapping result becomes XML so: a one-key object is the root element; an object is an element whose keys are its
children **in order**; ``"@name"`` is an attribute, ``"#text"`` the text beside attributes; a list repeats the element;
``null`` and missing values leave the element out, ``""`` writes it empty; ``true``/``false`` are written as such. A key
``"p:name"`` uses prefix ``p`` of the manifest's ``namespaces``; without a prefix the namespace under ``""`` holds.
``{"#attachment": "<id>"}`` stands for the content of that attachment in base64; it is streamed, never held.

Reading goes the other way with prefixes dropped: the same key twice becomes a list.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from lxml import etree

from connectors.contract import ConnectorError


class TreeError(ConnectorError):
    """A mapping result cannot become XML, or the XML breaks its schema. The message names the place."""


def placeholder(attachment_id: str) -> str:
    """Stand-in text for an attachment's content; itself valid base64 so that a schema check passes."""
    return base64.b64encode(f"##attachment:{attachment_id}##".encode()).decode()


def build(tree: Any, namespaces: Mapping[str, str]) -> etree._Element:
    """The XML of a mapping result; raises :class:`TreeError`."""
    if not isinstance(tree, Mapping) or len(tree) != 1:
        raise TreeError("Das Mapping muss genau ein Wurzelelement liefern.")
    ((name, content),) = tree.items()
    nsmap: Any = {prefix or None: uri for prefix, uri in namespaces.items()}
    root = etree.Element(_qualified(name, namespaces), nsmap=nsmap)
    _fill(root, content, namespaces, name)
    return root


def _qualified(name: str, namespaces: Mapping[str, str], *, attribute: bool = False) -> str:
    prefix, colon, local = name.rpartition(":")
    if colon and prefix not in namespaces:
        raise TreeError(f"Der Präfix {prefix!r} von {name!r} fehlt unter namespaces im Manifest.")
    uri = None if attribute and not colon else namespaces.get(prefix)
    return f"{{{uri}}}{local}" if uri else local


def _fill(element: etree._Element, content: Any, namespaces: Mapping[str, str], path: str) -> None:
    if not isinstance(content, Mapping):
        element.text = _text(content, path)
        return
    for key, value in content.items():
        if value is None:
            continue
        if key.startswith("@"):
            element.set(_qualified(key[1:], namespaces, attribute=True), _text(value, f"{path}/{key}"))
        elif key == "#text":
            element.text = _text(value, path)
        elif key == "#attachment":
            element.text = placeholder(str(value))
        else:
            for entry in value if isinstance(value, list) else [value]:
                child = etree.SubElement(element, _qualified(key, namespaces))
                _fill(child, entry, namespaces, f"{path}/{key}")


def _text(value: Any, path: str) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if value is None or isinstance(value, str | int | float):
        text = "" if value is None else str(value)
        if any(ord(char) < 32 and char not in "\t\n\r" for char in text):
            raise TreeError(f"Der Wert von {path} enthält Steuerzeichen, die in XML nicht erlaubt sind.")
        return text
    raise TreeError(f"Der Wert von {path} ist kein Text, keine Zahl und kein Ja/Nein.")


def read(element: etree._Element) -> Any:
    """An element as object or text, prefixes dropped; mirrors :func:`build`."""
    children = list(element.iterchildren("*"))
    attributes = {f"@{etree.QName(str(name)).localname}": value for name, value in element.attrib.items()}
    if not children and not attributes:
        return element.text or ""
    result: dict[str, Any] = {**attributes}
    for child in children:
        name, value = etree.QName(child).localname, read(child)
        if name in result and not isinstance(result[name], list):
            result[name] = [result[name]]
        if name in result:
            result[name].append(value)
        else:
            result[name] = value
    if not children and element.text:
        result["#text"] = element.text
    return result


@lru_cache(maxsize=256)
def _schema(path: Path, modified: int) -> etree.XMLSchema:
    parser = etree.XMLParser(no_network=True, resolve_entities=False)
    return etree.XMLSchema(etree.parse(str(path), parser))


def check(root: etree._Element, schema_file: Path) -> None:
    """Raise :class:`TreeError` when ``root`` breaks the XSD of the connector folder. Values are not quoted."""
    try:
        schema = _schema(schema_file, schema_file.stat().st_mtime_ns)
    except (OSError, etree.LxmlError) as error:
        raise TreeError(f"Das Schema {schema_file.name} ist nicht lesbar: {type(error).__name__}.") from None
    check_with(root, schema)


def check_with(root: etree._Element, schema: etree.XMLSchema) -> None:
    """Raise :class:`TreeError` naming element and rule of the first fault."""
    if not schema.validate(root):
        faults: Any = schema.error_log
        fault = faults[0]
        raise TreeError(f"Die Nachricht verletzt das Schema bei {fault.path}: Regel {fault.type_name}.")


def serialise(root: etree._Element) -> bytes:
    """The XML as UTF-8 with declaration."""
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8")
