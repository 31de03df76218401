"""Check data against a compiled schema and say in German what is wrong, naming fields as people know them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jsonschema_rs

from xoev.fim.model import CodeList, DataType, Element, Field, Group
from xoev.report import Fault

_LISTED_CODES = 8

_EXPECTED = {
    DataType.TEXT: "ein Text",
    DataType.TEXT_LATIN: "ein Text",
    DataType.DATE: "ein Datum (JJJJ-MM-TT)",
    DataType.TIME: "eine Uhrzeit (HH:MM)",
    DataType.TIMEONLY: "eine Uhrzeit (HH:MM)",
    DataType.DATETIME: "ein Zeitpunkt (JJJJ-MM-TTThh:mm:ssZ)",
    DataType.BOOL: "Ja oder Nein (true/false)",
    DataType.NUM: "eine Zahl",
    DataType.NUM_INT: "eine ganze Zahl",
    DataType.NUM_CURRENCY: "ein Geldbetrag",
    DataType.FILE: "der Name einer Anlage",
    DataType.OBJ: "ein Text",
}


class Checker:
    """One compiled schema; `faults` is safe to call from several threads."""

    def __init__(self, root: Group, schema: dict[str, Any]) -> None:
        self.root = root
        self._validator = jsonschema_rs.Draft202012Validator(schema, validate_formats=True)

    def faults(self, instance: object) -> list[Fault]:
        """Every deviation from the schema, in document order, without line numbers."""
        if self._validator.is_valid(instance):
            return []
        found: list[Fault] = []
        for error in self._validator.iter_errors(instance):
            found += self._translate(error)
        return list(dict.fromkeys(found))

    def _translate(self, error: Any) -> list[Fault]:
        steps = list(error.instance_path)
        trail = self.trail(steps)
        kind = error.kind
        if kind.name == "required":
            return [self._missing(kind.property, steps, trail)]
        if kind.name == "additionalProperties":
            return [self._unknown(key, steps, trail) for key in kind.unexpected]
        code, text = _TEXTS.get(kind.name, _other)(kind, trail[-1][0])
        if kind.name == "minLength" and error.instance == "" and _is_required(trail):
            code, text = "schema.required", "Pflichtangabe fehlt: {name}"
        return [Fault(None, pointer(steps), code, text.format(name=named(trail)))]

    def _missing(self, key: str, steps: Sequence[str | int], trail: list[Step]) -> Fault:
        inner = self.trail([*steps, key])
        return Fault(None, pointer([*steps, key]), "schema.required", f"Pflichtangabe fehlt: {named(inner)}")

    def _unknown(self, key: str, steps: Sequence[str | int], trail: list[Step]) -> Fault:
        where = named(trail)
        message = f"Unbekannte Angabe „{key[:60]}“ in: {where}"
        return Fault(None, pointer([*steps, key]), "schema.additional", message)

    def trail(self, steps: Sequence[str | int]) -> list[Step]:
        """The elements on the way to ``steps``, each with its index where it is repeated."""
        trail: list[Step] = [(self.root, None)]
        for step in steps:
            element, _ = trail[-1]
            if isinstance(step, int):
                trail[-1] = (element, step)
                continue
            children = element.children if isinstance(element, Group) else ()
            child = next((item for item in children if item.id == step), None)
            if child is None:
                break
            trail.append((child, None))
        return trail


Step = tuple[Element, "int | None"]


def named(trail: list[Step]) -> str:
    """How people call the place: ``"Geburtsdatum (Antragsteller)"``, ``"Rasse (Hund 2)"``."""
    inner = [_with_index(step) for step in trail[1:]]
    if not inner:
        return trail[0][0].name
    return inner[-1] if len(inner) == 1 else f"{inner[-1]} ({inner[-2]})"


def _with_index(step: Step) -> str:
    element, index = step
    return element.output_label if index is None else f"{element.output_label} {index + 1}"


def pointer(steps: Sequence[str | int]) -> str:
    """JSON Pointer (RFC 6901) of ``steps``."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in steps)


