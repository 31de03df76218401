"""Reading an application the way intake does, also for samples and scenarios of a process folder."""

from __future__ import annotations

from dataclasses import asdict
from decimal import Decimal
from typing import Any

import orjson

from hub.library.process import Process
from xoev import safe, xrechnung


def read_application(process: Process, data: bytes) -> dict[str, Any]:
    """The readable form of an application (`application` in FEEL and mappings) from its original bytes.

    JSON or XML by the process's own FIM data schema, or the invoice record where the process takes XRechnung.
    Raises xoev.safe.UnsafeInput for hostile bytes; an instance that breaks its schema is read as far as it goes.
    """
    if process.profile.intake.standard == "xrechnung":
        return invoice_record(data)
    schema = process.schema
    if schema is None:
        raise ValueError(f"process {process.id} has neither a data schema nor a standard")
    if data.lstrip()[:1] == b"<":
        return schema.readable(schema.read_xml(safe.parse_xml(data)))
    return schema.readable(safe.parse_json(data))


def invoice_record(data: bytes) -> dict[str, Any]:
    """An XRechnung as plain JSON values: amounts as numbers, days as ISO text, `discount` the one that ends first."""
    invoice = xrechnung.read(data)
    record = asdict(invoice) | {
        "credit_note": invoice.credit_note,
        "discount": asdict(invoice.discount) if invoice.discount else None,
    }
    plain: dict[str, Any] = orjson.loads(orjson.dumps(record, default=_number))
    return plain


def _number(value: object) -> float:
    """An amount; its shortest decimal form is the amount itself, so FEEL reads it back exactly."""
    if isinstance(value, Decimal):
        return float(value)
    raise TypeError(type(value).__name__)
