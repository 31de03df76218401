"""REST: JSON, XML, files and multipart; attachments are streamed from where they are stored."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import orjson

from connectors import answers, redact, xmltree
from connectors.contract import Attachment, Outcome
from connectors.declaration import Step
from connectors.transports import http
from connectors.transports.call import Call, chosen, url_part


def perform(call: Call) -> Outcome:
    """Send one call and say what its answer means. Raises ``MappingError`` and ``TreeError`` (nothing was sent)."""
    method, path = call.declared.call.split(" ", 1)
    url = http.target(call.instance, call.address(path, escape=url_part))
    files = chosen(call.declared.attachments, call.attachments) if isinstance(call.declared, Step) else []
    if isinstance(call.declared, Step) and call.declared.optional and not files:
        return answers.outcome("delivered", say="Der Schritt entfällt: keine passende Datei.", detail="skipped")
    with ExitStack() as stack:
        request, shown = _request(call, method, url, files, stack)
        shown = redact.shorten(f"{method} {url.path} · {shown}")
        try:
            answer = http.send(call, request)
        except (httpx.HTTPError, httpx.InvalidURL, http.AnswerTooLargeError) as error:
            return http.failure(call, error, shown)
    return _meaning(call, answer, shown)


def _request(
    call: Call, method: str, url: httpx.URL, files: list[Attachment], stack: ExitStack
) -> tuple[httpx.Request, str]:
    """The request and what the log may show of it."""
    client, step, headers = http.client(call.instance), call.declared, {"Accept": "application/json, application/xml"}
    if isinstance(step, Step):
        headers["Idempotency-Key"] = call.message.key
        headers |= {name: call.address(value, escape=str) for name, value in step.headers.items()}
    body = step.body if isinstance(step, Step) else ("json" if step.map else "none")
    if body in {"json", "xml", "multipart"}:
        content, media, shown = encode(call, "xml" if body == "xml" else "json")
        if body == "multipart":
            parts: list[Any] = [("message", ("message.json", content, media))]
            parts += [("file", (a.name, stack.enter_context(a.open()), a.media_type)) for a in files]
            return client.build_request(method, url, headers=headers, files=parts), shown + redact.files(files)
        if isinstance(step, Step) and step.sign:
            headers |= signature(call, content)
        headers["Content-Type"] = media
        return client.build_request(method, url, headers=headers, content=content), shown
    if body == "none":
        return client.build_request(method, url, headers=headers), "ohne Inhalt"
    file = _single(call, body, files)
    headers |= {"Content-Type": file.media_type, "Content-Length": str(file.size), "Digest": f"sha-256={file.digest}"}
    return client.build_request(method, url, headers=headers, content=_stream(file)), redact.files([file])


def _single(call: Call, body: str, files: list[Attachment]) -> Attachment:
    if body == "original" and call.message.original is not None:
        return call.message.original
    if body != "original" and len(files) == 1:
        return files[0]
    raise xmltree.TreeError(f"Für body: {body} muss genau eine Datei vorhanden sein; gefunden: {len(files)}.")


def _stream(file: Attachment) -> Iterator[bytes]:
    yield from http.pieces(file.open())


def encode(call: Call, form: str) -> tuple[bytes, str, str]:
    """(bytes, media type, description) of the mapped message."""
    tree = call.mapped()
    if form == "json":
        content = orjson.dumps(tree)
        return content, "application/json", f"JSON {redact.fingerprint(content)} · {redact.structure(tree)}"
    manifest = call.instance.manifest
    root = xmltree.build(tree, manifest.namespaces)
    if manifest.message_schema:
        xmltree.check(root, manifest.folder / manifest.message_schema)
    content = xmltree.serialise(root)
    return content, "application/xml", f"XML {redact.fingerprint(content)} · {redact.structure(tree)}"


def signature(call: Call, content: bytes, now: float | None = None) -> dict[str, str]:
    """The two signature headers: HMAC-SHA256 over ``<unix seconds>.<body>``."""
    rule = call.instance.manifest.signature
    secret = str(call.instance.settings.get(rule.secret, ""))
    if not secret:
        raise xmltree.TreeError(f"Die Einstellung {rule.secret!r} für die Unterschrift fehlt.")
    stamp = str(int(now if now is not None else time.time()))
    mac = hmac.new(secret.encode(), stamp.encode() + b"." + content, hashlib.sha256).hexdigest()
    return {rule.timestamp_header: stamp, rule.header: rule.prefix + mac}


def _meaning(call: Call, answer: dict[str, Any], shown: str) -> Outcome:
    logged = {"request": shown, "answer": http.describe(answer), "status": str(answer["status"])}
    seen = {name: answer[name] for name in ("status", "headers", "body")}
    decided = answers.from_table(call.answers, seen, call.place)
    if decided is not None:
        return answers.outcome(decided.kind, say=decided.say, saved=decided.saved, **logged)
    kind = answers.http_kind(answer["status"])
    if call.lookup and answer["status"] == 404:
        kind = "absent"
    if call.repeat_is_safe and kind == "unknown":
        kind = "transient"
    if kind == "delivered" and not call.found(seen):
        return answers.outcome("absent", **logged)
    values = answers.saved(call.declared.saves, seen, call.place) if kind == "delivered" else {}
    return answers.outcome(kind, saved=values, **logged)


def check(call: Call | None, instance: Any) -> Outcome:
    """Reach the endpoint, or perform the harmless ``check`` call of the manifest."""
    if call is None:
        return http.reachable(instance)
    return perform(call)
