"""What process owners use: scenarios, check and layout on the command line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from typer.testing import CliRunner

from workflows import scenarios
from workflows.commands import process_app

MODELS = Path(__file__).parent / "models"
GRANTED = """
name: granted after a reminder
now: 2026-11-23T09:00:00Z
deadlines: {decision: 2026-12-23T09:00:00Z}
answers:
  remind: {fire: true}
  check: [{decision: again}, {decision: fine}]
  number: {message: number, file_number: F-1}
expect: {visited: [remind, chase, number], not_visited: [withdrawn, overdue], ended: granted, variables: {total: 0.3}}
"""
WRONG = """
name: expects the impossible
answers: {check: {decision: unpaid}, nobody: {a: 1}}
expect: {visited: [number], ended: granted, variables: {decision: fine}}
"""


def folder(tmp_path: Path, **files: str) -> Path:
    shutil.copy(MODELS / "handling.bpmn", tmp_path / "process.bpmn")
    (tmp_path / "scenarios").mkdir()
    for name, text in files.items():
        (tmp_path / "scenarios" / f"{name}.yaml").write_text(text)
    return tmp_path


def test_a_scenario_is_played_on_a_virtual_clock(tmp_path):
    text = GRANTED.replace("  number:", "  chase: {}\n  number:")
    result = scenarios.run(folder(tmp_path, granted=text))
    assert [scenario.faults for scenario in result.scenarios] == [()]
    assert result.ok
    assert 0.6 < result.coverage < 1
    assert "withdrawn" in result.uncovered


def test_every_difference_is_told(tmp_path):
    (only,) = scenarios.run(folder(tmp_path, wrong=WRONG)).scenarios
    told = " ".join(only.faults)
    assert all(part in told for part in ("number", "nobody", "granted", "decision"))


def test_run_prints_one_json_line_a_scenario_and_a_summary(tmp_path):
    done = CliRunner().invoke(process_app, ["run", str(folder(tmp_path, wrong=WRONG)), "--json"])
    scenario, summary = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.exit_code == 1
    assert scenario["ended"] == "cancelled_unpaid"
    assert summary["ok"] is False
    assert summary["elements"] > 10


def test_check_goes_on_after_a_broken_file(tmp_path):
    broken = tmp_path / "broken.bpmn"
    broken.write_text("<definitions")
    good = str(MODELS / "handling.bpmn")
    done = CliRunner().invoke(process_app, ["check", str(broken), str(tmp_path / "none.bpmn"), good, "--json"])
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.exit_code == 1
    assert [line["ok"] for line in lines] == [False, False, True]
    assert lines[2]["dialect"] == "ozg-hub"


def test_layout_draws_once_and_changes_nothing_else(tmp_path):
    path = tmp_path / "process.bpmn"
    shutil.copy(MODELS / "handling.bpmn", path)
    before = path.read_bytes()
    CliRunner().invoke(process_app, ["layout", str(path)])
    drawn = path.read_bytes()
    assert drawn.startswith(before[: before.rindex(b"</definitions>")].rstrip())
    assert b"BPMNShape" in drawn
    CliRunner().invoke(process_app, ["layout", str(path)])
    assert path.read_bytes() == drawn
