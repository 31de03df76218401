"""Submissions and invoices that arrive as files: taken once, receipted, refused with a reason, never half read."""

from __future__ import annotations

import os
import shutil
import time
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
import pytest
from sqlalchemy import select

from hub.cases.model import Trouble
from hub.intake import channels
from hub.jobs.model import JobRow
from hub.jobs.sweep import Sweeper
from hub.kit.settings import settings
from tests.intake.conftest import DOG_TAX, INVOICE, PDF, Intake, dog_tax, sample

YESTERDAY = datetime(2026, 3, 2, 22, 58, tzinfo=UTC)


@pytest.fixture
def drop(intake: Intake) -> Iterator[Path]:
    """The folder of the client `dog-portal`."""
    folder = settings().data / "drop" / "dog-portal"
    folder.mkdir(parents=True)
    yield folder
    shutil.rmtree(folder.parent)


@pytest.fixture
def invoices(intake: Intake) -> Iterator[Path]:
    folder = settings().data / "invoices" / "in"
    folder.mkdir(parents=True)
    yield folder
    shutil.rmtree(folder.parent)


def write(folder: Path, **files: bytes) -> Path:
    """A drop as the sender writes it: files first, all of them yesterday."""
    folder.mkdir()
    for name, content in files.items():
        path = folder / name.replace("__", ".")
        path.write_bytes(content)
        os.utime(path, (YESTERDAY.timestamp(), YESTERDAY.timestamp()))
    return folder


def files(**changes: bytes) -> dict[str, bytes]:
    metadata = orjson.dumps({"service": DOG_TAX, "sender_reference": os.urandom(4).hex()})
    return {"metadata__json": metadata, "data__json": dog_tax(), "Impfpass__pdf": PDF} | changes


