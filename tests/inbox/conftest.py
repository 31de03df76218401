"""An office with real cases: submitted, opened and advanced by the hub's own jobs, looked at over HTTP."""

from __future__ import annotations

import json
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
import uvicorn
from httpx import Response
from sqlalchemy import insert, select, update

from hub.app import create
from hub.audit.model import AuditEntry
from hub.cases import documents, vault
from hub.cases.model import Case, Document, Effect
from hub.identity import service as identity
from hub.intake.reception import Incoming, Receipt, receive
from hub.jobs.model import JobRow
from hub.kit.clock import now
from hub.kit.database import Database, new_id
from hub.kit.paths import process_library
from hub.library.model import ProcessVersion
from hub.library.process import Process, digest, pack, read_folder, runtime_files
from hub.worker import runner

PARKING = "99108001001000-bewohnerparkausweis"
DOG_TAX = "99102013104000-hundesteuer-anmeldung"
INVOICE = "xrechnung-eingang"
TENANT = "worms"
PASSWORD = "demo"

BOTH_DATABASES = pytest.mark.parametrize("office", ["hub_sqlite_url", "hub_postgres_url"], indirect=True)

PEOPLE: dict[str, dict[str, Any]] = {
    "plain": {"roles": ["caseworker"], "departments": ["buergerservice", "kommunale-steuern", "finanzen"]},
    "second": {
        "roles": ["caseworker"],
        "departments": ["buergerservice", "kommunale-steuern", "finanzen"],
        "clearances": ["tax"],
    },
    "elsewhere": {
        "roles": ["caseworker", "process_owner"],
        "departments": ["bauaufsicht"],
        "clearances": ["tax", "social", "youth", "personnel", "protected"],
    },
    "owner-only": {"roles": ["process_owner"], "departments": ["buergerservice"], "clearances": ["protected"]},
    "operator": {"roles": ["it"], "departments": []},
    "auditor": {"roles": ["auditor"], "departments": []},
    **{
        f"cleared-{name}": {"roles": ["caseworker"], "departments": ["buergerservice"], "clearances": [name]}
        for name in ("tax", "social", "youth", "personnel", "protected")
    },
}


@dataclass
class Browser:
    """A person at a browser: signed in, posting forms with their token."""

    client: httpx.Client
    name: str

    def get(self, address: str, **more: Any) -> Response:
        return self.client.get(address, **more)

    def post(
        self, address: str, values: dict[str, Any] | None = None, *, csrf: str | None = None, **more: Any
    ) -> Response:
        token = self.token() if csrf is None else csrf
        return self.client.post(address, data={"csrf": token} | (values or {}), **more)

    def token(self) -> str:
        page = self.get("/login")
        found = re.search(r'name="csrf" value="([0-9a-f]+)"', page.text)
        assert found
        return found.group(1)


