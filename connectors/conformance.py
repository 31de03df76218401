"""``connector check``: a manifest against its own samples and its fault twin; a grade with reasons.

A production evidence · B sandbox evidence · C everything passes against the twin · D something could not be tried ·
E a check failed. Below C there is no release.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from connectors import golden
from connectors.calls import lookup, perform, plan
from connectors.contract import ConnectorError, Instance, Manifest, Outcome
from connectors.twins import TWINS, Twin

Grade = Literal["A", "B", "C", "D", "E"]


@dataclass(frozen=True, slots=True)
class Check:
    """One check: ``ok`` is None when it could not be tried, ``reason`` says why."""

    name: str
    ok: bool | None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """The checks of one connector and the grade that follows."""

    id: str
    grade: Grade
    checks: tuple[Check, ...]


def check(manifest: Manifest) -> Report:
    """Run every check of one connector; never raises for what a connector does."""
    checks = [_golden(manifest)]
    for sample in golden.samples(manifest):
        if sample.operation is not None:
            checks += [_tried(f"{sample.name}: {name}", manifest, sample, run) for name, run in _RUNS.items()]
    return Report(manifest.id, _grade(manifest, checks), tuple(checks))


def _grade(manifest: Manifest, checks: list[Check]) -> Grade:
    if any(done.ok is False for done in checks):
        return "E"
    if any(done.ok is None for done in checks):
        return "D"
    return {"production": "A", "sandbox": "B", "twin": "C"}.get(manifest.evidence.level, "D")  # type: ignore[return-value]


def _golden(manifest: Manifest) -> Check:
    found = golden.samples(manifest)
    missing = manifest.operations.keys() - {sample.operation for sample in found}
    faults: list[str] = []
    for sample in found:
        try:
            faults += golden.differences(manifest, sample)
        except ConnectorError as error:
            faults.append(f"{sample.name}: {error}")
    if faults:
        return Check("golden", False, "; ".join(faults))
    if missing:
        return Check("golden", None, f"Ohne Beispiel: {', '.join(sorted(missing))}")
    return Check("golden", True)


Run = Callable[[Manifest, golden.Sample, Instance, "Twin | None"], Check]


def _tried(name: str, manifest: Manifest, sample: golden.Sample, run: Run) -> Check:
    with _peer(manifest) as (instance, twin):
        if instance is None:
            return Check(name, None, "Für diesen Konnektor gibt es keine simulierte Gegenstelle.")
        return replace(run(manifest, sample, instance, twin), name=name)


@contextmanager
def _peer(manifest: Manifest) -> Iterator[tuple[Instance | None, Twin | None]]:
    kind = next((twin for twin in TWINS.values() if twin.connector == manifest.id), None)
    with tempfile.TemporaryDirectory() as folder:
        if kind is not None:
            twin = kind(Path(folder))
            with twin.running():
                yield instance_of(manifest, twin), twin
        elif manifest.transport == "folder":
            yield Instance(f"check-{folder}", 1, manifest, {"folder": folder}), None
        else:
            yield None, None


def instance_of(manifest: Manifest, twin: Twin) -> Instance:
    """An instance that reaches a running twin."""
    settings = {
        name: value
        for name, value in twin.instance_settings().items()
        if name in manifest.settings_schema["properties"]
    }
    return Instance(f"{manifest.id}@{twin.address}", 1, manifest, settings, timeout_s=10)


def deliver(manifest: Manifest, sample: golden.Sample, instance: Instance) -> Outcome:
    """All steps of a sample's operation; stops at the first that does not succeed."""
    message, done = sample.message, Outcome("unknown")
    for step in plan(manifest, str(sample.operation)):
        done = perform(step, instance, message, sample.attachments)
        if not done.ok:
            return done
        message = replace(message, saved={**message.saved, **done.saved})
    return replace(done, saved=dict(message.saved))


def _double(manifest: Manifest, sample: golden.Sample, instance: Instance, twin: Twin | None) -> Check:
    """Sent twice with one key: both succeed, one record, the same numbers."""
    first, before = deliver(manifest, sample, instance), _records(twin)
    second = deliver(manifest, sample, instance)
    if not (first.ok and second.ok):
        bad = second if first.ok else first
        return Check("", _allowed_refusal(sample, bad), f"{bad.kind}: {bad.say} {bad.detail}")
    if first.saved != second.saved:
        return Check("", False, "Die zweite Sendung bekam andere Nummern.")
    if _records(twin) != before or before > 1:
        return Check("", False, f"Aus zwei Sendungen wurden {_records(twin)} Vorgänge.")
    return Check("", True)


def _cut(manifest: Manifest, sample: golden.Sample, instance: Instance, twin: Twin | None) -> Check:
    """The far system does the work and cuts the connection: unknown, then found by lookup, one record."""
    if twin is None or manifest.transport not in {"rest", "soap"}:
        return Check("", True, "Dateien erscheinen durch Umbenennen ganz oder gar nicht.")
    if manifest.operation(str(sample.operation)).lookup is None:
        return Check("", True, "Wiederholung ist unschädlich (repeat: safe).")
    if sample.operation == "file":
        deliver_first = plan(manifest, "file")[0]
        perform(deliver_first, instance, sample.message, sample.attachments)
    twin.switch({"commit_then_drop": 1})
    last = plan(manifest, str(sample.operation))[-1]
    done = perform(last, instance, sample.message, sample.attachments)
    if done.kind in {"rejected", "configuration"}:
        return Check("", _allowed_refusal(sample, done), done.say)
    if done.kind not in {"unknown", "transient"}:
        return Check("", False, f"Nach dem Abbruch hieß es {done.kind} statt unknown.")
    found = lookup(manifest, str(sample.operation), instance, sample.message, sample.attachments)
    if not found.ok or _records(twin) > 1:
        return Check("", False, f"Nachfrage: {found.kind}, Vorgänge: {_records(twin)}")
    return Check("", True)


def _allowed_refusal(sample: golden.Sample, done: Outcome) -> bool:
    """A sample of a follow-up (name starts with ``followup-``) needs a case the twin does not have."""
    return sample.name.startswith("followup-") and done.kind == "rejected"


def _records(twin: Twin | None) -> int:
    return len(twin.records) if twin is not None else 0


_RUNS: dict[str, Run] = {"double sending": _double, "timeout after commit": _cut}
