"""What the chaos stories share: a fresh installation on the private servers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness.installation import BUILDING, DOG_TAX, Installation, installed, prepare
from tests.harness.lookout import Lookout
from tests.services.postgres import PostgresServer
from tests.services.rabbitmq import RabbitBroker

PROCESSES = (DOG_TAX, BUILDING)
# A far system that does not answer is asked again within two seconds, so that recovery can be watched.
IMPATIENT = {"timeout_s": 2, "retry_longest_s": 2, "breaker_s": 0.5}


@pytest.fixture
def database_url(postgres: PostgresServer, tmp_path: Path) -> Iterator[str]:
    """A PostgreSQL database with tables and process library, copied from one that was prepared once."""
    template = postgres.template("chaos_template", lambda url: prepare(url, tmp_path / "template", PROCESSES))
    with postgres.database(template) as url:
        yield url


@pytest.fixture
def hub(database_url: str, broker: RabbitBroker, tmp_path: Path) -> Iterator[Installation]:
    """Web, worker, beat, dog tax application, building application, e-file and portal, each a process."""
    with installed(
        tmp_path,
        database_url=database_url,
        broker_url=broker.url,
        far=("dog-tax", "building-app", "dms", "portal"),
        processes=PROCESSES,
        limits=IMPATIENT,
        prepared=True,
    ) as running:
        yield running


@pytest.fixture
def lookout(database_url: str) -> Iterator[Lookout]:
    """Looks into the database from outside."""
    watching = Lookout(database_url)
    yield watching
    watching.close()
