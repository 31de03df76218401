"""Assembly of the serving half: API and pages in one ASGI application."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles

from hub.cases import vault
from hub.clearing import pages as clearing_pages
from hub.delivery import endpoints as delivery_endpoints
from hub.identity import endpoints as identity_endpoints
from hub.identity import pages as identity_pages
from hub.inbox import pages as inbox_pages
from hub.insight import pages as insight_pages
from hub.intake import endpoints as intake_endpoints
from hub.intake import pages as intake_pages
from hub.jobs.carrier_inprocess import InProcess
from hub.jobs.runner import announce_after_commit
from hub.kit import api_page, paths, problems, web
from hub.kit.database import Database
from hub.kit.log import configure
from hub.kit.settings import settings
from hub.worker import carrier, database, runner


def create(db: Database | None = None, *, work: bool | None = None) -> FastAPI:
    """The application. Without a broker it also runs the jobs (`work`), in threads of this process."""
    given = settings()
    configure(given)
    db = db or database(given)
    embedded = given.embedded if work is None else work

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        inside = InProcess(runner(db)).start() if embedded else None
        outside = None
        if inside is None and given.broker_url:
            outside = carrier()
            announce_after_commit(db, outside)
        app.state.carrier = inside or outside
        yield
        if inside is not None:
            inside.stop()
        if outside is not None:
            outside.close()
        db.dispose()

    app = FastAPI(
        title="ozg-hub",
        version="1",
        lifespan=lifespan,
        docs_url=None,
        openapi_url="/api/openapi.json",
        redoc_url=None,
        description="Einreichungen eines OZG-Portals annehmen, verfolgen und beantworten.",
    )
    app.state.db = db
    identity_endpoints.install(app, db, vault.ring())
    web.install(app)
    problems.install(app, web.error_page)
    api_page.install(app)
    for router in (
        identity_endpoints.router,
        intake_endpoints.router,
        delivery_endpoints.router,
        identity_pages.router,
        inbox_pages.router,
        insight_pages.router,
        clearing_pages.router,
        intake_pages.router,
    ):
        app.include_router(router)
    app.mount("/static", StaticFiles(directory=paths.static()), name="static")
    return app
