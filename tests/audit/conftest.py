"""Databases for the audit tests: each test runs on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import hub.audit.model
import hub.kit.model  # noqa: F401
from hub.kit.database import Base, Database


@pytest.fixture(params=["sqlite", "postgresql"])
def db(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    url = f"sqlite:///{tmp_path / 'hub.db'}" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    database = Database(url)
    Base.metadata.create_all(database.engine)
    yield database
    database.dispose()
