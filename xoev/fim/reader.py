"""Read XDatenfelder 2.0 and 3.0.0 files into the model; every fault is collected, none is guessed away."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, TypeVar

from lxml import etree

from xoev.fim.model import (
    ONCE,
    CodeList,
    Constraints,
    DataType,
    Document,
    Element,
    Field,
    FieldKind,
    Group,
    Legal,
    Multiplicity,
    Rule,
    SchemaError,
)
from xoev.fim.slug import sibling_slugs, slug
from xoev.report import Fault
from xoev.safe import UnsafeInput, line_of, parse_xml

NAMESPACES = {
    "urn:xoev-de:fim:standard:xdatenfelder_3.0.0": "3.0.0",
    "urn:xoev-de:fim:standard:xdatenfelder_2": "2.0",
}
_MESSAGES = {
    "xdatenfelder.stammdatenschema.0102": "stammdatenschema",
    "xdatenfelder.datenfeldgruppe.0103": "datenfeldgruppe",
}
_STATUS_3 = frozenset("12345678")  # urn:xoev-de:xprozess:codeliste:status, version 2022-07-12
_STATUS_2 = frozenset({"inVorbereitung", "aktiv", "inaktiv"})
_MULTIPLICITY = re.compile(r"(\d+):(\d+|\*)")
_ID = re.compile(r"[A-Z]\d+")

_Coded = TypeVar("_Coded", FieldKind, DataType)
CodeLists = Mapping[str, Mapping[str, str]]


def read(data: bytes, code_lists: CodeLists | None = None) -> Document:
    """Read one file.

    ``code_lists`` maps ``canonicalVersionUri`` to code -> label for lists the schema only refers to.
    Raises `SchemaError` with every fault found.
    """
    try:
        root = parse_xml(data)
    except UnsafeInput as unsafe:
        raise SchemaError([unsafe.fault]) from unsafe
    name = etree.QName(root)
    version = NAMESPACES.get(name.namespace or "")
    if version is None:
        raise SchemaError(
            [Fault(line_of(root), "", "fim.namespace", f"Kein XDatenfelder 2.0 oder 3.0.0: „{name.namespace}“.")]
        )
    content = _MESSAGES.get(name.localname)
    if content is None:
        message = f"Die Nachricht „{name.localname}“ enthält weder ein Datenschema noch eine Datenfeldgruppe."
        raise SchemaError([Fault(line_of(root), "", "fim.message", message)])
    return _Reader(version, name.namespace or "", code_lists or {}).document(root, content)


class _Reader:
    """One pass over one file. Faults are collected in ``faults``; placeholder values keep the pass going."""

    def __init__(self, version: str, namespace: str, code_lists: CodeLists) -> None:
        self.version = version
        self.prefix = f"{{{namespace}}}"
        self.code_lists = code_lists
        self.faults: list[Fault] = []

    def document(self, root: etree._Element, content: str) -> Document:
        node = self.one(root, content, "")
        if node is None:
            raise SchemaError(self.faults)
        group = self.group(node, ONCE, "", slug(self.text(node, "name", "") or "schema"))
        status = self.status(node, f"/{group.id}")
        if self.faults:
            raise SchemaError(self.faults)
        return Document(self.version, group, status)

    # -- elements

    def group(self, node: etree._Element, multiplicity: Multiplicity, path: str, name: str) -> Group:
        common = self.common(node, multiplicity, path, name)
        path = f"{path}/{common['id']}"
        found: list[tuple[etree._Element, Multiplicity]] = []
        for structure in node.findall(f"{self.prefix}struktur"):
            times = self.multiplicity(structure, path)
            content = self.one(structure, "enthaelt", path)
            inside = [] if content is None else list(content.iterchildren(etree.Element))
            found += [(item, times) for item in inside]
        slugs = sibling_slugs(self.text(item, "name", path) or "" for item, _ in found)
        children = [self.element(item, times, path, own) for (item, times), own in zip(found, slugs, strict=True)]
        self.no_duplicates(children, path)
        rules = tuple(self.rule(item, path) for item in node.findall(f"{self.prefix}regel"))
        choice = self.code(node, "art", path) == "X"
        return Group(**common, children=tuple(children), rules=rules, choice=choice)

    def element(self, node: etree._Element, multiplicity: Multiplicity, path: str, name: str) -> Element:
        if node.tag == f"{self.prefix}datenfeldgruppe":
            group = self.group(node, multiplicity, path, name)
            self.status(node, f"{path}/{group.id}")
            return group
        if node.tag != f"{self.prefix}datenfeld":
            self.fault(node, path, "fim.unexpected", f"Unerwartetes Element <{etree.QName(node).localname}>.")
        return self.field(node, multiplicity, path, name)

    def field(self, node: etree._Element, multiplicity: Multiplicity, path: str, name: str) -> Field:
        common = self.common(node, multiplicity, path, name)
        path = f"{path}/{common['id']}"
        self.status(node, path)
        kind = self.code_of(FieldKind, node, "feldart", path, FieldKind.INPUT)
        datatype = self.code_of(DataType, node, "datentyp", path, DataType.TEXT)
        codes = self.codes(node, path) if kind is FieldKind.SELECT else None
        return Field(
            **common,
            kind=kind,
            datatype=datatype,
            constraints=self.constraints(node, path),
            codes=codes,
            content=self.text(node, "inhalt", path),
        )

    def common(self, node: etree._Element, multiplicity: Multiplicity, path: str, name: str) -> dict[str, Any]:
        identity = self.one(node, "identifikation", path)
        own_id = "" if identity is None else self.required_text(identity, "id", path)
        if own_id and not _ID.fullmatch(own_id):
            self.fault(identity, path, "fim.id", f"„{own_id}“ ist keine FIM-Kennung (Buchstabe und Ziffern).")
        path = f"{path}/{own_id}"
        title = self.required_text(node, "name", path)
        label = self.text(node, "bezeichnungEingabe", path) or self.text(node, "bezeichnung", path) or title
        return {
            "id": own_id,
            "version": "" if identity is None else self.required_text(identity, "version", path),
            "name": title,
            "slug": name,
            "label": label,
            "output_label": self.text(node, "bezeichnungAusgabe", path) or label,
            "help": self.text(node, "hilfetextEingabe", path) or self.text(node, "hilfetext", path),
            "output_help": self.text(node, "hilfetextAusgabe", path),
            "definition": self.text(node, "definition", path) or self.text(node, "beschreibung", path),
            "legal": tuple(
                Legal(text, item.get("link"))
                for item in node.findall(f"{self.prefix}bezug")
                if (text := _clean(item.text))
            ),
            "multiplicity": multiplicity,
            "line": line_of(node),
        }

    # -- parts of elements

    def rule(self, node: etree._Element, path: str) -> Rule:
        identity = self.one(node, "identifikation", path)
        own_id = "" if identity is None else self.required_text(identity, "id", path)
        text = self.text(node, "freitextRegel", path) or self.text(node, "definition", path)
        text = text or self.text(node, "beschreibung", path) or ""
        return Rule(own_id, self.text(node, "name", path) or own_id, text, line_of(node))

    def multiplicity(self, structure: etree._Element, path: str) -> Multiplicity:
        text = self.required_text(structure, "anzahl", path)
        match = _MULTIPLICITY.fullmatch(text)
        if match is None:
            if text:
                self.fault(structure, path, "fim.multiplicity", f"„{text}“ ist keine Anzahl wie 1:1 oder 0:*.")
            return ONCE
        low, high = int(match[1]), None if match[2] == "*" else int(match[2])
        if high is not None and (high < low or high == 0):
            self.fault(structure, path, "fim.multiplicity", f"Die Anzahl {text} kann nie erfüllt werden.")
        return Multiplicity(low, high)

    def constraints(self, node: etree._Element, path: str) -> Constraints:
        item = self.one(node, "praezisierung", path, optional=True)
        if item is None:
            return Constraints()
        values: Mapping[str, Any] = {str(key): value for key, value in item.attrib.items()}
        if text := _clean(item.text):  # XDF 2 writes a JSON object instead of attributes
            values = self.json_constraints(item, text, path)
        pattern = values.get("pattern") or None
        if pattern is not None:
            try:
                re.compile(pattern)
            except re.error:
                self.fault(item, path, "fim.pattern", f"Das Muster „{pattern}“ ist kein regulärer Ausdruck.")
                pattern = None
        return Constraints(
            self.whole(item, values, "minLength", path),
            self.whole(item, values, "maxLength", path),
            self.number(item, values, "minValue", path),
            self.number(item, values, "maxValue", path),
            pattern,
        )

    def json_constraints(self, item: etree._Element, text: str, path: str) -> Mapping[str, Any]:
        try:
            values = json.loads(text)
        except ValueError:
            values = None
        if not isinstance(values, dict):
            self.fault(item, path, "fim.constraint", "Die Präzisierung ist kein JSON-Objekt.")
            return {}
        return {key: str(value) for key, value in values.items()}

    def whole(self, item: etree._Element, values: Mapping[str, Any], key: str, path: str) -> int | None:
        text = values.get(key) or None
        if text is None or str(text).isdigit():
            return None if text is None else int(text)
        self.fault(item, path, "fim.constraint", f"{key} muss eine ganze Zahl sein, ist aber „{text}“.")
        return None

    def number(self, item: etree._Element, values: Mapping[str, Any], key: str, path: str) -> str | None:
        text = values.get(key) or None
        if text is None:
            return None
        text = str(text).replace(",", ".")
        if re.fullmatch(r"[+-]?\d+(\.\d+)?|\d{4}-\d{2}-\d{2}.*", text):
            return text
        self.fault(item, path, "fim.constraint", f"{key} muss eine Zahl oder ein Datum sein, ist aber „{text}“.")
        return None

    def codes(self, node: etree._Element, path: str) -> CodeList | None:
        values: list[tuple[str, str]] = []
        inline = self.one(node, "werte", path, optional=True)
        for item in [] if inline is None else inline.findall(f"{self.prefix}wert"):
            code = self.required_text(item, "code", path)
            if any(code == known for known, _ in values):
                self.fault(item, path, "fim.codes", f"Der Code „{code}“ kommt zweimal vor.")
            values.append((code, self.text(item, "name", path) or code))
        reference = next(node.iter(f"{self.prefix}canonicalVersionUri"), None)
        uri = None if reference is None else _clean(reference.text)
        if not values and uri:
            values = list(self.code_lists.get(uri, {}).items())
        return CodeList(uri, tuple(values)) if values or uri else None

    def status(self, node: etree._Element, path: str) -> str | None:
        """Check the release state (Freigabestatus in 3.0.0, Status in 2.0)."""
        tag, allowed = ("status", _STATUS_2) if self.version == "2.0" else ("freigabestatus", _STATUS_3)
        value = self.code(node, tag, path)
        if value is not None and value not in allowed:
            item = node.find(f"{self.prefix}{tag}")
            self.fault(item, path, "fim.status", f"„{value}“ ist kein Freigabestatus.")
        return value

    def no_duplicates(self, children: list[Element], path: str) -> None:
        seen: set[str] = set()
        for child in children:
            if child.id in seen:
                self.faults.append(
                    Fault(child.line, path, "fim.duplicate", f"{child.id} kommt in derselben Gruppe zweimal vor.")
                )
            seen.add(child.id)

    # -- reading

    def code_of(self, codes: type[_Coded], node: etree._Element, tag: str, path: str, default: _Coded) -> _Coded:
        """The enum member of a coded element, or a fault that lists what would be allowed."""
        value = self.code(node, tag, path)
        try:
            return codes(value or "")
        except ValueError:
            allowed = ", ".join(member.value for member in codes)
            item = node.find(f"{self.prefix}{tag}")
            said = "fehlt" if value is None else f"„{value}“ ist unbekannt"
            where = node if item is None else item
            self.fault(where, path, "fim.code", f"<{tag}>: {said}; zulässig: {allowed}.")
            return default

    def code(self, node: etree._Element, tag: str, path: str) -> str | None:
        """The code of a coded element; XDatenfelder writes ``<code>`` without namespace."""
        item = self.one(node, tag, path, optional=True)
        if item is None:
            return None
        code = item.find("code")
        if code is None:
            code = item.find(f"{self.prefix}code")
        return None if code is None else _clean(code.text)

    def text(self, node: etree._Element, tag: str, path: str) -> str | None:
        item = self.one(node, tag, path, optional=True)
        return None if item is None else _clean(item.text)

    def required_text(self, node: etree._Element, tag: str, path: str) -> str:
        item = self.one(node, tag, path)
        text = None if item is None else _clean(item.text)
        if item is not None and text is None:
            self.fault(item, path, "fim.empty", f"Das Element <{tag}> ist leer.")
        return text or ""

    def one(self, node: etree._Element, tag: str, path: str, *, optional: bool = False) -> etree._Element | None:
        found = node.findall(f"{self.prefix}{tag}")
        if len(found) > 1:
            self.fault(found[1], path, "fim.duplicate", f"Das Element <{tag}> darf nur einmal vorkommen.")
        if not found and not optional:
            inside = etree.QName(node).localname
            self.fault(node, path, "fim.missing", f"In <{inside}> fehlt das Element <{tag}>.")
        return found[0] if found else None

    def fault(self, node: etree._Element | None, path: str, code: str, message: str) -> None:
        line = None if node is None else line_of(node)
        fault = Fault(line, path, code, message)
        if fault not in self.faults:  # names are looked at twice, once for the slug
            self.faults.append(fault)


def _clean(text: str | None) -> str | None:
    return (text or "").strip() or None
