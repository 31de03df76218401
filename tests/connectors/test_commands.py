"""The commands for those who build and watch connectors, and a twin as a process of its own."""

from __future__ import annotations

import json
import signal
import subprocess
import sys

import httpx
from typer.testing import CliRunner

from connectors import Instance, find, golden
from connectors.commands import connector_app
from connectors.conformance import deliver

RUN = CliRunner().invoke


def test_the_list_names_every_connector() -> None:
    shown = RUN(connector_app, ["list", "--json", "--no-grade"])
    lines = [json.loads(line) for line in shown.stdout.splitlines()]
    assert [line["id"] for line in lines] == [manifest.id for manifest in find()]


def test_check_ends_with_one_below_grade_c(tmp_path) -> None:
    assert RUN(connector_app, ["check", "portal-webhook"]).exit_code == 0
    made = RUN(connector_app, ["new", "neu-app", "--title", "Neu", "--domain", "Test", "--library", str(tmp_path)])
    assert made.exit_code == 0, made.output
    assert RUN(connector_app, ["check", "--library", str(tmp_path)]).exit_code == 1


def test_try_sends_a_sample() -> None:
    shown = RUN(connector_app, ["try", "finance-soap"])
    assert json.loads(shown.stdout)["saved"] == {"booking_number": "ER-2026-000001"}


def test_a_twin_process_can_be_watched_disturbed_and_killed(tmp_path) -> None:
    manifest = find()["dog-tax-rest"]
    sample = next(s for s in golden.samples(manifest) if s.operation)
    command = [sys.executable, "-m", "connectors.twins", "dog-tax", "--port", "0", "--data", str(tmp_path)]
    kinds = []
    for round_ in range(2):
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            line = json.loads(process.stdout.readline())
            if round_ == 0:
                httpx.put(line["address"] + "/__twin__/faults", json={"commit_then_drop": 1})
            instance = Instance(f"process-{round_}", 1, manifest, line["settings"])
            kinds.append(deliver(manifest, sample, instance).kind)
            state = httpx.get(line["address"] + "/__twin__/state").json()
            assert "Hundesteuer" in httpx.get(line["address"]).text
            process.send_signal(signal.SIGKILL)
    assert kinds == ["unknown", "delivered"]
    assert state["records"] == 1
    assert list(state["calls"].values()) == [2]
