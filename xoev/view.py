"""The reading view: what a caseworker sees instead of XML or JSON."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """One line: German label, value formatted for reading, path of its origin."""

    label: str
    value: str
    path: str


@dataclass(frozen=True, slots=True)
class Section:
    """A titled block of rows and inner sections, in reading order."""

    title: str
    rows: tuple[Row, ...] = ()
    sections: tuple[Section, ...] = ()
