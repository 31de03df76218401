"""A running intake on a real socket, in a process of its own, with everything a test wants to know about it."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import orjson
import psutil
import pytest
import yaml
from sqlalchemy import select

from hub.cases import documents, vault
from hub.cases.model import Case, Document, Submission, SubmissionCase, Trouble
from hub.identity import service as identity
from hub.jobs.model import JobRow
from hub.jobs.runner import Runner
from hub.kit.clock import now
from hub.kit.database import Database
from hub.kit.settings import settings
from hub.library import service as library
from tests.conftest import CHECKOUT
from tests.services.postgres import PostgresServer
from tests.services.process import ServerProcess, free_port

DOG_TAX = "99102013104000"
TRADE = "99050012104000"
BUILDING = "99012008001001"
INVOICE = "xrechnung-eingang"
RETIRED = "urn:fim:S99000000001:0.9"
LIBRARY = CHECKOUT / "process-library"
PDF = b"%PDF-1.7\n1 0 obj\n<< /Type /Catalog >>\nendobj\nstartxref\n9\n%%EOF\n"


def sample(service: str, name: str) -> bytes:
    """The body of a sample of the process library."""
    (folder,) = LIBRARY.glob(f"{service}*")
    return (folder / "samples" / name).read_bytes()


def dog_tax(**changes: Any) -> bytes:
    """A valid application; `changes` are top-level values."""
    return orjson.dumps(orjson.loads(sample(DOG_TAX, "plain.json")) | changes)


@dataclass
class Intake:
    """The server and its database; `client` speaks as a portal that may submit everything."""

    db: Database
    address: str
    process: ServerProcess

    def token(self, client: str = "portal") -> str:
        answer = httpx.post(
            f"{self.address}/oauth/token",
            data={"grant_type": "client_credentials"},
            auth=(client, f"secret-of-{client}"),
        )
        answer.raise_for_status()
        return str(answer.json()["access_token"])

    def client(self, name: str = "portal") -> httpx.Client:
        return httpx.Client(base_url=self.address, timeout=60, headers={"Authorization": f"Bearer {self.token(name)}"})

    def memory(self) -> int:
        """Resident memory of the server in bytes."""
        return int(psutil.Process(self.process.pid).memory_info().rss)

    # -- what the database says ------------------------------------------------------------------------------------

    def submission(self, submission_id: str) -> Submission:
        with self.db.read() as session:
            return session.get_one(Submission, UUID(submission_id))

    def original(self, submission_id: str) -> bytes | None:
        with self.db.read() as session:
            row = session.execute(
                select(Document.id, Document.data_key_id).where(
                    Document.submission_id == UUID(submission_id), Document.role == "original"
                )
            ).first()
            if row is None:
                return None
            with documents.open_content(session, row.id, vault.key(session, row.data_key_id), vault.blobs()) as stream:
                return stream.read()

    def case_of(self, submission_id: str) -> Case | None:
        with self.db.read() as session:
            return session.scalar(
                select(Case)
                .join(SubmissionCase, SubmissionCase.case_id == Case.id)
                .where(SubmissionCase.submission_id == UUID(submission_id))
            )

    def troubles(self, case_id: UUID) -> list[Trouble]:
        with self.db.read() as session:
            return list(session.scalars(select(Trouble).where(Trouble.case_id == case_id).order_by(Trouble.created_at)))

    def documents(self, submission_id: str) -> list[documents.Stored]:
        with self.db.read() as session:
            return documents.of_submission(session, UUID(submission_id), vault.key)

    def count(self) -> int:
        with self.db.read() as session:
            return len(session.scalars(select(Submission.id)).all())

    # -- work --------------------------------------------------------------------------------------------------------

    def work(self, *kinds: str) -> None:
        """Run every due job of these kinds (default: those of intake) until none is left."""
        from hub.intake.jobs import HANDLERS

        wanted = kinds or tuple(handler.kind for handler in HANDLERS)
        for _ in range(200):
            with self.db.read() as session:
                found = session.scalar(
                    select(JobRow.id)
                    .where(JobRow.kind.in_(wanted), JobRow.state == "waiting", JobRow.due <= now())
                    .limit(1)
                )
            if found is None:
                return
            self.runner().run(found)
        raise AssertionError("the jobs never end")

    def runner(self) -> Runner:
        from hub.worker import lock_case, registry, sink

        return Runner(self.db, registry(), sink, lock_case)


def furnish(url: str, library_folder: Path) -> None:
    """Processes and portals."""
    db = Database(url)
    for folder in sorted(library_folder.iterdir()):
        with db.write() as session:
            library.install(session, settings().tenant, folder, by="Prozessverantwortung")
    with db.write() as session:
        for name, services in (("portal", ["*"]), ("dog-portal", [DOG_TAX]), ("trade-portal", [TRADE])):
            identity.save_client(
                session,
                tenant=settings().tenant,
                client_id=name,
                title=name,
                services=services,
                secret=f"secret-of-{name}",
                reply_to=None,
            )
    db.dispose()


@pytest.fixture(scope="session")
def processes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The process library, the dog tax with a schema version it no longer takes."""
    folder = tmp_path_factory.mktemp("library") / "process-library"
    shutil.copytree(LIBRARY, folder)
    (dog,) = folder.glob(f"{DOG_TAX}*")
    profile = yaml.safe_load((dog / "process.yaml").read_text())
    profile["intake"]["retired_schemas"] = [RETIRED]
    (dog / "process.yaml").write_text(yaml.safe_dump(profile, allow_unicode=True))
    return folder


