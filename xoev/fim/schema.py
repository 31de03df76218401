"""A data schema ready for use: compiled once, then shared by every request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lxml import etree

from xoev.fim.check import Checker
from xoev.fim.form import form
from xoev.fim.json_schema import json_schema
from xoev.fim.model import Document, Group, SchemaError
from xoev.fim.readable import plan_back, plan_readable, rename
from xoev.fim.reader import CodeLists, read
from xoev.fim.reading_view import view
from xoev.fim.rules import RuleBook
from xoev.fim.xml_form import XmlForm, with_lines
from xoev.fim.xsd import to_xsd
from xoev.report import Fault
from xoev.view import Section


class DataSchema:
    """One FIM data schema (Datenschema) in one version.

    Instances are immutable and thread-safe. An *instance* of the data is a dict under FIM ids, as in JSON.
    """

    def __init__(self, document: Document) -> None:
        self.root: Group = document.root
        self.xdf_version = document.xdf_version
        self.id = self.root.id
        self.version = self.root.version
        self.title = self.root.label
        self.uri = f"urn:fim:{self.id}:{self.version}"
        self._readable = plan_readable(self.root)
        self._back = plan_back(self.root)
        self._xml = XmlForm(self.root, self.uri)
        self.rules = RuleBook(self.root)
        self._schema = json_schema(self.root, self.uri)
        try:
            self._checker = Checker(self.root, self._schema)
        except ValueError as error:  # a pattern that is legal for Python and not for ECMAScript
            fault = Fault(None, f"/{self.id}", "fim.compile", f"Das Schema ist nicht übersetzbar: {error}")
            raise SchemaError([fault]) from error

    def __repr__(self) -> str:
        return f"<DataSchema {self.id} {self.version}>"

    def json_schema(self) -> dict[str, Any]:
        """JSON Schema 2020-12 with FIM ids as keys."""
        return self._schema

    def check(self, instance: object) -> list[Fault]:
        """Every fault of ``instance`` with JSON Pointer; an empty list means valid."""
        return self._checker.faults(instance) + self.rules.faults(instance)

    def readable(self, instance: Mapping[str, Any]) -> dict[str, Any]:
        """``instance`` under snake_case names of its elements."""
        return rename(self._readable, instance)

    def from_readable(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """The inverse of `readable`."""
        return rename(self._back, data)

    def view(self, instance: Mapping[str, Any]) -> list[Section]:
        """The reading view in German, code values by their labels."""
        return view(self.root, instance, self.rules)

    def form(self) -> dict[str, Any]:
        """A JSON-able description of the form."""
        return form(self.root)

    def read_xml(self, root: etree._Element) -> dict[str, Any]:
        """The data of an XML document; what the schema does not know is left out (`check_xml` reports it)."""
        return self._xml.read(root)[0]

    def check_xml(self, root: etree._Element) -> list[Fault]:
        """Every fault of an XML document, with its line."""
        data, lines, faults = self._xml.read(root)
        if not faults or faults[0].code != "schema.root":
            faults = [*faults, *self.check(data)]
        return with_lines(faults, lines)

    def write_xml(self, instance: Mapping[str, Any]) -> bytes:
        """The XML form of a valid instance."""
        return self._xml.write(instance)

    def to_xsd(self) -> bytes:
        """The XML Schema of the XML form."""
        return to_xsd(self.root, self.uri)


def load(data: bytes, *, code_lists: CodeLists | None = None) -> DataSchema:
    """Load an XDatenfelder 3.0.0 or 2.0 file (data schema or single group).

    ``code_lists`` maps ``canonicalVersionUri`` to code -> label for lists that are only referred to; without
    it such fields accept any text. Raises `SchemaError`.
    """
    return DataSchema(read(data, code_lists))
