"""Logging: fixed event words with fields, as JSON lines (console in the demo), redacted at the edge.

``bind`` puts case, job or connector on every line of the work that follows; secrets and personal fields never get out.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any, Protocol, TextIO

import orjson
import structlog

_HIDDEN = "[geschwärzt]"
_SECRET = re.compile(
    r"passw|secret|token|authorization|cookie|api_?key|private|credential|signature|iban|bic$|kontonummer|"
    r"^(first|last|family|given|full|applicant)_?name$|^(vor|nach|familien)name$|birth|geburt|"
    r"^(body|payload|content|application|answers|data)$|e_?mail|phone|telefon|address$|adresse|stra(ss|ß)e|street",
    re.IGNORECASE,
)
_IN_TEXT = (
    (re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{8,}"), r"\1 " + _HIDDEN),
    (re.compile(r"(\w[\w+.-]*://[^\s:/@]+):[^\s@/]+@"), r"\1:" + _HIDDEN + "@"),
    (re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,3})?\b"), _HIDDEN),
    (re.compile(r"[\w.+-]+@[\w-]+\.[\w.-]+"), _HIDDEN),
    (re.compile(r"(?i)\b(password|passwd|secret|token|api_?key)(\s*[=:]\s*)[^\s,;&]+"), r"\1\2" + _HIDDEN),
)


class _LogSettings(Protocol):
    @property
    def log_level(self) -> str: ...
    @property
    def log_format(self) -> str | None: ...
    @property
    def stage(self) -> str: ...


def redact_text(text: str) -> str:
    """``text`` without credentials, IBANs and mail addresses."""
    for pattern, replacement in _IN_TEXT:
        text = pattern.sub(replacement, text)
    return text


def redact(value: Any, name: str = "") -> Any:
    """``value`` without secrets, by field name first and by shape for free text; works through dicts and lists."""
    if name and value is not None and not isinstance(value, bool | int) and _SECRET.search(name):
        return _HIDDEN
    if isinstance(value, str):
        return redact_text(value) if len(value) < 20_000 else f"[{len(value)} Zeichen]"
    if isinstance(value, bytes | bytearray):
        return f"[{len(value)} Byte]"
    if isinstance(value, dict):
        return {key: redact(item, str(key)) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [redact(item) for item in value]
    return value


def _redact_event(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for name, value in event.items():
        if name not in {"event", "level", "timestamp", "logger"}:
            event[name] = redact(value, name)
    return event


def configure(settings: _LogSettings, stream: TextIO | None = None) -> None:
    """Set up logging for this process; also takes the lines of libraries that use ``logging``."""
    target = stream or sys.stderr
    as_console = (settings.log_format or ("console" if settings.stage == "demo" else "json")) == "console"
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _redact_event,
    ]
    last: list[Any] = (
        [structlog.dev.ConsoleRenderer(colors=target.isatty())]
        if as_console
        else [structlog.processors.JSONRenderer(serializer=_dump)]
    )
    structlog.configure(
        processors=[*shared, *last],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(target),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(target)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(level, logging.WARNING))


@contextmanager
def bind(**fields: Any) -> Iterator[None]:
    """Put ``fields`` (case, job, connector, attempt) on every log line within the block."""
    with structlog.contextvars.bound_contextvars(**fields):
        yield


def _dump(value: Any, **_options: Any) -> str:
    return orjson.dumps(value, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
