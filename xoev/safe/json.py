"""Reading JSON that strangers sent.

orjson is strict (no NaN, no comments, no broken UTF-8, never deeper than 1,024)
but takes the last of two equal keys. The number of values is bounded on the bytes
before anything is built; doubled keys show because the bytes then hold more
colons than the value has keys.
"""

from __future__ import annotations

import codecs
import json
import re
from typing import Any

import orjson

from .limits import Limits, UnsafeInput, check_size, refuse

_DEFAULT = Limits()
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_NOT_STRUCTURE = bytes(set(range(256)) - set(b"{}[]:,"))
_WORDS = re.compile(rb"\b(NaN|-?Infinity|undefined|True|False|None)\b")


def parse_json(data: bytes, *, limits: Limits = _DEFAULT) -> Any:
    """Return the parsed value, or raise :class:`UnsafeInput` with line, column and reason.

    Numbers with a fraction become floats, as in orjson.
    """
    check_size(data, limits)
    _check_encoding(data)
    if data.count(b",") + data.count(b":") > limits.max_nodes:
        _check_count(_structure(data), limits)
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        if "recursion" in error.msg.lower():
            raise _too_deep(data, limits) from None
        raise _broken(error, data) from None
    keys, depth = _measure(value)
    if depth > limits.max_depth:
        raise _too_deep(data, limits)
    # Every key has a colon outside of strings. As many colons as keys: none was doubled; more: look closer.
    if data.count(b":") != keys and _structure(data).count(b":") != keys:
        raise _doubled_key(data)
    return value


def _structure(data: bytes) -> bytes:
    """Only the brackets, colons and commas outside of strings."""
    return _STRING.sub(b"", data).translate(None, _NOT_STRUCTURE)


def _check_encoding(data: bytes) -> None:
    if data.startswith(codecs.BOM_UTF8):
        raise refuse(
            "json.bom",
            "Zeile 1, Spalte 1: Vor dem JSON steht eine Byte-Reihenfolge-Marke (BOM). Bitte ohne BOM senden.",
            line=1,
        )
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or b"\x00" in data[:4]:
        raise refuse("json.encoding", "Zeile 1, Spalte 1: Das JSON ist nicht in UTF-8 gespeichert.", line=1)
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        line, column = _place(data, error.start)
        raise refuse(
            "json.encoding", f"Zeile {line}, Spalte {column}: Das Zeichen ist kein gültiges UTF-8.", line=line
        ) from None


def _check_count(structure: bytes, limits: Limits) -> None:
    if structure.count(b",") + structure.count(b":") > limits.max_nodes:
        raise refuse("json.nodes", f"Das JSON enthält mehr als {limits.max_nodes:,} Werte.".replace(",", "."))


def _too_deep(data: bytes, limits: Limits) -> UnsafeInput:
    """Find the place of the bracket that is one too deep."""
    depth, position = 0, 0
    for token in re.finditer(rb'"(?:[^"\\]++|\\.)*+"?|[\[{]|[\]}]', data, re.DOTALL):
        depth += {b"[": 1, b"{": 1, b"]": -1, b"}": -1}.get(token[0], 0)
        if depth > limits.max_depth:
            position = token.start()
            break
    line, column = _place(data, position)
    return refuse(
        "json.depth",
        f"Zeile {line}, Spalte {column}: Das JSON ist tiefer als {limits.max_depth} Ebenen verschachtelt.",
        line=line,
    )


def _broken(error: orjson.JSONDecodeError, data: bytes) -> UnsafeInput:
    line, column, text = error.lineno, error.colno, error.msg.lower()
    where = f"Zeile {line}, Spalte {column}: "
    code, message = (
        "json.syntax",
        "Hier ist das JSON fehlerhaft (zum Beispiel fehlt ein Komma oder ein Anführungszeichen).",
    )
    offset = len(error.doc[: error.pos].encode("utf-8", "replace"))
    word = _WORDS.match(data, max(offset - 1, 0)) or _WORDS.match(data, offset)
    if word:
        name = word[1].decode("ascii")
        code, message = "json.number", f"„{name}“ ist in JSON kein erlaubter Wert."
    elif "trailing" in text or "unexpected content after" in text or "garbage" in text:
        code, message = "json.trailing", "Nach dem Ende des JSON folgen weitere Zeichen."
    elif "end of data" in text or "unclosed" in text or "eof" in text or "empty" in text:
        code, message = "json.truncated", "Das JSON bricht hier ab; es fehlen Zeichen am Ende."
    elif "surrogate" in text or "utf-8" in text or "hex escape" in text or "escape" in text:
        code, message = "json.string", "Eine Zeichenkette enthält eine ungültige Escape-Folge."
    elif "control character" in text:
        code, message = "json.string", "Eine Zeichenkette enthält ein Steuerzeichen (zum Beispiel einen Zeilenumbruch)."
    elif "recursion" in text or "depth" in text:
        code, message = "json.depth", "Das JSON ist zu tief verschachtelt."
    elif "number" in text:
        code, message = "json.number", "Hier steht keine gültige Zahl."
    return refuse(code, where + message, line=line)


def _measure(value: Any) -> tuple[int, int]:
    """Number of object keys and depth of the whole value, level by level."""
    keys, depth = 0, 0
    level = [value] if isinstance(value, dict | list) else []
    while level:
        depth += 1
        below: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                keys += len(item)
            children = item.values() if isinstance(item, dict) else item
            below += [child for child in children if child.__class__ in (dict, list)]
        level = below
    return keys, depth


def _doubled_key(data: bytes) -> UnsafeInput:
    """Name the key that stands twice in one object (slow, only for the message)."""
    doubled: list[str] = []

    def look(pairs: list[tuple[str, Any]]) -> None:
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                doubled.append(key)
            seen.add(key)

    json.loads(data, object_pairs_hook=look)
    key = doubled[0] if doubled else ""
    spots = [
        found.start() for found in re.finditer(re.escape(json.dumps(key, ensure_ascii=False).encode()) + rb"\s*:", data)
    ]
    line, column = _place(data, spots[1] if len(spots) > 1 else 0)
    return refuse(
        "json.duplicate-key",
        f"Zeile {line}, Spalte {column}: Der Name „{key}“ steht in einem Objekt doppelt; "
        "welcher Wert gilt, ist unklar.",
        line=line,
    )


def _place(data: bytes, position: int) -> tuple[int, int]:
    """Line and column, counted from 1, of a byte position."""
    before = data[:position]
    start = before.rfind(b"\n") + 1
    return before.count(b"\n") + 1, len(before[start:].decode("utf-8", "replace")) + 1
