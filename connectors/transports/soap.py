"""SOAP 1.1 document/literal: envelope from the mapping, checked against the WSDL's schema before it is sent.

Attachments travel as base64 inside the envelope. The envelope is written to a spooled temporary file piece by piece, so
a plan of 200 MB costs disk, not memory.
"""

from __future__ import annotations

import base64
import tempfile
from collections.abc import Iterator, Mapping
from typing import IO, Any

import httpx
from lxml import etree

from connectors import answers, redact, xmltree
from connectors.contract import Attachment, Outcome
from connectors.transports import http, wsdl
from connectors.transports.call import Call
from xoev.safe import Limits, UnsafeInput, parse_xml

ENVELOPE = "http://schemas.xmlsoap.org/soap/envelope/"
_SPOOL = 1024 * 1024
_PIECE = 3 * 64 * 1024  # divisible by 3: pieces of base64 may simply be joined
_HEAD = f'<?xml version="1.0" encoding="UTF-8"?><soap:Envelope xmlns:soap="{ENVELOPE}"><soap:Body>'.encode()
_TAIL = b"</soap:Body></soap:Envelope>"


def perform(call: Call) -> Outcome:
    """Send one call. Raises ``MappingError``, ``TreeError``, ``WsdlError`` (nothing was sent)."""
    manifest = call.instance.manifest
    described = wsdl.load(manifest.folder / str(manifest.wsdl))
    operation = described.operations.get(call.declared.call)
    if operation is None:
        known = ", ".join(sorted(described.operations))
        raise wsdl.WsdlError(f"Die WSDL kennt {call.declared.call!r} nicht; bekannt sind: {known}.")
    tree = call.mapped()
    body = render(tree, manifest.namespaces, described, operation)
    files = {file.id: file for file in (*call.attachments, *call.message.documents)}
    if call.message.original is not None:
        files[call.message.original.id] = call.message.original
    with tempfile.SpooledTemporaryFile(max_size=_SPOOL) as spool:
        sent = write_envelope(spool, body, files)
        shown = redact.shorten(f"SOAP {operation.name} · {redact.structure(tree)}{redact.files(sent)}")
        headers = {
            "Content-Type": "text/xml; charset=utf-8",
            "SOAPAction": f'"{operation.action}"',
            "Content-Length": str(spool.tell()),
            "Idempotency-Key": call.message.key,
        }
        spool.seek(0)
        request = http.client(call.instance).build_request(
            "POST", http.target(call.instance), headers=headers, content=_read(spool)
        )
        try:
            answer = http.send(call, request)
        except (httpx.HTTPError, httpx.InvalidURL, http.AnswerTooLargeError) as error:
            return http.failure(call, error, shown)
    return _meaning(call, answer, shown)


def render(tree: Any, namespaces: Mapping[str, str], described: wsdl.Wsdl, operation: wsdl.WsdlOperation) -> bytes:
    """The checked body element as XML; attachments are still placeholders."""
    root = xmltree.build(tree, namespaces)
    if root.tag != operation.request:
        raise xmltree.TreeError(f"Das Mapping liefert {root.tag}, die WSDL erwartet {operation.request}.")
    xmltree.check_with(root, described.schema)
    return etree.tostring(root, encoding="UTF-8")


def write_envelope(target: IO[bytes], body: bytes, files: Mapping[str, Attachment]) -> list[Attachment]:
    """Write the envelope, each placeholder replaced by its file in base64; returns the files written, in order."""
    places = sorted(
        (start, mark, file)
        for file in files.values()
        for mark in [xmltree.placeholder(file.id).encode()]
        for start in _all(body, mark)
    )
    target.write(_HEAD)
    position = 0
    for start, mark, file in places:
        target.write(body[position:start])
        with file.open() as stream:
            for piece in _full_pieces(stream):
                target.write(base64.b64encode(piece))
        position = start + len(mark)
    target.write(body[position:] + _TAIL)
    return [file for _, _, file in places]


def _all(body: bytes, mark: bytes) -> Iterator[int]:
    start = body.find(mark)
    while start >= 0:
        yield start
        start = body.find(mark, start + len(mark))


def _full_pieces(stream: Any) -> Iterator[bytes]:
    """Pieces of exactly ``_PIECE`` bytes except the last, whatever sizes the stream hands out."""
    held = bytearray()
    while chunk := stream.read(_PIECE):
        held += chunk
        while len(held) >= _PIECE:
            yield bytes(held[:_PIECE])
            del held[:_PIECE]
    if held:
        yield bytes(held)


def _read(spool: IO[bytes]) -> Iterator[bytes]:
    while chunk := spool.read(http.CHUNK):
        yield chunk


def _meaning(call: Call, answer: dict[str, Any], shown: str) -> Outcome:
    body, fault = _open(answer["raw"])
    logged = {"request": shown, "answer": http.describe(answer), "status": str(answer["status"])}
    seen = {"status": answer["status"], "headers": answer["headers"], "body": body, "fault": fault}
    decided = answers.from_table(call.answers, seen, call.place)
    if decided is not None:
        return answers.outcome(decided.kind, say=decided.say, saved=decided.saved, **logged)
    if fault is not None:
        sender = str(fault["code"]).split(".")[0] in {"Client", "Sender"}
        kind = "rejected" if sender else ("transient" if call.repeat_is_safe else "unknown")
        return answers.outcome(kind, detail=f"Fault {fault['code']}"[:200], **logged)  # type: ignore[arg-type]
    status = answers.http_kind(answer["status"])
    if status == "delivered" and body is None:
        status = "unknown"
    if call.repeat_is_safe and status == "unknown":
        status = "transient"
    values = answers.saved(call.declared.saves, seen, call.place) if status == "delivered" else {}
    if status == "delivered" and not call.found(seen):
        status, values = "absent", {}
    return answers.outcome(status, saved=values, **logged)


def _open(raw: bytes) -> tuple[Any, dict[str, Any] | None]:
    """(body, fault) of an answer envelope; both None when it is none."""
    try:
        root = parse_xml(raw, limits=Limits(max_bytes=http.MAX_ANSWER))
    except UnsafeInput:
        return None, None
    content = root.find(f"{{{ENVELOPE}}}Body")
    if content is None or len(content) == 0:
        return None, None
    first = content[0]
    if first.tag != f"{{{ENVELOPE}}}Fault":
        return xmltree.read(first), None
    detail = first.find("detail")
    return None, {
        "code": (first.findtext("faultcode") or "").rpartition(":")[2],
        "text": first.findtext("faultstring") or "",
        "detail": xmltree.read(detail) if detail is not None else None,
    }
