"""The sender's view of what it submitted: status, released documents, services and their data schemas."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO
from uuid import UUID

import orjson
from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, Response, StreamingResponse

from hub.cases import documents, vault
from hub.identity.endpoints import Client
from hub.intake import status
from hub.kit.problems import Problem
from hub.library import service as library

router = APIRouter(tags=["Einreichungen"])


@router.get("/submissions/{submission_id}", summary="Stand einer Einreichung")
async def follow(request: Request, submission_id: UUID) -> Response:
    """State, problems, numbers, public events and documents; ETag for cheap polling."""
    state = request.app.state
    client: Client = await run_in_threadpool(state.bearer.client, request)

    def read() -> dict[str, Any]:
        with state.db.read() as session:
            return status.of_submission(session, client.tenant, client.id, submission_id)

    body = orjson.dumps(await run_in_threadpool(read), default=str)
    tag = status.etag(body)
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers={"ETag": tag})
    return Response(body, media_type="application/json", headers={"ETag": tag, "Cache-Control": "no-store"})


@router.get("/submissions/{submission_id}/documents/{document_id}", summary="Bescheid oder Bestätigung abrufen")
async def document(request: Request, submission_id: UUID, document_id: UUID) -> Response:
    """A document that was released to the applicant."""
    state = request.app.state
    client: Client = await run_in_threadpool(state.bearer.client, request)

    def open_it() -> tuple[documents.Stored, BinaryIO]:
        with state.db.read() as session:
            found = status.public_document(session, client.tenant, client.id, submission_id, document_id)
            return found, vault.open_document(session, found)

    found, stream = await run_in_threadpool(open_it)
    return StreamingResponse(
        _pieces(stream),
        media_type=found.media_type,
        headers={"Content-Disposition": status.disposition(found.name), "Content-Length": str(found.size)},
    )


def _pieces(stream: BinaryIO) -> Iterator[bytes]:
    with stream:
        yield from iter(lambda: stream.read(256 * 1024), b"")


@router.get("/services", summary="Leistungen, für die hier eingereicht werden kann")
async def services(request: Request) -> JSONResponse:
    """The released services with LeiKa-ID, media types and data schema."""
    state = request.app.state
    client: Client = await run_in_threadpool(state.bearer.client, request)

    def read() -> list[dict[str, Any]]:
        with state.db.read() as session:
            found = library.all_released(session, client.tenant)
        return [
            {
                "service": process.profile.leika or process.id,
                "process": process.id,
                "title": process.profile.title,
                "version": process.profile.version,
                "media_types": list(process.profile.intake.media_types),
                "schema": process.schema.uri if process.schema else None,
                "standard": process.profile.intake.standard,
            }
            for process in found
            if client.may_use(process.id, process.profile.leika)
        ]

    return JSONResponse({"items": await run_in_threadpool(read)})


@router.get("/services/{process_id}/schema", summary="Datenschema einer Leistung als JSON Schema 2020-12")
async def service_schema(request: Request, process_id: str) -> JSONResponse:
    """The JSON Schema an application of this service must meet."""
    state = request.app.state
    client: Client = await run_in_threadpool(state.bearer.client, request)

    def read() -> dict[str, Any]:
        with state.db.read() as session:
            try:
                process = library.released(session, client.tenant, process_id)
            except library.UnknownServiceError:
                raise Problem(
                    404,
                    "service.unknown",
                    "Leistung unbekannt",
                    "GET /api/v1/services nennt die verfügbaren Leistungen.",
                ) from None
        if process.schema is None:
            raise Problem(404, "schema.none", "Kein Datenschema", "Diese Leistung nimmt einen Standard an (XRechnung).")
        return process.schema.json_schema()

    return JSONResponse(await run_in_threadpool(read), media_type="application/schema+json")
