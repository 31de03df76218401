"""Where specialist applications report back (webhooks): verified before anything is parsed, committed before 202."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse

import connectors
from hub.catalogue import service as catalogue
from hub.delivery import inbound
from hub.kit.problems import Problem
from hub.kit.settings import settings

router = APIRouter(prefix="/api/v1", tags=["Rückmeldungen"])
MAX_BODY = 32 * 1024 * 1024


@router.post("/inbound/{instance_name}", status_code=202, summary="Meldung eines Fachverfahrens")
async def receive(request: Request, instance_name: str) -> JSONResponse:
    """Signed message of a configured instance; a repetition (same sender key) changes nothing."""
    raw = bytearray()
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > MAX_BODY:
            raise Problem(413, "body.too-large", "Zu groß", "Eine Meldung darf höchstens 32 MB groß sein.")
    db, tenant = request.app.state.db, settings().tenant
    headers = dict(request.headers)

    def keep() -> int:
        with db.read() as session:
            try:
                instance = catalogue.instance(catalogue.target(session, tenant, instance_name))
            except catalogue.NotConfiguredError:
                raise Problem(404, "instance.unknown", "Anbindung unbekannt", "") from None
        try:
            connectors.verify(instance, bytes(raw), headers)
            found = connectors.match_event(instance.manifest, bytes(raw), headers)
        except connectors.InboundRefused as error:
            status = 401 if error.code.startswith("signature") else 400
            raise Problem(status, error.code, "Meldung nicht angenommen", error.say) from None
        with db.write() as session:
            return inbound.store(session, tenant=tenant, instance=instance_name, found=found)

    new = await run_in_threadpool(keep)
    return JSONResponse({"accepted": True, "new": new}, 202)
