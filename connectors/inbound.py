"""What far systems send on their own: proof of origin, and events out of the raw message.

``verify`` comes first, always before anything is parsed. Unmatched events are the hub's to keep as a Klärfall.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import time
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from connectors import mapping, xmltree
from connectors.contract import InboundDocument, InboundEvent, InboundRefused, Instance, Manifest
from connectors.declaration import Listen
from connectors.transports import files, folder, sftp
from xoev.safe import Limits, UnsafeInput, parse_json, parse_xml

_LIMITS = Limits(max_bytes=32 * 1024 * 1024)


def sign(secret: str, content: bytes, *, now: float | None = None) -> dict[str, str]:
    """The default signature headers of our webhook scheme; twins and portals use the same."""
    stamp = str(int(now if now is not None else time.time()))
    mac = hmac.new(secret.encode(), stamp.encode() + b"." + content, hashlib.sha256).hexdigest()
    return {"Webhook-Timestamp": stamp, "Webhook-Signature": f"sha256={mac}"}


def verify(instance: Instance, raw: bytes, headers: Mapping[str, str], *, now: float | None = None) -> None:
    """Check signature and age; raises :class:`InboundRefused` (``signature.missing``, ``.old``, ``.wrong``)."""
    rule = instance.manifest.signature
    given = {name.lower(): value for name, value in headers.items()}
    secret = str(instance.settings.get(rule.secret, ""))
    stamp, mac = given.get(rule.timestamp_header.lower(), ""), given.get(rule.header.lower(), "")
    if not secret or not stamp.isascii() or not stamp.isdigit() or not mac.startswith(rule.prefix):
        raise InboundRefused("signature.missing", "Die Meldung ist nicht unterschrieben.")
    if abs((now if now is not None else time.time()) - int(stamp[:15])) > rule.tolerance_s:
        raise InboundRefused("signature.old", "Die Unterschrift der Meldung ist zu alt oder aus der Zukunft.")
    wanted = hmac.new(secret.encode(), stamp.encode() + b"." + raw, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(wanted.encode(), mac.removeprefix(rule.prefix).encode()):
        raise InboundRefused("signature.wrong", "Die Unterschrift der Meldung ist falsch.")


def match_event(manifest: Manifest, raw: bytes, headers: Mapping[str, str]) -> list[InboundEvent]:
    """The events of one message. Raises :class:`InboundRefused` when it is unreadable or fits no ``listen`` entry, and
    ``MappingError`` when the manifest's formulas fail."""
    parsed = _parse(raw)
    place = f"{manifest.id}: listen"
    events = [
        _event(manifest, listen, parsed, f"{place}[{index}]")
        for index, listen in enumerate(manifest.listen)
        if listen.when is None or mapping.evaluate(listen.when, parsed, place=f"{place}[{index}].when") is True
    ]
    if not events:
        raise InboundRefused("event.unknown", "Die Meldung passt zu keiner vereinbarten Art von Meldung.")
    return events


def waiting(instance: Instance) -> Iterator[files.Listed]:
    """The files that wait in the outboxes of a folder or SFTP connector. Raises OSError and paramiko errors.

    Hand each to :func:`match_event`, commit, then call its ``acknowledge``.
    """
    store = sftp.connection(instance) if instance.manifest.transport == "sftp" else folder.folder(instance)
    places = {(str(listen.path), listen.pattern) for listen in instance.manifest.listen if listen.by == "folder"}
    for path, pattern in sorted(places):
        yield from store.waiting(path, pattern)


def _parse(raw: bytes) -> Any:
    try:
        if raw.lstrip()[:1] == b"<":
            root = parse_xml(raw, limits=_LIMITS)
            return {str(root.tag).rpartition("}")[2]: xmltree.read(root)}
        return parse_json(raw, limits=_LIMITS)
    except (UnsafeInput, orjson.JSONDecodeError) as error:
        raise InboundRefused("body.unreadable", "Die Meldung ist weder lesbares JSON noch XML.") from error


def _event(manifest: Manifest, listen: Listen, parsed: Any, place: str) -> InboundEvent:
    key = mapping.evaluate(listen.id, parsed, place=f"{place}.id")
    if key is None:
        raise InboundRefused("event.id", "Der Meldung fehlt ihre eindeutige Kennung.")
    found = {name: mapping.evaluate(source, parsed, place=f"{place}.match") for name, source in listen.match.items()}
    payload = {
        name: value
        for name, source in listen.payload.items()
        if (value := mapping.evaluate(source, parsed, place=f"{place}.payload.{name}")) is not None
    }
    if listen.map is not None:
        mapped = mapping.evaluate_file(manifest.folder / listen.map, parsed)
        payload |= mapped if isinstance(mapped, dict) else {}
    return InboundEvent(
        event=listen.event,
        key=str(key),
        match={name: str(value) for name, value in found.items() if value not in (None, "")},
        payload=payload,
        documents=_documents(listen, parsed, place),
    )


def _documents(listen: Listen, parsed: Any, place: str) -> tuple[InboundDocument, ...]:
    if listen.documents is None:
        return ()
    found = mapping.evaluate(listen.documents, parsed, place=f"{place}.documents")
    entries = found if isinstance(found, list) else [found] if found else []
    return tuple(_document(entry) for entry in entries)


def _document(entry: Any) -> InboundDocument:
    try:
        content = base64.b64decode(entry["content"], validate=True)
    except (KeyError, TypeError, ValueError, binascii.Error):
        raise InboundRefused("document.unreadable", "Ein Dokument der Meldung ist nicht lesbar.") from None
    name = str(entry.get("name", "dokument"))
    return InboundDocument(name, str(entry.get("title", name)), str(entry.get("media_type", "")), content)
