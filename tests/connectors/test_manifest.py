"""A wrong manifest is refused with every fault, its line and what to do."""

from __future__ import annotations

import shutil

import pytest

from connectors import LIBRARY, ManifestError, find, read, settings_faults
from connectors.scaffold import new


def test_all_faults_come_together_with_their_lines(tmp_path) -> None:
    folder = tmp_path / "dog-tax-rest"
    shutil.copytree(LIBRARY / "dog-tax-rest", folder)
    text = (folder / "connector.yaml").read_text()
    text = text.replace("kind: specialist-app", "kind: fachverfahren").replace("domain: Steuern", "bereich: Steuern")
    (folder / "connector.yaml").write_text(text)
    with pytest.raises(ManifestError) as refused:
        find(tmp_path)
    faults = {fault.place: fault for fault in refused.value.faults}
    assert set(faults) == {"kind", "domain", "bereich"}
    assert (faults["kind"].line, faults["bereich"].line) == (4, 5)
    assert "specialist-app" in faults["kind"].message


def test_broken_formulas_calls_and_missing_files_are_found(tmp_path) -> None:
    folder = tmp_path / "other-name"
    shutil.copytree(LIBRARY / "dog-tax-rest", folder)
    (folder / "create-case.jsonata").write_text('{\n "a": (1 +\n}')
    (folder / "README.md").unlink()
    text = (folder / "connector.yaml").read_text()
    (folder / "connector.yaml").write_text(text.replace("POST /api/v1/steuerfaelle", "senden /../x"))
    with pytest.raises(ManifestError) as refused:
        read(folder / "connector.yaml")
    assert {fault.code for fault in refused.value.faults} == {
        "manifest.folder",
        "map.syntax",
        "readme.missing",
        "call.form",
    }


def test_settings_are_checked_without_showing_values() -> None:
    manifest = find()["dog-tax-rest"]
    assert not settings_faults(manifest, {"endpoint": "https://steuer.example/api", "token": "x"})
    faults = settings_faults(manifest, {"endpoint": "ftp://geheim", "passwort": "streng-geheim"})
    said = " ".join(fault.message for fault in faults)
    assert len(faults) == 2
    assert "geheim" not in said
    assert manifest.secret_settings >= {"token", "password", "webhook_secret"}


@pytest.mark.parametrize("transport", ["rest", "folder"])
def test_a_new_connector_passes_its_own_checks(tmp_path, transport: str) -> None:
    from connectors import conformance

    manifest = new(tmp_path, "fischerei-app", "Fischerei", "Ordnung", transport)
    report = conformance.check(manifest)
    assert report.checks[0].ok is True
    assert report.grade == "D", "without evidence nothing is better than D"
    with pytest.raises(ValueError, match="schon"):
        new(tmp_path, "fischerei-app", "Fischerei", "Ordnung", transport)
