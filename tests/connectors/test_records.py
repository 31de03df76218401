"""The simulated e-file reads real xdomea packages and keeps one Akte for one number."""

from __future__ import annotations

from pathlib import Path

import pytest

from connectors import find, golden, perform, plan
from connectors.conformance import deliver, instance_of
from connectors.twins import Dms

MANIFEST = find()["dms-xdomea-rest"]
SAMPLE = next(s for s in golden.samples(MANIFEST) if s.operation == "file")
PACKS = Path(__file__).parents[3] / "shared" / "standards"


@pytest.mark.parametrize("packs", [False, True], ids=["without schema", "with schema"])
def test_a_case_is_filed_once_under_its_number(monkeypatch, packs: bool) -> None:
    if packs and not (PACKS / "xdomea" / "3.1.0").is_dir():
        pytest.skip("the xdomea 3.1.0 schema files are not here")
    monkeypatch.setenv("HUB_STANDARDS", str(PACKS) if packs else "")
    twin = Dms()
    with twin.running():
        instance = instance_of(MANIFEST, twin)
        first = deliver(MANIFEST, SAMPLE, instance)
        again = deliver(MANIFEST, SAMPLE, instance)
    assert first.saved == again.saved == {"file_id": "A-000001", "file_number": "963.21-0001/2026"}
    assert twin.ledger.counts() == {"file": 1, "package": 1, "object": 5}
    (record,) = twin.records.values()
    assert record["validated"] is packs
    assert len(record["documents"]) == 1


def test_a_broken_package_is_refused_for_it() -> None:
    twin = Dms()
    with twin.running():
        broken = golden.file(SAMPLE.attachments[0].name, "application/zip", text="PK kein Archiv")
        done = perform(plan(MANIFEST, "file")[0], instance_of(MANIFEST, twin), SAMPLE.message, [broken])
    assert done.kind == "configuration"
    assert not twin.records
