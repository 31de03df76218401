"""Readable names: the key under which an expression or a mapping reads an element."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

_LETTERS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "æ": "ae", "ø": "oe"})
_OTHER = re.compile(r"[^a-z0-9]+")


def slug(name: str) -> str:
    """Return ``name`` as snake_case: ``"Straße / Nr."`` becomes ``"strasse_nr"``.

    A name that starts with a digit gets a leading ``_`` so that it stays a legal XML and FEEL name;
    a name without any letter or digit becomes ``"feld"``.
    """
    lowered = name.lower().translate(_LETTERS)
    ascii_only = unicodedata.normalize("NFKD", lowered).encode("ascii", "ignore").decode()
    word = _OTHER.sub("_", ascii_only).strip("_")
    if not word:
        return "feld"
    return f"_{word}" if word[0].isdigit() else word


def sibling_slugs(names: Iterable[str]) -> list[str]:
    """Slugs for elements below one parent; a second one of the same name gets ``_2``, the next ``_3``."""
    taken: set[str] = set()
    result: list[str] = []
    for name in names:
        base = candidate = slug(name)
        number = 1
        while candidate in taken:
            number += 1
            candidate = f"{base}_{number}"
        taken.add(candidate)
        result.append(candidate)
    return result
