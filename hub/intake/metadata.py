"""What a sender says about a submission: the same few facts on every channel, checked before anything is believed."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from hub.kit.clock import now
from hub.kit.problems import Problem
from xoev import safe
from xoev.safe import UnsafeInput

NAMES = frozenset({"service", "kind", "case", "received_at", "sender_reference", "schema"})
MAX_BYTES = 64 * 1024
_MAX_TEXT = 200
_SKEW = timedelta(minutes=2)  # how far a sender's clock may be ahead of ours


@dataclass(frozen=True, slots=True)
class Metadata:
    """A sender's statements; `received_at` is the legal receipt at the portal, if it was earlier than here."""

    service: str | None = None
    kind: str = "initial"
    case: str | None = None
    sender_reference: str | None = None
    schema: str | None = None
    received_at: datetime | None = None


def parse(data: bytes) -> Metadata:
    """Metadata from JSON bytes. Raises Problem 400 naming the place."""
    return parse_with(data, frozenset())[0]


def parse_with(data: bytes, more: Set[str]) -> tuple[Metadata, dict[str, Any]]:
    """Like `parse`, with the names a channel adds given back beside."""
    if not data:
        raise Problem(
            400,
            "metadata.missing",
            "Metadaten fehlen",
            "Die Metadaten („metadata“) fehlen; sie nennen mindestens die Leistung (service).",
        )
    try:
        told = safe.parse_json(data)
    except UnsafeInput as error:
        raise Problem(
            400, error.fault.code, "Metadaten nicht lesbar", error.fault.message, faults=[error.fault.as_dict()]
        ) from None
    if not isinstance(told, dict):
        raise _wrong("metadata.type", "", "Die Metadaten müssen ein JSON-Objekt sein.")
    own = {name: told.pop(name) for name in more & set(told)}
    return from_mapping(told), own


def from_mapping(told: Mapping[str, Any]) -> Metadata:
    """Metadata from query parameters or a parsed object; a name that is not ours is refused, not ignored."""
    if unknown := sorted(set(told) - NAMES):
        raise _wrong(
            "metadata.unknown",
            f"/{unknown[0][:60]}",
            f"Unbekannte Angabe „{unknown[0][:60]}“. Erlaubt sind {', '.join(sorted(NAMES))}.",
        )
    texts = {name: _text(told, name) for name in NAMES}
    return Metadata(
        service=texts["service"],
        kind=texts["kind"] or "initial",
        case=texts["case"],
        sender_reference=texts["sender_reference"],
        schema=texts["schema"],
        received_at=_instant(texts["received_at"]),
    )


def _text(told: Mapping[str, Any], name: str) -> str | None:
    value = told.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or len(value) > _MAX_TEXT or not value.isprintable():
        raise _wrong(
            "metadata.type", f"/{name}", f"„{name}“ muss ein Text von höchstens {_MAX_TEXT} druckbaren Zeichen sein."
        )
    return value.strip() or None


def _instant(text: str | None) -> datetime | None:
    """The legal receipt may have been earlier, at the portal; never later than now."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text).astimezone(UTC) if _has_zone(text) else None
    except (ValueError, OverflowError):
        moment = None
    at = now()
    if moment is None or moment > at + _SKEW:
        raise _wrong(
            "metadata.received-at",
            "/received_at",
            "„received_at“ muss ein vergangener Zeitpunkt mit Zeitzone sein, z. B. 2026-11-23T09:30:00+01:00.",
        )
    return min(moment, at)


def _has_zone(text: str) -> bool:
    return datetime.fromisoformat(text).tzinfo is not None


def _wrong(code: str, path: str, message: str) -> Problem:
    return Problem(
        400,
        code,
        "Metadaten fehlerhaft",
        message,
        faults=[{"line": None, "path": path, "code": code, "message": message}],
    )
