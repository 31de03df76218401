"""Fixtures that every test may use: private servers, fresh databases, the official standards where they are at hand."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from tests.services.postgres import PostgresServer
from tests.services.rabbitmq import RabbitBroker

if TYPE_CHECKING:
    from playwright.sync_api import Browser

CHECKOUT = Path(__file__).resolve().parents[1]
STANDARDS = CHECKOUT.parent / "shared" / "standards"

# Before anything of the hub is imported: tests never touch what the person at this machine has configured.
for _name in [name for name in os.environ if name.startswith("HUB_")] + ["DATABASE_URL", "BROKER_URL"]:
    os.environ.pop(_name, None)
_DATA = Path(tempfile.mkdtemp(prefix="ozg-hub-test-"))
os.environ["HUB_DATA"] = str(_DATA)
os.environ["HUB_STAGE"] = "test"
os.environ["C_FORCE_ROOT"] = "1"  # Celery: a test may run as root
if STANDARDS.is_dir():
    os.environ["HUB_STANDARDS"] = str(STANDARDS)


def pytest_unconfigure() -> None:
    """Remove the data folder of this run."""
    shutil.rmtree(_DATA, ignore_errors=True)


@pytest.fixture(scope="session")
def standards() -> Path:
    """The folder with the official schema files; the test is skipped where nobody put them."""
    if not STANDARDS.is_dir():
        pytest.skip(f"no official schema files in {STANDARDS}: they are not part of the project")
    return STANDARDS


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A private PostgreSQL server, started when the first test asks for it."""
    server = PostgresServer()
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture
def postgres_url(postgres: PostgresServer) -> Iterator[str]:
    """The address of an empty PostgreSQL database of this test's own."""
    with postgres.database() as url:
        yield url


@pytest.fixture
def hub_postgres_url(postgres: PostgresServer) -> Iterator[str]:
    """The address of a PostgreSQL database with all tables, copied from one that was upgraded once."""
    with postgres.database(postgres.template("hub_template", upgrade)) as url:
        yield url


@pytest.fixture(scope="session")
def _hub_sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("sqlite") / "template.db"
    upgrade(f"sqlite:///{file}")
    return file


@pytest.fixture
def hub_sqlite_url(_hub_sqlite_template: Path, tmp_path: Path) -> str:
    """The address of a SQLite database with all tables."""
    for part in _hub_sqlite_template.parent.glob(f"{_hub_sqlite_template.name}*"):
        shutil.copy(part, tmp_path / part.name.replace("template", "hub"))
    return f"sqlite:///{tmp_path / 'hub.db'}"


@pytest.fixture(params=["sqlite", "postgresql"])
def hub_database_url(request: pytest.FixtureRequest) -> str:
    """The test runs twice: on SQLite and on PostgreSQL, each with all tables."""
    name = "hub_sqlite_url" if request.param == "sqlite" else "hub_postgres_url"
    url: str = request.getfixturevalue(name)
    return url


@pytest.fixture(scope="session")
def _broker() -> Iterator[RabbitBroker]:
    server = RabbitBroker()
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture
def broker(_broker: RabbitBroker) -> RabbitBroker:
    """A private RabbitMQ broker that is up. A test may kill it: the next one finds it running again."""
    _broker.start()
    return _broker


@pytest.fixture
def queue_prefix() -> str:
    """A prefix for the names of queues, so that tests sharing a broker do not meet."""
    return f"test-{uuid4().hex[:12]}-"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Headless Chromium, for one test module only: its event loop would disturb the asyncio tests of others."""
    from tests.services.chromium import running_browser

    with running_browser() as running:
        yield running


def upgrade(url: str) -> None:
    """Create all tables with the command that operators use, in a process of its own."""
    command = [str(Path(sys.executable).with_name("ozg-hub")), "db", "upgrade"]
    done = subprocess.run(
        command, env=os.environ | {"DATABASE_URL": url}, cwd=CHECKOUT, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"ozg-hub db upgrade failed:\n{done.stdout}{done.stderr}")
