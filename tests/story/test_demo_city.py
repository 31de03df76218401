"""The main job: every sample application travels from the portal to the application, into the e-file and back."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.services.postgres import PostgresServer
from tests.services.rabbitmq import RabbitBroker

CHECKOUT = Path(__file__).resolve().parents[2]
PROGRAM = str(Path(sys.executable).with_name("ozg-hub"))


def play(data: Path, **more: str) -> list[dict[str, Any]]:
    environment = os.environ | {"HUB_DATA": str(data), "HUB_STAGE": "demo"} | more
    done = subprocess.run(
        [PROGRAM, "demo", "--once", "--json"],
        env=environment,
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    wrong = [line for line in lines if not line["ok"]]
    assert done.returncode == 0, f"{wrong}\n{done.stderr[-3000:]}"
    return lines


def services(lines: list[dict[str, Any]]) -> set[str]:
    return {line["service"] for line in lines}


def verify_audit(data: Path, **more: str) -> dict[str, Any]:
    environment = os.environ | {"HUB_DATA": str(data), "HUB_STAGE": "demo"} | more
    done = subprocess.run(
        [PROGRAM, "audit", "verify", "--json"], env=environment, capture_output=True, text=True, check=True
    )
    verdict: dict[str, Any] = json.loads(done.stdout)
    return verdict


def check(lines: list[dict[str, Any]]) -> None:
    assert len(services(lines)) == 5
    for line in lines:
        ways = {(item["connector"], item["operation"]) for item in line["deliveries"]}
        assert line["state"] == "closed"
        assert line["aktenzeichen"]
        assert any(operation == "file" for _, operation in ways), "every case ends in the e-file"
        assert ("portal-webhook", "push") in ways, "the portal is told"
        if line["service"] == "xrechnung-eingang":
            assert any(connector == "finance-soap" for connector, _ in ways), "each run has invoices of its own"
        assert Path(line["package"]).is_file()
        if "HUB_STANDARDS" in os.environ:  # where the official schema files are at hand
            assert line["validated"], line["faults"]


@pytest.mark.timeout(240)
def test_embedded_on_sqlite_twice_in_the_same_data_folder(tmp_path: Path) -> None:
    check(play(tmp_path))
    check(play(tmp_path))
    assert verify_audit(tmp_path)["ok"]


@pytest.mark.timeout(240)
def test_production_on_postgresql_and_rabbitmq(tmp_path: Path, postgres: PostgresServer, broker: RabbitBroker) -> None:
    with postgres.database() as url:
        setup = {"DATABASE_URL": url.replace("+psycopg", ""), "BROKER_URL": broker.url}
        check(play(tmp_path, **setup))
        assert verify_audit(tmp_path, **setup)["ok"]
