"""The portal's API: submit an application or an invoice. Whoever gets 202 may delete: the original is committed."""

from __future__ import annotations

import re
from typing import Any

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse
from starlette.requests import ClientDisconnect

from hub.cases import vault
from hub.identity.endpoints import Client
from hub.intake import follow, metadata, refusals, status
from hub.intake.incoming import Incoming, Receipt
from hub.intake.reception import receive
from hub.intake.upload import FormReader, read_body, read_form
from hub.kit.problems import Problem
from hub.kit.settings import settings

router = APIRouter(prefix="/api/v1", tags=["Einreichungen"])
INVOICES = "xrechnung-eingang"
_STRICT = re.compile(r"(?:^|[,;])\s*handling\s*=\s*\"?strict\"?\s*(?:$|[,;])", re.IGNORECASE)
_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "minLength": 8, "maxLength": 200, "example": "6f1c2c9e-5a0e-4f0a-9d1b-0c7b1f3f2a11"},
}
_PREFER = {
    "name": "Prefer",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "example": "handling=strict"},
}
_METADATA = {
    "service": {"type": "string", "example": "99102013104000"},
    "kind": {"type": "string", "example": "initial"},
    "case": {"type": "string", "description": "Vorgangsnummer oder Aktenzeichen, bei Nachreichung und Rücknahme"},
    "received_at": {"type": "string", "format": "date-time"},
    "sender_reference": {"type": "string"},
    "schema": {"type": "string", "example": "urn:fim:S99000000001:1.0"},
}
_RESPONSES: dict[int | str, dict[str, Any]] = {
    202: {"description": "Gespeichert und angenommen; auch mit Fehlern im Inhalt (dann in Klärung)"},
    **{
        status_code: {"description": text}
        for status_code, text in (
            (400, "Nicht lesbar oder gefährlich"),
            (401, "Token fehlt oder ist ungültig"),
            (403, "Leistung nicht freigeschaltet"),
            (404, "Leistung oder Vorgang unbekannt"),
            (409, "Idempotency-Key mit anderem Inhalt"),
            (413, "Zu groß"),
            (415, "Datenformat nicht unterstützt"),
            (422, "Veraltetes Datenschema, oder Fehler im strengen Modus"),
        )
    },
}


@router.post(
    "/submissions",
    status_code=202,
    summary="Antrag einreichen",
    responses=_RESPONSES,
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": {"type": "object"}},
                "application/xml": {"schema": {"type": "string"}},
                "multipart/form-data": {
                    "schema": {
                        "type": "object",
                        "required": ["metadata", "data"],
                        "properties": {
                            "metadata": {"type": "object", "required": ["service"], "properties": _METADATA},
                            "data": {"type": "string", "format": "binary"},
                            "attachment": {"type": "array", "items": {"type": "string", "format": "binary"}},
                        },
                    }
                },
            },
        },
        "parameters": [
            _KEY,
            _PREFER,
            *(
                {"name": name, "in": "query", "required": False, "schema": schema, "description": "Nur ohne Formular"}
                for name, schema in _METADATA.items()
            ),
        ],
    },
)
async def submit(request: Request) -> JSONResponse:
    """Accept a submission: plain JSON or XML with metadata in the query, or a form of `metadata`, `data`, `attachment`.

    202 with a receipt once everything is stored and committed. `Prefer: handling=strict` (RFC 7240) turns a schema
    fault into 422 instead of a Klärfall.
    """
    incoming = await _begin(request, "api")
    incoming.strict = _STRICT.search(request.headers.get("prefer", "")) is not None
    if incoming.media_type.lower().startswith("multipart/form-data"):
        return await _form(request, incoming)
    await _body(request, incoming)
    told = dict(request.query_params)
    return _accepted(await run_in_threadpool(_received, request.app.state, incoming, told))


@router.post(
    "/invoices",
    status_code=202,
    summary="E-Rechnung (XRechnung) einreichen",
    tags=["E-Rechnung"],
    responses=_RESPONSES,
    openapi_extra={
        "requestBody": {"required": True, "content": {"application/xml": {"schema": {"type": "string"}}}},
        "parameters": [_KEY, _PREFER],
    },
)
async def submit_invoice(request: Request) -> JSONResponse:
    """Accept one XRechnung (UBL or CII) as the raw body; the answer is that of a submission."""
    incoming = await _begin(request, "invoice-http")
    incoming.strict = _STRICT.search(request.headers.get("prefer", "")) is not None
    await _body(request, incoming)
    return _accepted(await run_in_threadpool(_invoice_received, request.app.state, incoming))


