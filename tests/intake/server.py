"""The API alone as a process of its own: `uvicorn --factory tests.intake.server:create`."""

from __future__ import annotations

from fastapi import FastAPI

from hub import tables as _tables  # noqa: F401 - every table must be known
from hub.cases import vault
from hub.identity import endpoints as identity
from hub.intake import endpoints as intake
from hub.kit import problems
from hub.kit.database import Database
from hub.kit.settings import settings


def create() -> FastAPI:
    """Sign-in and intake on the database of DATABASE_URL; jobs stay in their rows for the tests to run."""
    app = FastAPI()
    app.state.db = Database(settings().database_url)
    identity.install(app, app.state.db, vault.ring())
    problems.install(app)
    app.include_router(identity.router)
    app.include_router(intake.router)
    return app