def packed(target: Path, content: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in content.items():
            archive.writestr(name.replace("__", "."), body)
    return target


def receipts(folder: Path) -> list[dict[str, Any]]:
    return [orjson.loads(path.read_bytes()) for path in sorted((folder / "done").glob("*.json"))]


def test_a_folder_is_taken_when_it_is_renamed(intake: Intake, drop: Path) -> None:
    half = write(drop / "antrag-17", **files())
    channels.take_all(intake.db)
    assert half.exists(), "not yet: nobody said that it is complete"

    half.rename(drop / "antrag-17.ready")
    channels.take_all(intake.db)
    (receipt,) = receipts(drop)
    assert [path.name for path in drop.iterdir()] == ["done"], "the readable files are gone, the hub has them sealed"
    kept = intake.submission(receipt["id"])
    assert (kept.channel, kept.client_id, kept.received_source) == ("file-drop", "dog-portal", "file-drop")
    assert (kept.received_at, kept.fetched_at > kept.received_at) == (YESTERDAY, True)
    assert intake.original(receipt["id"]) == dog_tax()
    assert [document.name for document in intake.documents(receipt["id"])] == ["antrag.json", "Impfpass.pdf"]
    intake.work("intake.open-case")
    case = intake.case_of(receipt["id"])
    assert case is not None
    assert case.received_at == YESTERDAY


def test_a_zip_with_a_marker_beside_it(intake: Intake, drop: Path) -> None:
    archive = packed(drop / "antrag.zip", files())
    channels.take_all(intake.db)
    assert archive.exists()
    (drop / "antrag.zip.ready").touch()
    channels.take_all(intake.db)
    (receipt,) = receipts(drop)
    assert [path.name for path in drop.iterdir()] == ["done"]
    assert intake.original(receipt["id"]) == dog_tax()


@pytest.mark.parametrize("moment", ["before the receipt", "before the rename", "in the middle of removing"])
def test_killed_in_between_it_is_still_taken_once(
    intake: Intake, drop: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    class KilledError(BaseException):
        pass

    def killed(*_: object, **__: object) -> None:
        raise KilledError

    content = files()
    write(drop / "a.ready", **content)
    with monkeypatch.context() as patch:
        if moment == "before the receipt":
            patch.setattr(channels, "_done", killed)
        elif moment == "before the rename":
            rename = Path.rename
            patch.setattr(Path, "rename", lambda path, to: killed() if ".going" in str(to) else rename(path, to))
        else:
            patch.setattr(shutil, "rmtree", killed)
        with pytest.raises(KilledError):
            channels.take_all(intake.db)
    before = intake.count()
    channels.take_all(intake.db)
    assert intake.count() == before
    assert len(receipts(drop)) == 1
    assert sorted(path.name for path in drop.iterdir()) == ["done"]
    assert not list((drop / "done").glob(".going*"))

    write(drop / "the same again.ready", **content)
    channels.take_all(intake.db)
    assert intake.count() == before, "the same content is the same submission"


BAD: dict[str, tuple[dict[str, bytes], str]] = {
    "no metadata": ({"data__json": b"{}"}, "metadata.missing"),
    "unknown service": (files(metadata__json=b'{"service": "1"}'), "service.unknown"),
    "foreign service": (files(metadata__json=orjson.dumps({"service": INVOICE})), "oauth.insufficient_scope"),
    "no data": ({"metadata__json": orjson.dumps({"service": DOG_TAX})}, "media-type.unsupported"),
    "data named but missing": (
        files(metadata__json=b'{"service": "%s", "data": "x.json"}' % DOG_TAX.encode()),
        "data.missing",
    ),
    "two data files": (files(data__xml=b"<a/>"), "data.ambiguous"),
    "deep JSON": (files(data__json=b"[" * 10_000), "json.depth"),
    "a program": (files(tool__exe=b"MZ" + bytes(99)), "attachment.media-type"),
    "a program called PDF": (files(Plan__pdf=b"MZ" + bytes(99)), "attachment.media-type"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_drop_is_moved_away_with_its_reason(intake: Intake, drop: Path, name: str) -> None:
    content, code = BAD[name]
    write(drop / "bad.ready", **content)
    write(drop / "good.ready", **files())
    channels.take_all(intake.db)
    problem = orjson.loads((drop / "refused" / "bad" / "problem.json").read_bytes())
    assert problem["code"] == code
    assert problem["detail"]
    assert (drop / "refused" / "bad" / "bad" / "metadata.json").exists() is ("metadata__json" in content)
    assert intake.submission(problem["submission"]).state == "refused"
    assert len(receipts(drop)) == 1, "the good one beside it was taken"


def test_dangerous_archives_and_links_lead_nowhere(intake: Intake, drop: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(drop / "bomb.zip.ready", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("metadata.json", orjson.dumps({"service": DOG_TAX}))
        archive.writestr("data.json", bytes(64 * 2**20))
    with zipfile.ZipFile(drop / "path.zip.ready", "w") as archive:
        archive.writestr("../../../../etc/cron.d/x", b"x")
    (drop / "none.zip.ready").write_bytes(b"hello")
    secret = write(tmp_path / "secret", **files())
    (drop / "link.ready").symlink_to(secret)
    linked = write(drop / "linked", metadata__json=orjson.dumps({"service": DOG_TAX}))
    (linked / "data.json").symlink_to(secret / "data.json")
    linked.rename(drop / "linked.ready")
    channels.take_all(intake.db)
    codes = {path.parent.name: orjson.loads(path.read_bytes())["code"] for path in drop.glob("refused/*/problem.json")}
    assert codes == {
        "bomb.zip": "zip.bomb",
        "path.zip": "zip.path",
        "none.zip": "zip.broken",
        "link": "drop.not-a-file",
        "linked": "drop.not-a-file",
    }
    assert receipts(drop) == []
    assert (secret / "data.json").exists()


def test_a_folder_of_nobody_is_told_to_it(intake: Intake, drop: Path) -> None:
    nobody = drop.parent / "nobody"
    nobody.mkdir()
    write(nobody / "a.ready", **files())
    channels.take_all(intake.db)
    assert (nobody / "a.ready").exists()
    with intake.db.read() as session:
        trouble = session.scalars(select(Trouble).where(Trouble.dedupe == "drop-client:nobody")).one()
    assert trouble.kind == "stoerung"


def test_invoices_by_folder(intake: Intake, invoices: Path) -> None:
    body = sample(INVOICE, "cii-order-number.xml")
    (invoices / "r1.xml").write_bytes(body)
    channels.take_all(intake.db)
    assert (invoices / "r1.xml").exists(), "somebody may still be writing"
    for name, content in (("r1.xml", body), ("r2.xml", body[:-200]), ("r3.xml.part", body), ("r4.xml", b"%PDF-1.7")):
        (invoices / name).write_bytes(content)
        os.utime(invoices / name, (YESTERDAY.timestamp(), YESTERDAY.timestamp()))
    channels.take_all(intake.db)
    (receipt,) = receipts(invoices.parent)
    kept = intake.submission(receipt["id"])
    assert (kept.channel, kept.service, kept.received_at) == ("invoice-folder", INVOICE, YESTERDAY)
    codes = {
        path.parent.name: orjson.loads(path.read_bytes())["code"]
        for path in invoices.parent.glob("refused/*/problem.json")
    }
    assert codes == {"r2.xml": "xml.truncated", "r4.xml": "xml.syntax"}
    assert [path.name for path in invoices.iterdir()] == ["r3.xml.part"]
    intake.work("intake.open-case")
    assert intake.case_of(receipt["id"]) is not None


def test_the_folders_are_looked_at_by_a_recurring_job(intake: Intake, drop: Path) -> None:
    write(drop / "a.ready", **files())
    runner = intake.runner()

    class Nowhere:
        def announce(self, ready: object) -> None: ...
        def backlog(self) -> int:
            return 0

    Sweeper(runner, Nowhere()).ensure_recurring()
    with intake.db.read() as session:
        job: UUID = session.scalars(select(JobRow.id).where(JobRow.kind == "intake.channels")).one()
    end = time.monotonic() + 10
    while not (drop / "done").exists() and time.monotonic() < end:
        runner.run(job)
    assert len(receipts(drop)) == 1
