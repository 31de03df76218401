"""Data under readable names: what expressions, mappings and templates see, and the way back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from xoev.fim.model import Group

# key -> (new key, plan of the group behind it or None for a field)
Plan = dict[str, tuple[str, "Plan | None"]]


def plan_readable(group: Group) -> Plan:
    """The renaming from FIM ids to slugs."""
    return {
        child.id: (child.slug, plan_readable(child) if isinstance(child, Group) else None)
        for child in group.data_children()
    }


def plan_back(group: Group) -> Plan:
    """The renaming from slugs to FIM ids."""
    return {
        child.slug: (child.id, plan_back(child) if isinstance(child, Group) else None)
        for child in group.data_children()
    }


def rename(plan: Plan, data: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``data`` under its new names.

    Keys the schema does not know are left out. Values of the wrong shape pass unchanged, so that an
    application that fails its schema can still be read by a person.
    """
    result: dict[str, Any] = {}
    for key, value in data.items():
        step = plan.get(key)
        if step is None:
            continue
        name, inner = step
        if inner is None:
            result[name] = value
        elif isinstance(value, dict):
            result[name] = rename(inner, value)
        elif isinstance(value, list):
            result[name] = [rename(inner, item) if isinstance(item, dict) else item for item in value]
        else:
            result[name] = value
    return result
