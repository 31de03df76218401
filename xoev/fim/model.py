"""What an XDatenfelder message describes: groups, fields, code lists and rules, independent of its version.

Source: FIM-Baustein Datenfelder, XDatenfelder 2.0 and 3.0.0 (XRepository
``urn:xoev-de:fim:standard:xdatenfelder``). German terms in brackets are those of the standard.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from xoev.report import Fault


class SchemaError(ValueError):
    """A data schema file cannot be used; ``faults`` names every reason with line and element id."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = list(faults)
        super().__init__("; ".join(f"Zeile {fault.line or '?'}: {fault.message}" for fault in self.faults[:5]))


class FieldKind(StrEnum):
    """How a field is filled (Feldart)."""

    INPUT = "input"
    SELECT = "select"
    LABEL = "label"
    HIDDEN = "hidden"
    LOCKED = "locked"


class DataType(StrEnum):
    """What a field holds (Datentyp, code list version 2.0, and ``timeonly`` of older exports)."""

    TEXT = "text"
    TEXT_LATIN = "text_latin"
    DATE = "date"
    TIME = "time"
    TIMEONLY = "timeonly"
    DATETIME = "datetime"
    BOOL = "bool"
    NUM = "num"
    NUM_INT = "num_int"
    NUM_CURRENCY = "num_currency"
    FILE = "file"
    OBJ = "obj"


@dataclass(frozen=True, slots=True)
class Legal:
    """One legal reference (Bezug) with its link, when the schema gives one."""

    text: str
    link: str | None = None


@dataclass(frozen=True, slots=True)
class Multiplicity:
    """How often an element may occur (Anzahl); ``high`` is None for ``*``."""

    low: int
    high: int | None

    @property
    def required(self) -> bool:
        return self.low > 0

    @property
    def repeated(self) -> bool:
        """True when the data holds a list, also for a list of at most one entry the sender may send."""
        return self.high is None or self.high > 1


ONCE = Multiplicity(1, 1)


@dataclass(frozen=True, slots=True)
class Constraints:
    """The narrowing of a field (Präzisierung). Values stay text: ``0.1`` must not become a float."""

    min_length: int | None = None
    max_length: int | None = None
    min_value: str | None = None
    max_value: str | None = None
    pattern: str | None = None


@dataclass(frozen=True, slots=True)
class CodeList:
    """A code list, inline (``values``) or by reference (``uri``; empty ``values`` when it is not installed)."""

    uri: str | None
    values: tuple[tuple[str, str], ...] = ()

    def label(self, code: object) -> str | None:
        return next((label for value, label in self.values if value == code), None)


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule (Regel) of a group or schema in the words of its authors."""

    id: str
    name: str
    text: str
    line: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Element:
    """What fields and groups share. ``slug`` is unique among siblings."""

    id: str
    version: str
    name: str
    slug: str
    label: str
    output_label: str
    help: str | None
    output_help: str | None
    definition: str | None
    legal: tuple[Legal, ...]
    multiplicity: Multiplicity
    line: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Field(Element):
    """A data field (Datenfeld)."""

    kind: FieldKind
    datatype: DataType
    constraints: Constraints
    codes: CodeList | None
    content: str | None

    @property
    def carries_data(self) -> bool:
        """A label (Hinweistext) is shown in the form and never sent."""
        return self.kind is not FieldKind.LABEL


@dataclass(frozen=True, slots=True, kw_only=True)
class Group(Element):
    """A group (Datenfeldgruppe). In a choice (Auswahlgruppe) exactly one child is given."""

    children: tuple[Element, ...]
    rules: tuple[Rule, ...]
    choice: bool

    def data_children(self) -> Iterator[Element]:
        """The children that occur in the data: every group, and every field that is no label."""
        for child in self.children:
            if isinstance(child, Group) or (isinstance(child, Field) and child.carries_data):
                yield child


@dataclass(frozen=True, slots=True)
class Document:
    """One read XDatenfelder file. ``root`` is the schema itself, seen as a group."""

    xdf_version: str
    root: Group
    released: str | None
