"""Databases for the job tests: each test runs on SQLite and on PostgreSQL."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import hub.audit.model
import hub.kit.model  # noqa: F401
from hub.kit.database import Base, Database
from tests.jobs import office  # noqa: F401
from tests.jobs.office import OfficeBase


@pytest.fixture(params=["sqlite", "postgresql"])
def db(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    url = f"sqlite:///{tmp_path / 'hub.db'}" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    database = Database(url)
    Base.metadata.create_all(database.engine)
    OfficeBase.metadata.create_all(database.engine)
    yield database
    database.dispose()


@pytest.fixture
def eventually() -> Callable[..., None]:
    """Wait for a condition, for at most so many seconds."""
    return wait_for


def wait_for(condition: Callable[[], object], seconds: float = 20) -> None:

    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "the condition never came true"
        time.sleep(0.02)