async def _begin(request: Request, channel: str) -> Incoming:
    """Who sends, under which key; before a single byte of the body is read."""
    state = request.app.state
    client: Client = await run_in_threadpool(state.bearer.client, request)
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in {"", "identity"}:
        raise Problem(
            415,
            "encoding.unsupported",
            "Inhaltskodierung nicht unterstützt",
            f"„Content-Encoding: {encoding[:40]}“ wird nicht angenommen; bitte unkomprimiert senden.",
        )
    key, wrapped = vault.ring().new_data_key()
    return Incoming(
        tenant=client.tenant,
        client_id=client.id,
        channel=channel,
        may_use=client.may_use,
        original=b"",
        key=key,
        wrapped_key=wrapped,
        media_type=request.headers.get("content-type", "").strip(),
        reply_to=client.reply_to,
        idempotency_key=_idempotency_key(request),
    )


async def _body(request: Request, incoming: Incoming) -> None:
    try:
        incoming.original = await read_body(request.stream())
    except ClientDisconnect:
        raise _gone() from None
    except Problem as problem:
        await run_in_threadpool(refusals.keep, request.app.state.db, incoming, problem)
        raise


async def _form(request: Request, incoming: Incoming) -> JSONResponse:
    state, reader = request.app.state, None
    try:
        reader = FormReader(incoming.media_type, incoming.key, vault.blobs())
        rest = await read_form(request.stream(), reader)
    except ClientDisconnect:
        raise _gone() from None
    except Problem as problem:
        await run_in_threadpool(_refuse, state, incoming, reader, problem)
        raise
    return _accepted(await run_in_threadpool(_form_received, state, incoming, reader, rest))


def _form_received(state: Any, incoming: Incoming, reader: FormReader, rest: bytes) -> Receipt:
    try:
        reader.feed(rest)
        parts = reader.finish()
    except Problem as problem:
        reader.abort()
        _refuse(state, incoming, reader, problem)
        raise
    except BaseException:
        reader.abort()
        raise
    incoming.original, incoming.media_type, incoming.uploads = parts.data, parts.data_media_type, tuple(parts.uploads)
    with refusals.kept(state.db, incoming):
        incoming.describe(metadata.parse(parts.metadata))
    return receive(state.db, incoming)


def _refuse(state: Any, incoming: Incoming, reader: FormReader | None, problem: Problem) -> None:
    """A form that could not be read to its end: listed, with the data as far as it came."""
    incoming.original = reader.parts.data if reader else b""
    refusals.keep(state.db, incoming, problem)


def _invoice_received(state: Any, incoming: Incoming) -> Receipt:
    with refusals.kept(state.db, incoming):
        incoming.service = INVOICES
        if incoming.original.startswith(b"%PDF") or "pdf" in incoming.media_type.lower():
            raise Problem(
                415,
                "invoice.pdf",
                "PDF-Rechnungen werden noch nicht angenommen",
                "Bitte senden Sie die XML-Datei der Rechnung (XRechnung in UBL oder CII), bei ZUGFeRD die "
                "eingebettete XML-Datei.",
                accepted=["application/xml"],
            )
    return receive(state.db, incoming)


def _received(state: Any, incoming: Incoming, told: dict[str, Any]) -> Receipt:
    with refusals.kept(state.db, incoming):
        incoming.describe(metadata.from_mapping(told))
    return receive(state.db, incoming)


def _gone() -> Problem:
    return Problem(400, "request.aborted", "Übertragung abgebrochen", "Die Verbindung endete vor dem Ende der Daten.")


def _idempotency_key(request: Request) -> str | None:
    value = request.headers.get("idempotency-key")
    if value is None:
        return None
    value = value.strip().strip('"')
    if not 8 <= len(value) <= 200 or not value.isascii() or not value.isprintable():
        raise Problem(
            400,
            "idempotency.malformed",
            "Idempotency-Key fehlerhaft",
            "Der Schlüssel muss 8 bis 200 druckbare ASCII-Zeichen haben, zum Beispiel eine UUID.",
        )
    return value


def _accepted(receipt: Receipt) -> JSONResponse:
    body = receipt_body(receipt)
    return JSONResponse(body, 202, {"Location": body["status_url"]})


def receipt_body(receipt: Receipt) -> dict[str, Any]:
    """The receipt as the portal gets it; the same for every repetition."""
    token = status.token(receipt.id)
    return {
        "id": str(receipt.id),
        "state": receipt.state,
        "received_at": receipt.received_at.isoformat(),
        "digest": f"sha-256:{receipt.digest}",
        "problems": receipt.problems,
        "status_url": f"{settings().public_url}/api/v1/submissions/{receipt.id}",
        "applicant_url": f"{settings().public_url}/s/{receipt.id}.{token}",
    }


router.include_router(follow.router, prefix="")
