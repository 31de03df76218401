"""JSONata: the one place where mappings and expressions are compiled and run.

Expressions come from connector folders, data from applicants, so every limit of the evaluator is set. Money and other
exact numbers go in and come out as strings; a ``Decimal`` becomes its plain text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any

import jlens

from connectors.contract import Attachment, ConnectorError, Instance, Message

_LIMITS: dict[str, Any] = {
    "timeout": 2.0,
    "max_depth": 200,
    "max_steps": 2_000_000,
    "max_string_length": 16_000_000,
    "max_array_length": 100_000,
    "max_result_size": 32_000_000,
}


class MappingError(ConnectorError):
    """A mapping or expression is at fault; ``place`` names file, line and column or the manifest entry."""

    def __init__(self, place: str, message: str) -> None:
        self.place = place
        super().__init__(f"{place}: {message}")


@lru_cache(maxsize=4096)
def _compile(source: str) -> jlens.Expression:
    return jlens.Expression(source)


@lru_cache(maxsize=1024)
def _source(path: Path, modified: int) -> str:
    return path.read_text(encoding="utf-8")


def syntax_fault(source: str) -> tuple[int, str] | None:
    """(line, German message) of what is wrong with ``source``, or None when it compiles."""
    try:
        _compile(source)
    except jlens.JlensError as error:
        return _line(source, error), f"Die JSONata-Formel ist fehlerhaft: {_short(error)}"
    return None


def evaluate(source: str, data: Any, *, place: str, bindings: Mapping[str, Any] | None = None) -> Any:
    """The value of expression ``source`` over ``data``; raises :class:`MappingError` naming ``place``."""
    try:
        return _compile(source).evaluate(data, dict(bindings) if bindings else None, **_LIMITS)
    except jlens.JlensError as error:
        raise MappingError(place, _short(error)) from None


def evaluate_file(path: Path, data: Any) -> Any:
    """The value of the mapping file ``path``; raises :class:`MappingError` with file and line."""
    try:
        source = _source(path, path.stat().st_mtime_ns)
    except OSError:
        raise MappingError(f"{path.parent.name}/{path.name}", "Die Mapping-Datei fehlt.") from None
    try:
        return _compile(source).evaluate(data, None, **_LIMITS)
    except jlens.JlensError as error:
        place = f"{path.parent.name}/{path.name}:{_line(source, error)}"
        raise MappingError(place, _short(error)) from None


def context(instance: Instance, message: Message, attachments: Sequence[Attachment]) -> dict[str, Any]:
    """What a mapping reads: key, case, application, data, saved, input, files and the settings that are no secrets."""
    secret = instance.manifest.secret_settings
    return {
        "key": message.key,
        "case": plain(message.case),
        "application": plain(message.application),
        "data": plain(message.data),
        "saved": plain(message.saved),
        "input": plain(message.input),
        "original": message.original.facts() if message.original else None,
        "attachments": [attachment.facts() for attachment in attachments],
        "documents": [document.facts() for document in message.documents],
        "settings": {name: value for name, value in instance.settings.items() if name not in secret},
    }


def plain(value: Any) -> Any:
    """``value`` as JSON types; decimals become text so that no cent is lost, dates ISO 8601."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Mapping):
        return {str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, date | datetime):
        return value.isoformat()
    if isinstance(value, Sequence | set | frozenset) and not isinstance(value, bytes | bytearray):
        return [plain(entry) for entry in value]
    return str(value)


def _line(source: str, error: jlens.JlensError) -> int:
    position = getattr(error, "position", None) or 0
    return source.count("\n", 0, int(position)) + 1


def _short(error: jlens.JlensError) -> str:
    """Code and token, not the value: values are personal data."""
    code = getattr(error, "code", "") or ""
    token = getattr(error, "token", None)
    return f"JSONata {code}" + (f" bei {token!r}" if token else "") + _MEANING.get(str(code)[:1], "")


_MEANING = {
    "S": " (Schreibweise)",
    "T": " (falscher Datentyp)",
    "D": " (Auswertung abgebrochen oder Wert ungültig)",
    "U": " (Zeit- oder Größengrenze erreicht)",
}
