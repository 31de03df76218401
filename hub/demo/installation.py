"""One whole installation: database, library, city, the hub itself, and in the production set-up its workers."""

from __future__ import annotations

import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import uvicorn
import yaml

from connectors.twins import Twin
from hub import upgrade
from hub.catalogue import service as catalogue
from hub.demo import applications
from hub.identity import service as identity
from hub.kit import paths
from hub.kit.database import Database
from hub.kit.settings import Stage, settings
from hub.library import process as library_process
from hub.library import service as library
from hub.worker import database

CLIENT = "demo-portal"
PASSWORD = "demo"  # noqa: S105 - the demo city's accounts exist in stage demo only


@dataclass(slots=True)
class Installation:
    """What runs: where to reach it and with what."""

    db: Database
    address: str
    twins: dict[str, Twin]
    client_secret: str
    city: dict[str, Any]


def prepare(db: Database) -> None:
    """Tables and processes."""
    settings().data.mkdir(parents=True, exist_ok=True)
    upgrade.upgrade(db)
    for folder in library_process.folders(paths.process_library()):
        with db.write() as session:
            library.install(
                session, settings().tenant, folder, by="Prozessverantwortung (Demo)", reviewed_by="Vertretung (Demo)"
            )


def _furnish(db: Database, found: dict[str, Twin], city: dict[str, Any], data: Path) -> str:
    tenant = settings().tenant
    secret = secrets.token_urlsafe(24)
    with db.write() as session:
        catalogue.load_city(session, tenant, city | {"instances": applications.instances(found, data)})
        identity.save_client(
            session, tenant=tenant, client_id=CLIENT, title="OZG-Portal der Demo-Stadt", secret=secret, reply_to=CLIENT
        )
        for user in city["users"]:
            if identity.account(session, tenant, user["login"]) is None:
                identity.save_user(
                    session,
                    tenant=tenant,
                    login=user["login"],
                    display_name=user["name"],
                    password=PASSWORD,
                    roles=user["roles"],
                    departments=user["departments"],
                    clearances=user.get("clearances", ()),
                )
    catalogue.store_secret("demo-portal-client", secret)
    return secret


@contextmanager
def running(port: int) -> Iterator[Installation]:
    """The installation while the block runs. In the production set-up it starts worker and beat as processes."""
    from hub.app import create

    if settings().stage is not Stage.DEMO:
        raise SystemExit(f"Die Demo-Stadt gibt es nur in der Stufe demo, hier gilt „{settings().stage}“ (HUB_STAGE).")

    db = database(settings())
    prepare(db)
    city = yaml.safe_load(files("hub.demo").joinpath("city.yaml").read_text(encoding="utf-8"))
    config = uvicorn.Config(
        create(db),
        host="127.0.0.1",
        port=port,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=3,
    )
    server = uvicorn.Server(config)
    socket = config.bind_socket()
    address = f"http://127.0.0.1:{socket.getsockname()[1]}"
    data = settings().data / "city"
    with applications.running(data, address) as found:
        secret = _furnish(db, found, city, data)
        thread = threading.Thread(target=server.run, args=([socket],), name="hub", daemon=True)
        thread.start()
        helpers = [] if settings().embedded else [_process("worker"), _process("beat")]
        try:
            _wait(lambda: server.started)
            yield Installation(db, address, found, secret, city)
        finally:
            server.should_exit = True
            thread.join(15)
            for process in helpers:
                process.terminate()
            for process in helpers:
                try:
                    process.wait(20)
                except subprocess.TimeoutExpired:
                    process.kill()


def _process(command: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "hub.cli", command], stdout=sys.stderr)


def _wait(ready: Any, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > end:
            raise TimeoutError("the hub did not start")
        time.sleep(0.02)
