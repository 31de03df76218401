"""A caseworker's form: which questions are asked, what a posted form answers, and what is wrong with it.

Everything is decided here, on the server; the page only shows it. A field that `show_when` hides has no answer.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from hub.kit import web
from hub.library.expressions import german, value_or
from hub.library.profile import Form, FormField

_TEXT, _LONGTEXT = 500, 20_000
_MONEY = re.compile(r"^-?\d{1,3}(?:\.\d{3})*(?:,\d{1,2})?$|^-?\d+(?:[.,]\d{1,2})?$")
_DAY = re.compile(r"^(\d{1,2})\.(\d{1,2})\.(\d{4})$")
_PREFIX = "f_"  # keeps answers apart from the form's own fields


@dataclass(slots=True)
class Answers:
    """What a posted form says: values by field, and a German sentence for each field that is at fault."""

    values: dict[str, Any] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)


def field_name(name: str) -> str:
    """The name of an answer in the HTML form."""
    return _PREFIX + name


def shown(form: Form, values: Mapping[str, Any]) -> list[FormField]:
    """The fields to ask, given the answers so far. A broken `show_when` shows its field."""
    known = {item.name: values.get(item.name) for item in form.fields}
    found: list[FormField] = []
    for item in form.fields:
        if value_or(item.show_when, True, known) is not False:
            found.append(item)
        else:
            known[item.name] = None
    return found


def defaults(form: Form) -> dict[str, Any]:
    """The answers a fresh form starts with."""
    return {item.name: item.default for item in form.fields if item.default is not None}


def read(form: Form, posted: web.Form, documents: Sequence[str] = ()) -> Answers:
    """The answers of a posted form. `documents` are the ids that may be chosen."""
    answers = Answers()
    for item in form.fields:
        raw = posted.many(field_name(item.name))
        try:
            answers.values[item.name] = _value(item, raw, documents)
        except ValueError as error:
            answers.values[item.name] = raw[-1] if raw else None
            answers.faults[item.name] = str(error)
    visible = {item.name for item in shown(form, answers.values)}
    pressed = next((item for item in form.submit.actions if item.value == action(form, posted)), None)
    for item in form.fields:
        if item.name not in visible:
            answers.values.pop(item.name, None)
            answers.faults.pop(item.name, None)
        elif answers.values.get(item.name) in (None, "", []) and item.name not in answers.faults:
            if item.required:
                answers.faults[item.name] = _missing(item)
            elif pressed and item.name in pressed.needs:
                answers.faults[item.name] = f"Für „{pressed.label}“ brauchen wir diese Angabe. {_missing(item)}"
    return answers


def needed_for(form: Form, item: FormField) -> list[str]:
    """The labels of the buttons that need this field."""
    return [option.label for option in form.submit.actions if item.name in option.needs]


def _missing(item: FormField) -> str:
    if item.type in {"choice", "boolean"}:
        return "Bitte wählen Sie eine Antwort aus."
    return "Bitte füllen Sie dieses Feld aus."


def _value(item: FormField, raw: list[str], documents: Sequence[str]) -> Any:
    if item.type == "documents":
        if any(value not in documents for value in raw):
            raise ValueError("Bitte wählen Sie Dokumente dieses Vorgangs aus.")
        return raw
    text = raw[-1].replace("\r\n", "\n").strip() if raw else ""
    if not text:
        return None
    match item.type:
        case "choice":
            return _choice(item, text)
        case "boolean":
            if text not in {"true", "false"}:
                raise ValueError("Bitte wählen Sie „ja“ oder „nein“.")
            return text == "true"
        case "date":
            return _date(text)
        case "integer":
            if not re.fullmatch(r"-?\d{1,15}", text):
                raise ValueError("Bitte geben Sie eine ganze Zahl ein, zum Beispiel 12.")
            return int(text)
        case "money":
            return _money(text)
    longest = _LONGTEXT if item.type == "longtext" else _TEXT
    if len(text) > longest:
        raise ValueError(f"Bitte kürzen Sie den Text auf {longest} Zeichen (jetzt {len(text)}).")
    return text


def _choice(item: FormField, text: str) -> Any:
    for choice in item.choices:
        if str(choice["value"]) == text:
            return choice["value"]
    raise ValueError("Dieser Wert gehört nicht zur Auswahl.")


def _date(text: str) -> str:
    try:
        if found := _DAY.match(text):
            day, month, year = (int(part) for part in found.groups())
            return date(year, month, day).isoformat()
        return datetime.strptime(text, "%Y-%m-%d").date().isoformat()
    except ValueError:
        raise ValueError("Bitte geben Sie ein Datum ein, zum Beispiel 31.12.2026.") from None


def _money(text: str) -> str:
    """An amount as text with two decimals: `1.234,5` is 1234.50."""
    text = text.removesuffix("€").strip()
    if not _MONEY.match(text):
        raise ValueError("Bitte geben Sie einen Betrag ein, zum Beispiel 120,50.")
    plain = text.replace(".", "").replace(",", ".") if "," in text or re.search(r"\.\d{3}$", text) else text
    try:
        return str(Decimal(plain).quantize(Decimal("0.01")))
    except InvalidOperation:
        raise ValueError("Bitte geben Sie einen Betrag ein, zum Beispiel 120,50.") from None


def action(form: Form, posted: web.Form) -> str | None:
    """The value of the button that was pressed, if it is one of the form's."""
    chosen = posted.get(field_name(form.submit.name))
    return chosen if chosen in {item.value for item in form.submit.actions} else None


def in_words(form: Form, answers: Mapping[str, Any], documents: Mapping[str, str]) -> list[tuple[str, str]]:
    """Answers as people read them: label and value; `documents` gives titles by id."""
    rows = []
    for item in form.fields:
        value = answers.get(item.name)
        if value in (None, "", []):
            continue
        if item.type == "choice":
            value = next((choice["label"] for choice in item.choices if choice["value"] == value), value)
        elif item.type == "documents":
            value = [documents.get(str(one), "nicht mehr vorhanden") for one in value]
        elif item.type == "money":
            value = f"{german(Decimal(str(value)))} €"
        rows.append((item.label, german(value)))
    chosen = answers.get(form.submit.name)
    rows += [("Entscheidung", option.label) for option in form.submit.actions if option.value == chosen]
    return rows
