"""What the attempt log may show of a message: structure, sizes and hashes, never values.

The names of fields are ours or the far system's and harmless; their values are personal data until proven otherwise.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from connectors.contract import Attachment

MAX_CHARS = 2000


def structure(value: Any, depth: int = 0) -> str:
    """``{hunde:[2×{name:Text5, …}]}``: keys and types of a parsed message."""
    if isinstance(value, Mapping):
        if depth > 6:
            return "{…}"
        return "{" + ", ".join(f"{key}:{structure(entry, depth + 1)}" for key, entry in list(value.items())[:60]) + "}"
    if isinstance(value, str):
        return f"Text{len(value)}"
    if isinstance(value, bool):
        return "Ja/Nein"
    if isinstance(value, int | float):
        return "Zahl"
    if isinstance(value, Sequence):
        return f"[{len(value)}×{structure(value[0], depth + 1)}]" if value else "[]"
    return "leer" if value is None else type(value).__name__


def fingerprint(data: bytes) -> str:
    """Size and the start of the SHA-256: enough to recognise the same bytes again."""
    return f"{len(data)} Byte sha256:{hashlib.sha256(data).hexdigest()[:16]}"


def files(attachments: Sequence[Attachment]) -> str:
    """Number, sizes and hashes of files; names stay out, applicants put their own into them."""
    if not attachments:
        return ""
    listed = ", ".join(f"{a.media_type} {a.size} Byte sha256:{a.digest[:16]}" for a in attachments[:10])
    return f" + {len(attachments)} Datei(en): {listed}"


def shorten(text: str) -> str:
    """At most ``MAX_CHARS`` characters."""
    return text if len(text) <= MAX_CHARS else text[: MAX_CHARS - 1] + "…"
