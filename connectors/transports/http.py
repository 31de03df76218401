"""HTTP for rest and soap: one pooled client per target, and what each way of failing means.

Creating a client costs 25 ms (TLS context) and a call without a pool as much, so clients are kept per instance version
and process. Redirects are never followed: an answer may not send case data to a host nobody configured.
"""

from __future__ import annotations

import os
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

import httpx
import orjson

from connectors import redact, xmltree
from connectors.answers import outcome
from connectors.contract import ConnectorError, Instance, Outcome, OutcomeKind
from connectors.transports.call import Call
from xoev.safe import Limits, UnsafeInput, parse_xml

MAX_ANSWER = 8 * 1024 * 1024
CHUNK = 256 * 1024
_ANSWER_LIMITS = Limits(max_bytes=MAX_ANSWER)
_clients: dict[tuple[int, str, int, str], httpx.Client] = {}
_lock = threading.Lock()
_tls: dict[str, ssl.SSLContext] = {}


class AnswerTooLargeError(ConnectorError):
    """The far system's answer is larger than :data:`MAX_ANSWER`."""


def client(instance: Instance) -> httpx.Client:
    """The pooled client of this instance version in this process."""
    key = (os.getpid(), instance.id, instance.version, str(instance.settings.get("endpoint")))
    found = _clients.get(key)
    if found is None:
        with _lock:
            found = _clients.get(key)
            if found is None:
                found = _clients[key] = _new_client(instance)
    return found


def _new_client(instance: Instance) -> httpx.Client:
    settings = instance.settings
    auth, headers = None, {"User-Agent": "ozg-hub"}
    if settings.get("token"):
        headers["Authorization"] = f"Bearer {settings['token']}"
    elif settings.get("user"):
        auth = httpx.BasicAuth(settings["user"], settings.get("password", ""))
    read = float(settings.get("timeout_s", instance.timeout_s))
    connect = float(settings.get("connect_timeout_s", 5.0))
    return httpx.Client(
        verify=_tls_context(settings.get("ca_file")),
        auth=auth,
        headers=headers,
        timeout=httpx.Timeout(read, connect=connect, pool=connect),
        limits=httpx.Limits(max_connections=32, max_keepalive_connections=8, keepalive_expiry=4.0),
        follow_redirects=False,
        trust_env=False,
    )


def _tls_context(ca_file: str | None) -> ssl.SSLContext:
    """One verifying TLS context per process and certificate file."""
    key = ca_file or ""
    if key not in _tls:
        _tls[key] = ssl.create_default_context(cafile=ca_file)
    return _tls[key]


def target(instance: Instance, path: str = "") -> httpx.URL:
    """The endpoint plus ``path``; the host is always the configured one."""
    base = httpx.URL(str(instance.settings["endpoint"]))
    url = httpx.URL(str(base).rstrip("/") + path) if path else base
    if (url.scheme, url.host, url.port) != (base.scheme, base.host, base.port):
        raise httpx.InvalidURL("host")
    return url


def send(call: Call, request: httpx.Request) -> dict[str, Any]:
    """The answer ``{status, headers, body}``; the body is parsed by its media type. Raises httpx errors and
    :class:`AnswerTooLargeError`; use :func:`failure` for their meaning."""
    response = client(call.instance).send(request, stream=True)
    try:
        raw = bytearray()
        for chunk in response.iter_bytes(CHUNK):
            raw += chunk
            if len(raw) > MAX_ANSWER:
                raise AnswerTooLargeError
    finally:
        response.close()
    headers = {name.lower(): value for name, value in response.headers.items()}
    return {"status": response.status_code, "headers": headers, "body": parse(bytes(raw), headers), "raw": bytes(raw)}


def parse(raw: bytes, headers: Mapping[str, str]) -> Any:
    """A body as data: JSON and XML parsed, text as text, anything else as None."""
    media = headers.get("content-type", "").split(";")[0].strip().lower()
    try:
        if media.endswith("json"):
            return orjson.loads(raw) if raw else None
        if media.endswith("xml"):
            return xmltree.read(parse_xml(raw, limits=_ANSWER_LIMITS))
    except (orjson.JSONDecodeError, UnsafeInput):
        return None
    return raw.decode("utf-8", "replace") if media.startswith("text/") else None


def failure(call: Call, error: Exception, shown: str) -> Outcome:
    """What an exception of the HTTP client means. Nothing sent: ``transient``; sent or perhaps sent: ``unknown``,
    unless a repetition is harmless."""
    detail = type(error).__name__
    if isinstance(error, httpx.ConnectError) and _certificate_fault(error):
        say = "Das Zertifikat der Gegenstelle ist ungültig oder unbekannt. Die IT ist zuständig."
        return outcome("configuration", say=say, detail=detail, request=shown)
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout):
        return outcome("transient", detail=detail, request=shown)
    if isinstance(error, httpx.InvalidURL | httpx.UnsupportedProtocol | httpx.LocalProtocolError):
        return outcome("configuration", detail=detail, request=shown)
    kind: OutcomeKind = "transient" if call.repeat_is_safe and isinstance(error, httpx.TransportError) else "unknown"
    return outcome(kind, detail=detail, request=shown)


def _certificate_fault(error: BaseException) -> bool:
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, ssl.SSLCertVerificationError):
            return True
        seen = seen.__cause__ or seen.__context__
    return False


def describe(answer: Mapping[str, Any]) -> str:
    """An answer for the attempt log."""
    shape = redact.structure(answer["body"]) if answer["body"] is not None else "ohne lesbaren Inhalt"
    return redact.shorten(f"HTTP {answer['status']} · {redact.fingerprint(answer['raw'])} · {shape}")


def pieces(stream: BinaryIO) -> Iterator[bytes]:
    """A stream in chunks, closed at the end."""
    with stream:
        while chunk := stream.read(CHUNK):
            yield chunk


def reachable(instance: Instance) -> Outcome:
    """Whether the host of the endpoint accepts a connection; nothing is sent."""
    url = target(instance)
    port = url.port or (443 if url.scheme == "https" else 80)
    try:
        with socket.create_connection((url.host, port), timeout=5):
            return outcome("delivered", say="Die Adresse nimmt Verbindungen an.")
    except OSError as error:
        return outcome("transient", detail=type(error).__name__)
