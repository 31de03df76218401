"""The reading view: an application as a caseworker reads it, never as raw data."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from xoev.fim.check import pointer
from xoev.fim.model import DataType, Field, Group
from xoev.fim.rules import RuleBook
from xoev.view import Row, Section

_BERLIN = ZoneInfo("Europe/Berlin")


def view(root: Group, instance: Mapping[str, Any], rules: RuleBook) -> list[Section]:
    """Sections in the order of the schema; empty groups are left out.

    Values that do not fit the schema are shown as they are. Rules no machine can check come last, for the
    groups that were filled.
    """
    own, sections = _content(root, instance, [])
    result = [Section(root.output_label, tuple(own))] if own else []
    result += sections
    notes = tuple(Row(f"Hinweis: {rule.name}", text, pointer(steps)) for steps, rule, text in rules.notes(instance))
    if notes:
        result.append(Section("Bitte selbst prüfen (Regeln in Textform)", notes))
    return result


def _content(group: Group, data: Mapping[str, Any], steps: list[str | int]) -> tuple[list[Row], list[Section]]:
    rows: list[Row] = []
    sections: list[Section] = []
    for child in group.data_children():
        if child.id not in data:
            continue
        value = data[child.id]
        inner: list[str | int] = [*steps, child.id]
        entries = value if isinstance(value, list) else [value]
        for index, entry in enumerate(entries):
            place = [*inner, index] if isinstance(value, list) else inner
            label = child.output_label
            if isinstance(child, Group) and isinstance(entry, dict):
                title = f"{label} {index + 1}" if len(entries) > 1 else label
                own, below = _content(child, entry, place)
                if own or below:
                    sections.append(Section(title, tuple(own), tuple(below)))
            else:
                text = german(child, entry) if isinstance(child, Field) else str(entry)
                rows.append(Row(f"{label} {index + 1}" if len(entries) > 1 else label, text, pointer(place)))
    rows += _unknown(group, data, steps)
    return rows, sections


def _unknown(group: Group, data: Mapping[str, Any], steps: list[str | int]) -> list[Row]:
    """What the sender added without the schema knowing it must not vanish from sight."""
    known = {child.id for child in group.data_children()} | {"$schema"}
    return [
        Row(f"Unbekannte Angabe {key}", str(value), pointer([*steps, key]))
        for key, value in data.items()
        if key not in known
    ]


def german(field: Field, value: Any) -> str:
    """One value as people write it in German."""
    if value is None:
        return ""
    if field.codes and (label := field.codes.label(str(value))):
        return label
    if isinstance(value, bool):
        return "Ja" if value else "Nein"
    if isinstance(value, (int, float)):
        return _number(field, value)
    return _moment(field.datatype, str(value))


def _number(field: Field, value: Any) -> str:
    if field.datatype is DataType.NUM_CURRENCY:
        return f"{_grouped(f'{value:,.2f}')} €"
    if field.constraints.min_value == "1850":  # a year is not grouped
        return str(value)
    return _grouped(f"{value:,}") if abs(value) >= 10_000 or isinstance(value, float) else str(value)


def _grouped(text: str) -> str:
    return text.translate(str.maketrans(",.", ".,"))


def _moment(datatype: DataType, text: str) -> str:
    try:
        if datatype is DataType.DATE:
            return f"{date.fromisoformat(text):%d.%m.%Y}"
        if datatype is DataType.DATETIME:
            moment = datetime.fromisoformat(text)
            local = moment.astimezone(_BERLIN) if moment.tzinfo else moment
            return f"{local:%d.%m.%Y, %H:%M} Uhr"
    except ValueError:
        return text
    if datatype in (DataType.TIME, DataType.TIMEONLY):
        return f"{text[:5]} Uhr"
    return text
