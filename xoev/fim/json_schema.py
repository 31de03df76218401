"""Compile a data schema to JSON Schema 2020-12 in the form FITKO publishes for FIT-Connect.

Keys are FIM ids, groups nest as objects, repeated elements are arrays, every element is a ``$defs`` entry.
Differences to the published files, on purpose: unknown keys are refused, patterns match the whole value
(as in XML Schema), required texts must not be empty.
"""

from __future__ import annotations

from typing import Any

from xoev.fim.model import DataType, Element, Field, Group

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_TIME = r"^([01]\d|2[0-3]):[0-5]\d(:[0-5]\d)?$"
_TYPES: dict[DataType, dict[str, Any]] = {
    DataType.TEXT: {"type": "string"},
    DataType.TEXT_LATIN: {"type": "string"},
    DataType.DATE: {"type": "string", "format": "date"},
    DataType.TIME: {"type": "string", "pattern": _TIME},
    DataType.TIMEONLY: {"type": "string", "pattern": _TIME},
    DataType.DATETIME: {"type": "string", "format": "date-time"},
    DataType.BOOL: {"type": "boolean"},
    DataType.NUM: {"type": "number"},
    DataType.NUM_INT: {"type": "integer"},
    DataType.NUM_CURRENCY: {"type": "number", "multipleOf": 0.01},
    DataType.FILE: {"type": "string", "contentMediaType": "application/octet-stream"},
    DataType.OBJ: {"type": "string"},
}
TEXTS = frozenset({DataType.TEXT, DataType.TEXT_LATIN, DataType.FILE, DataType.OBJ})
NUMBERS = frozenset({DataType.NUM, DataType.NUM_INT, DataType.NUM_CURRENCY})


def json_schema(root: Group, uri: str) -> dict[str, Any]:
    """Return the JSON Schema of ``root``; ``uri`` becomes its ``$id``."""
    definitions: dict[str, dict[str, Any]] = {}
    schema = {"$schema": DIALECT, "$id": uri, **_group(root, definitions)}
    # FIT-Connect lets the data name its own schema.
    schema["properties"] = {"$schema": {"type": "string"}, **schema["properties"]}
    return {**schema, "$defs": dict(sorted(definitions.items()))}


def _group(group: Group, definitions: dict[str, dict[str, Any]]) -> dict[str, Any]:
    properties: dict[str, Any] = {}
    required: list[str] = []
    for child in group.data_children():
        properties[child.id] = _property(child, definitions, required_here=not group.choice)
        if child.multiplicity.required and not group.choice:
            required.append(child.id)
    schema: dict[str, Any] = {"title": group.name, "type": "object", "properties": properties}
    if group.definition:
        schema["description"] = group.definition
    if required:
        schema["required"] = required
    if group.choice:
        schema |= {"minProperties": 1, "maxProperties": 1}
    schema["additionalProperties"] = False
    return schema


def _property(child: Element, definitions: dict[str, dict[str, Any]], *, required_here: bool) -> dict[str, Any]:
    body = _group(child, definitions) if isinstance(child, Group) else _field(child)
    reference: dict[str, Any] = {"$ref": f"#/$defs/{_define(child, body, definitions)}"}
    times = child.multiplicity
    if times.repeated:
        limits = {} if times.high is None else {"maxItems": times.high}
        return {"type": "array", "minItems": times.low, **limits, "items": reference}
    if required_here and times.required and isinstance(child, Field) and child.datatype in TEXTS:
        reference["minLength"] = 1
    return reference


def _define(child: Element, body: dict[str, Any], definitions: dict[str, dict[str, Any]]) -> str:
    """Store ``body`` under the element's id; the same id with another content gets a name of its own."""
    for name in (child.id, f"{child.id}_{child.version}", *(f"{child.id}_{number}" for number in range(2, 100))):
        if definitions.setdefault(name, body) == body:
            return name
    raise AssertionError(f"more than 100 forms of {child.id}")


def _field(field: Element) -> dict[str, Any]:
    assert isinstance(field, Field)
    schema: dict[str, Any] = {"title": field.name, **_TYPES[field.datatype]}
    if field.definition:
        schema["description"] = field.definition
    limits = field.constraints
    if field.datatype in TEXTS:
        if limits.min_length:
            schema["minLength"] = limits.min_length
        if limits.max_length is not None:
            schema["maxLength"] = limits.max_length
        if limits.pattern:
            schema["pattern"] = f"^(?:{limits.pattern})$"
    if field.datatype in NUMBERS:
        for key, text in (("minimum", limits.min_value), ("maximum", limits.max_value)):
            if text is not None and "-" not in text[1:]:
                schema[key] = float(text) if "." in text else int(text)
    if field.codes and field.codes.values:
        schema["enum"] = [_code(value, field.datatype) for value, _ in field.codes.values]
    return schema


def _code(value: str, datatype: DataType) -> str | int | float:
    """Codes are text except where the field is a number."""
    if datatype not in NUMBERS:
        return value
    try:
        return int(value)
    except ValueError:
        return float(value)
