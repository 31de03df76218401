"""A production-like installation (PostgreSQL, RabbitMQ, web, worker, beat) or an embedded one, on free ports."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import orjson

from tests.harness.programs import CHECKOUT, OZG_HUB, FarSystem, Program, listens
from tests.services.process import free_port

DOG_TAX = "99102013104000-hundesteuer-anmeldung"
BUILDING = "99012008001001-baugenehmigung-vereinfacht"
CLIENT, SECRET, TENANT = "portal", "a-secret-of-this-test", "worms"
INSTANCES = {"dog-tax": "steuerverfahren", "building-app": "bauverfahren", "dms": "e-akte", "portal": "portal"}
_STANDARDS = CHECKOUT.parent / "shared" / "standards"


@dataclass
class Installation:
    """What runs. ``web``, ``worker``, ``beat`` and every far system may be killed and started again."""

    folder: Path
    environment: dict[str, str]
    address: str
    web: Program
    worker: Program | None
    beat: Program | None
    far: dict[str, FarSystem] = field(default_factory=dict)

    def programs(self) -> list[Program]:
        """The processes of the hub itself."""
        return [program for program in (self.web, self.worker, self.beat) if program is not None]

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run ``ozg-hub ARGUMENTS`` in this installation."""
        return subprocess.run(
            [OZG_HUB, *arguments],
            env=self.environment,
            cwd=CHECKOUT,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    def token(self) -> str:
        """An access token for the portal, by client credentials."""
        form = {"grant_type": "client_credentials"}
        with httpx.Client(base_url=self.address, timeout=20, trust_env=False) as client:
            for _ in range(20):
                answer = client.post("/oauth/token", data=form, auth=(CLIENT, SECRET))
                if answer.status_code != 503:
                    break
                time.sleep(1)
        assert answer.is_success, (answer.text, (self.folder / "web.log").read_text()[-4000:])
        return str(answer.json()["access_token"])


def environment_of(
    folder: Path, *, database_url: str | None, broker_url: str | None, port: int, processes: int = 2
) -> dict[str, str]:
    """The environment of one installation; nothing that the person at this machine has configured gets in."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HUB_")}
    for name in ("DATABASE_URL", "BROKER_URL"):
        kept.pop(name, None)
    given = {
        "HUB_STAGE": "test",
        "HUB_DATA": str(folder / "data"),
        "HUB_TENANT": TENANT,
        "HUB_PUBLIC_URL": f"http://127.0.0.1:{port}",
        "HUB_QUEUE_PREFIX": f"installation-{port}",
        "HUB_WORKER_PROCESSES": str(processes),
        "HUB_LOG_LEVEL": "WARNING",
        "C_FORCE_ROOT": "1",
    }
    if _STANDARDS.is_dir():
        given["HUB_STANDARDS"] = str(_STANDARDS)
    if database_url:
        given["DATABASE_URL"] = database_url
    if broker_url:
        given["BROKER_URL"] = broker_url
    return kept | given


@contextmanager
def installed(
    folder: Path,
    *,
    database_url: str | None = None,
    broker_url: str | None = None,
    far: tuple[str, ...] = ("dog-tax", "dms", "portal"),
    processes: tuple[str, ...] = (DOG_TAX,),
    limits: Mapping[str, Any] | None = None,
    workers: int = 2,
    prepared: bool = False,
) -> Iterator[Installation]:
    """A running installation. Without database and broker it is the embedded one: SQLite, ``serve`` only.

    ``prepared`` says that the database already went through :func:`prepare`.
    ``limits`` are those of every connector instance (``timeout_s``, ``retry_longest_s``, ``breaker_s``).
    """
    port = free_port()
    environment = environment_of(folder, database_url=database_url, broker_url=broker_url, port=port, processes=workers)
    address = environment["HUB_PUBLIC_URL"]
    systems = {
        name: FarSystem(name, environment, folder, callback=f"{address}/api/v1/inbound/{INSTANCES[name]}")
        for name in far
    }
    web = Program("web", [OZG_HUB, "serve", "--port", str(port)], environment, folder, lambda: listens(port))
    worker = Program("worker", [OZG_HUB, "worker"], environment, folder, lambda: True) if broker_url else None
    beat = Program("beat", [OZG_HUB, "beat"], environment, folder, lambda: True) if broker_url else None
    hub = Installation(folder, environment, address, web, worker, beat, systems)
    try:
        for system in systems.values():
            system.start(wait=False)
        if not prepared:
            _need(hub.command("db", "upgrade"))
        for system in systems.values():
            system.wait_ready()
        _furnish(environment, processes, _city(systems, limits or {}))
        for program in hub.programs():
            program.start(wait=False)
        web.wait_ready()
        yield hub
    finally:
        for program in [*hub.programs(), *systems.values()]:
            program.kill()


def prepare(database_url: str, folder: Path, processes: tuple[str, ...] = (DOG_TAX,)) -> None:
    """Tables and process library; what makes a database that others can be copied from."""
    environment = environment_of(folder, database_url=database_url, broker_url=None, port=0)
    done = subprocess.run(
        [OZG_HUB, "db", "upgrade"], env=environment, cwd=CHECKOUT, capture_output=True, text=True, check=False
    )
    _need(done)
    _furnish(environment, processes, {})


def _city(systems: Mapping[str, FarSystem], limits: Mapping[str, Any]) -> dict[str, Any]:
    instances = [
        {
            "name": INSTANCES[name],
            "title": name,
            "owner": "IT",
            "connector": system.told()["connector"],
            "settings": system.told()["settings"],
            "limits": dict(limits),
        }
        for name, system in systems.items()
    ]
    return {"departments": [{"id": "kommunale-steuern", "title": "Kommunale Steuern"}], "instances": instances}


def _furnish(environment: Mapping[str, str], processes: tuple[str, ...], city: Mapping[str, Any]) -> None:
    told = {"processes": processes, "city": city, "client": {"id": CLIENT, "secret": SECRET, "reply_to": "portal"}}
    _need(
        subprocess.run(
            [sys.executable, "-m", "tests.harness.furnish"],
            env=dict(environment),
            cwd=CHECKOUT,
            input=orjson.dumps(told).decode(),
            capture_output=True,
            text=True,
            check=False,
        )
    )


def _need(done: subprocess.CompletedProcess[str]) -> None:
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, done.args))} failed:\n{done.stdout}{done.stderr}")