@dataclass
class Office:
    """The hub with its people; jobs run when told to."""

    db: Database
    address: str
    browsers: dict[str, Browser] = field(default_factory=dict)
    opened: list[httpx.Client] = field(default_factory=list)

    def visitor(self) -> httpx.Client:
        """A browser of nobody in particular."""
        client = httpx.Client(base_url=self.address, timeout=30, headers={"accept": "text/html"})
        self.opened.append(client)
        return client

    def sign_in(self, name: str) -> Browser:
        if name not in self.browsers:
            client = self.visitor()
            page = client.get("/login")
            token = re.search(r'name="csrf" value="([0-9a-f]+)"', page.text)
            assert token
            answer = client.post("/login", data={"csrf": token.group(1), "login": name, "password": PASSWORD})
            assert answer.status_code == 303, answer.text
            self.browsers[name] = Browser(client, name)
        return self.browsers[name]

    def submit(
        self,
        service: str,
        body: bytes,
        *,
        kind: str = "initial",
        case: str | None = None,
        media_type: str = "application/json",
    ) -> Receipt:
        key, wrapped = vault.ring().new_data_key()
        return receive(
            self.db,
            Incoming(
                tenant=TENANT,
                client_id="portal",
                channel="api",
                service=service,
                media_type=media_type,
                original=body,
                key=key,
                wrapped_key=wrapped,
                kind=kind,
                refers_to=case,
                may_use=lambda *_: True,
            ),
        )

    def submit_permit(self) -> Case:
        """An application for a parking permit that waits for a decision."""
        receipt = self.submit(PARKING, parking())
        self.work()
        return self.case(receipt)

    def work(self) -> None:
        """Let every job run that is due now."""
        running = runner(self.db)
        for _ in range(100):
            with self.db.read() as session:
                due = session.scalars(select(JobRow.id).where(JobRow.state == "waiting", JobRow.due <= now())).all()
            if not due:
                return
            for job in due:
                running.run(job)
        raise AssertionError("jobs without an end")

    def case(self, receipt: Receipt) -> Case:
        with self.db.read() as session:
            return session.scalars(
                select(Case).join(Document, Document.case_id == Case.id).where(Document.submission_id == receipt.id)
            ).one()

    def change(self, case: Case, **values: Any) -> Case:
        if values:
            with self.db.write() as session:
                session.execute(update(Case).where(Case.id == case.id).values(**values))
        with self.db.read() as session:
            return session.get_one(Case, case.id)

    def task(self, case: Case) -> Effect:
        with self.db.read() as session:
            return session.scalars(
                select(Effect).where(Effect.case_id == case.id, Effect.kind == "user-task", Effect.state == "open")
            ).one()

    def document(
        self,
        case: Case,
        content: bytes = b"%PDF-1.7 plan",
        media_type: str = "application/pdf",
        title: str = "Lageplan Musterweg",
        **more: Any,
    ) -> UUID:
        with self.db.write() as session:
            return documents.add(
                session,
                tenant=TENANT,
                key_id=case.data_key_id,
                key=vault.key(session, case.data_key_id),
                role="attachment",
                name="lageplan.pdf",
                title=title,
                media_type=media_type,
                content=content,
                blobs=vault.blobs(),
                case_id=case.id,
                **more,
            )

    def audited(self, subject: object) -> list[tuple[str, str]]:
        with self.db.read() as session:
            return [
                (row.actor, row.action)
                for row in session.scalars(
                    select(AuditEntry).where(AuditEntry.subject == str(subject)).order_by(AuditEntry.id)
                )
            ]


def sample(process: str, name: str) -> bytes:
    """A sample application of the library."""
    return (process_library() / process / "samples" / name).read_bytes()


def parking() -> bytes:
    """An application for a parking permit that a person has to decide."""
    return sample(PARKING, "new_permit.json")


@pytest.fixture
def office(request: pytest.FixtureRequest) -> Iterator[Office]:
    """An office with three released processes, on SQLite unless a test asks for both databases."""
    db = Database(request.getfixturevalue(getattr(request, "param", "hub_sqlite_url")))
    with db.write() as session:
        for name in (PARKING, DOG_TAX, INVOICE):
            files = runtime_files(read_folder(Path(process_library()) / name))
            profile = Process(files).profile
            session.execute(
                insert(ProcessVersion).values(
                    id=new_id(),
                    tenant_id=TENANT,
                    process=name,
                    version=profile.version,
                    digest=digest(files),
                    state="released",
                    files=pack(files),
                    profile=profile.model_dump(mode="json", by_alias=True),
                    created_at=now(),
                    released_at=now(),
                    released_by="test",
                    reviewed_by="test",
                )
            )
        for login, rights in PEOPLE.items():
            identity.save_user(
                session, tenant=TENANT, login=login, display_name=f"Person {login}", password=PASSWORD, **rights
            )
    with serving(create(db, work=False)) as address:
        office = Office(db, address)
        yield office
        for client in office.opened:
            client.close()
    db.dispose()


@contextmanager
def serving(app: Any) -> Iterator[str]:
    """The application on a real socket; its address."""
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False))
    listening = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive(), "the server did not start"
        thread.join(0.01)
    yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    server.should_exit = True
    thread.join(10)


@pytest.fixture
def permit(office: Office) -> Case:
    """A case that waits for a caseworker's decision."""
    return office.submit_permit()


def changed(body: bytes, **values: Any) -> bytes:
    """A JSON application with some top-level values changed."""
    return json.dumps(json.loads(body) | values).encode()
