"""A description of the form, JSON-able, for whoever draws it."""

from __future__ import annotations

from typing import Any

from xoev.fim.model import Element, Field, Group


def form(root: Group) -> dict[str, Any]:
    """The whole schema as nested ``elements``; ``name`` is the slug, ``id`` the key of the data."""
    return {
        "id": root.id,
        "version": root.version,
        "title": root.label,
        "help": root.help,
        "legal": _legal(root),
        "elements": [_element(child) for child in root.children],
    }


def _element(element: Element) -> dict[str, Any]:
    common: dict[str, Any] = {
        "id": element.id,
        "name": element.slug,
        "label": element.label,
        "help": element.help,
        "legal": _legal(element),
        "required": element.multiplicity.required,
        "repeat": None,
    }
    if element.multiplicity.repeated:
        common["repeat"] = {"min": element.multiplicity.low, "max": element.multiplicity.high}
    if isinstance(element, Group):
        rules = [{"id": rule.id, "name": rule.name, "text": rule.text} for rule in element.rules]
        inner = [_element(child) for child in element.children]
        return {"kind": "choice" if element.choice else "group", **common, "rules": rules, "elements": inner}
    return common | _field(element) if isinstance(element, Field) else common


def _field(field: Field) -> dict[str, Any]:
    if not field.carries_data:
        return {"kind": "text", "required": False, "content": field.content}
    limits = field.constraints
    described = {
        "kind": "field",
        "type": field.datatype.value,
        "choices": [{"value": value, "label": label} for value, label in field.codes.values] if field.codes else None,
        "code_list": field.codes.uri if field.codes else None,
        "hidden": field.kind.value == "hidden",
        "read_only": field.kind.value == "locked",
        "default": field.content,
        "min_length": limits.min_length,
        "max_length": limits.max_length,
        "min": limits.min_value,
        "max": limits.max_value,
        "pattern": limits.pattern,
    }
    return {key: value for key, value in described.items() if value is not None}


def _legal(element: Element) -> list[dict[str, str | None]]:
    return [{"text": legal.text, "link": legal.link} for legal in element.legal]
