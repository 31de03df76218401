"""FEEL outside the engine: titles, names and texts of a profile, evaluated over what a case knows."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import structlog

from hub.kit.clock import now
from workflows.feel import ExpressionError, expression

log = structlog.get_logger(__name__)
_PLACE = re.compile(r"\{=(.*?)\}", re.DOTALL)
_ISO_DAY = re.compile(r"^\d{4}-\d{2}-\d{2}$")


def evaluate(source: str, *tables: Mapping[str, Any]) -> Any:
    """The value of an expression (a leading `=` is allowed). Raises ExpressionError."""
    return expression(source.strip().removeprefix("=").strip())(*tables, now=now())


def value_or(source: str | None, default: Any, *tables: Mapping[str, Any]) -> Any:
    """Like `evaluate`, but a missing or failing expression gives the default: a title must not stop a case."""
    if not source:
        return default
    try:
        value = evaluate(source, *tables)
    except ExpressionError as error:
        log.warning("expression_failed", source=source, reason=str(error)[:200])
        return default
    return default if value is None else value


def german(value: Any) -> str:
    """A value for reading: dates as DD.MM.YYYY, decimals with a comma, lists joined with a semicolon."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "ja" if value else "nein"
    if isinstance(value, datetime | date):
        return value.strftime("%d.%m.%Y")
    if isinstance(value, Decimal):
        return format(value, "f").replace(".", ",")
    if isinstance(value, str):
        return f"{value[8:]}.{value[5:7]}.{value[:4]}" if _ISO_DAY.match(value) else value
    if isinstance(value, list | tuple):
        return "; ".join(german(item) for item in value)
    return str(value)


def fill(text: str, *tables: Mapping[str, Any]) -> str:
    """A text with its `{= FEEL }` places filled in for reading. Raises ExpressionError."""
    return _PLACE.sub(lambda found: german(evaluate(found.group(1), *tables)), text)


def fill_known(text: str, *tables: Mapping[str, Any]) -> str:
    """Like `fill`, with a dash for what is not known or cannot be worked out: a page must not fail over a sentence."""

    def known(found: re.Match[str]) -> str:
        return german(value_or(found.group(1), None, *tables)) or "–"

    return _PLACE.sub(known, text)