@contextmanager
def running(url: str) -> Iterator[Intake]:
    """The server on its own port while the block runs."""
    port, folder = free_port(), Path(tempfile.mkdtemp(prefix="ozg-hub-intake-"))
    command = [
        sys.executable,
        "-m",
        "uvicorn",
        "--factory",
        "tests.intake.server:create",
        "--port",
        str(port),
        "--log-level",
        "warning",
        "--no-access-log",
    ]
    process = ServerProcess(
        command,
        folder=CHECKOUT,
        log=folder / "log",
        environment=os.environ | {"DATABASE_URL": url, "PYTHONPATH": str(CHECKOUT)},
    )
    db = Database(url)
    address = f"http://127.0.0.1:{port}"
    try:
        process.wait_until(lambda: _answers(address))
        yield Intake(db, address, process)
    finally:
        process.stop(signal.SIGTERM)
        db.dispose()
        shutil.rmtree(folder, ignore_errors=True)


def _answers(address: str) -> bool:
    try:
        return httpx.get(f"{address}/api/v1/services", timeout=1).status_code == 401
    except httpx.TransportError:
        return False


@pytest.fixture(scope="session")
def intake(_hub_sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory, processes: Path) -> Iterator[Intake]:
    """The intake on SQLite, one for all tests of this folder."""
    folder = tmp_path_factory.mktemp("intake")
    shutil.copy(_hub_sqlite_template, folder / "hub.db")
    url = f"sqlite:///{folder / 'hub.db'}"
    furnish(url, processes)
    with running(url) as server:
        yield server


@pytest.fixture(scope="session")
def intake_on_postgres(postgres: PostgresServer, processes: Path) -> Iterator[Intake]:
    """The intake on PostgreSQL."""
    from tests.conftest import upgrade

    with postgres.database(postgres.template("hub_template", upgrade)) as url:
        furnish(url, processes)
        with running(url) as server:
            yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def each_intake(request: pytest.FixtureRequest) -> Intake:
    """The test runs on both databases."""
    found: Intake = request.getfixturevalue("intake" if request.param == "sqlite" else "intake_on_postgres")
    return found


@pytest.fixture
def portal(intake: Intake) -> Iterator[httpx.Client]:
    with intake.client() as client:
        yield client


@pytest.fixture
def key() -> str:
    """An idempotency key of this test's own."""
    return str(uuid4())


def form(
    data: bytes | None,
    *,
    metadata: Any = None,
    media_type: str = "application/json",
    attachments: list[tuple[str, bytes, str]] | None = None,
) -> list[tuple[str, tuple[str, bytes, str]]]:
    """The parts of a submission as httpx takes them."""
    files = []
    if metadata is not None:
        body = metadata if isinstance(metadata, bytes) else orjson.dumps(metadata)
        files.append(("metadata", ("metadata.json", body, "application/json")))
    if data is not None:
        files.append(("data", ("antrag", data, media_type)))
    files += [("attachment", item) for item in attachments or []]
    return files