def _is_required(trail: list[Step]) -> bool:
    return trail[-1][0].multiplicity.required and trail[-1][1] is None


Text = tuple[str, str]


def _type(kind: Any, element: Element) -> Text:
    if isinstance(element, Group):
        shape = "eine Liste von Angaben" if element.multiplicity.repeated else "eine Gruppe von Angaben"
        return "schema.type", f"{{name}}: Erwartet wird {shape}."
    expected = _EXPECTED[element.datatype] if isinstance(element, Field) else "etwas anderes"
    if element.multiplicity.repeated and "array" in str(getattr(kind, "value", "")):
        expected = "eine Liste"
    return "schema.type", f"{{name}}: Erwartet wird {expected}."


def _format(kind: Any, element: Element) -> Text:
    what = "kein gültiges Datum (JJJJ-MM-TT)" if kind.format == "date" else "kein gültiger Zeitpunkt"
    return "schema.format", f"{{name}}: Das ist {what}."


def _pattern(kind: Any, element: Element) -> Text:
    if isinstance(element, Field) and element.datatype in (DataType.TIME, DataType.TIMEONLY):
        return "schema.format", "{name}: Das ist keine gültige Uhrzeit (HH:MM)."
    return "schema.pattern", "{name}: Die Schreibweise ist nicht zulässig."


def _enum(kind: Any, element: Element) -> Text:
    codes = element.codes if isinstance(element, Field) else None
    return "schema.enum", f"{{name}}: Der Wert steht nicht in der Auswahlliste{_allowed(codes)}."


def _allowed(codes: CodeList | None) -> str:
    if codes is None or not codes.values:
        return ""
    shown = ", ".join(f"{value} ({label})" for value, label in codes.values[:_LISTED_CODES])
    rest = len(codes.values) - _LISTED_CODES
    text = f"; zulässig: {shown}" + (f" und {rest} weitere" if rest > 0 else "")
    return text.replace("{", "{{").replace("}", "}}")


def _min_length(kind: Any, element: Element) -> Text:
    return "schema.length", f"{{name}}: Mindestens {kind.limit} Zeichen sind nötig."


def _max_length(kind: Any, element: Element) -> Text:
    return "schema.length", f"{{name}}: Höchstens {kind.limit} Zeichen sind zulässig."


def _minimum(kind: Any, element: Element) -> Text:
    return "schema.range", f"{{name}}: Der Wert muss mindestens {_german(kind.limit)} sein."


def _maximum(kind: Any, element: Element) -> Text:
    return "schema.range", f"{{name}}: Der Wert darf höchstens {_german(kind.limit)} sein."


def _min_items(kind: Any, element: Element) -> Text:
    return "schema.count", f"{{name}}: Mindestens {kind.limit} Angaben sind nötig."


def _max_items(kind: Any, element: Element) -> Text:
    return "schema.count", f"{{name}}: Höchstens {kind.limit} Angaben sind zulässig."


def _multiple(kind: Any, element: Element) -> Text:
    return "schema.format", "{name}: Ein Geldbetrag hat höchstens zwei Nachkommastellen."


def _choice(kind: Any, element: Element) -> Text:
    return "schema.choice", "{name}: Genau eine der Möglichkeiten muss angegeben sein."


def _other(kind: Any, element: Element) -> Text:
    return "schema.invalid", "{name}: Die Angabe ist nicht zulässig."


def _german(limit: float) -> str:
    return str(limit).replace(".", ",")


_TEXTS: dict[str, Callable[[Any, Element], Text]] = {
    "type": _type,
    "format": _format,
    "pattern": _pattern,
    "enum": _enum,
    "minLength": _min_length,
    "maxLength": _max_length,
    "minimum": _minimum,
    "maximum": _maximum,
    "minItems": _min_items,
    "maxItems": _max_items,
    "multipleOf": _multiple,
    "minProperties": _choice,
    "maxProperties": _choice,
}
