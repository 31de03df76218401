"""The application as people read it: sections and rows in German, never raw XML or JSON."""

from __future__ import annotations

from typing import Any

import xoev
from hub.library.process import Process
from xoev.view import Section


def reading_view(process: Process, original: bytes) -> list[Section]:
    """The application as a caseworker reads it; never raw XML or JSON."""
    if not original:
        return []
    if process.profile.intake.standard == "xrechnung":
        return list(xoev.xrechnung.view(original))
    if process.schema is None:
        return []
    try:
        if original.lstrip()[:1] == b"<":
            return list(process.schema.view(process.schema.read_xml(xoev.safe.parse_xml(original))))
        return list(process.schema.view(xoev.safe.parse_json(original)))
    except (KeyError, TypeError, ValueError, AttributeError):
        return []


def section_data(section: Section) -> dict[str, Any]:
    return {
        "title": section.title,
        "rows": [[row.label, row.value] for row in section.rows],
        "sections": [section_data(inner) for inner in section.sections],
    }
