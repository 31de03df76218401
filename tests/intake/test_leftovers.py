"""A process is killed while it stores an upload: a day later nothing of it is left, and everything else is."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from hub.cases import documents
from hub.cases.model import Document
from hub.intake import leftovers, refusals
from hub.intake.jobs import HANDLERS
from hub.kit import keys
from hub.kit.blobs import FolderBlobs
from hub.kit.database import Database
from hub.kit.keys import KeyRing
from hub.kit.settings import Settings, Stage
from tests.conftest import CHECKOUT

DAY = leftovers.AGE_S
LARGE = b"Plan" * 20_000
# Stores one blob completely, begins a second one, and is killed before any row names them.
KILLED = """
import os, signal, sys
from pathlib import Path
from hub.kit.blobs import FolderBlobs
from hub.kit.sealing import DataKey
blobs, key = FolderBlobs(Path(sys.argv[1])), DataKey(os.urandom(32))
blobs.write([b"x" * 100_000], key)
blobs.begin(key).write(b"x" * 2_000_000)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def db(hub_database_url: str) -> Iterator[Database]:
    database = Database(hub_database_url)
    yield database
    database.dispose()


@pytest.fixture
def blobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FolderBlobs:
    store = FolderBlobs(tmp_path / "blobs")
    monkeypatch.setattr(leftovers.vault, "blobs", lambda: store)
    return store


def store(db: Database, blobs: FolderBlobs, tmp_path: Path) -> str:
    """A document as intake stores it; the reference of its blob."""
    ring = KeyRing(Settings(data=tmp_path, stage=Stage.TEST))
    with db.write() as session:
        key_id, key = keys.create(session, ring, "worms")
        document = documents.add(
            session,
            tenant="worms",
            key_id=key_id,
            key=key,
            role="original",
            name="abgelehnt.bin",
            title="Abgelehnte Einreichung",
            media_type="application/octet-stream",
            content=LARGE,
            blobs=blobs,
        )
    with db.read() as session:
        return str(session.get_one(Document, document).blob)


def files(blobs: FolderBlobs) -> dict[str, Path]:
    return {path.name: path for path in blobs.root.rglob("*") if path.is_file()}


def grow_old(blobs: FolderBlobs, seconds: float, *names: str) -> None:
    for name, path in files(blobs).items():
        if not names or name in names:
            os.utime(path, (time.time() - seconds,) * 2)


def kill_an_upload(blobs: FolderBlobs) -> set[str]:
    before = set(files(blobs))
    killed = subprocess.run([sys.executable, "-c", KILLED, str(blobs.root)], cwd=CHECKOUT, check=False)
    assert killed.returncode == -signal.SIGKILL
    return set(files(blobs)) - before


def test_what_a_killed_upload_left_is_gone_after_a_day(db: Database, blobs: FolderBlobs, tmp_path: Path) -> None:
    kept = {store(db, blobs, tmp_path) for _ in range(3)}
    left = kill_an_upload(blobs)
    assert len(left) == 2, "a whole blob and a draft, both without a row"
    leftovers.sweep(db)
    assert set(files(blobs)) == kept | left, "an upload of today may still be going on"
    grow_old(blobs, DAY - 60)
    leftovers.sweep(db)
    assert set(files(blobs)) == kept | left
    grow_old(blobs, DAY + 60)
    young = kill_an_upload(blobs)
    leftovers.sweep(db)
    assert set(files(blobs)) == kept | young
    with db.read() as session:
        refs = session.scalars(select(Document.blob)).all()
        assert {str(ref) for ref in refs} == kept


def test_files_of_others_are_left_alone(db: Database, blobs: FolderBlobs, tmp_path: Path) -> None:
    kept = blobs.path(store(db, blobs, tmp_path))
    for name in ("README", ".nfs000000001", "F" * 48):
        (kept.parent / name).write_text("not ours")
    grow_old(blobs, 2 * DAY)
    assert leftovers.remove_orphans(db, blobs) == 0
    assert len(files(blobs)) == 4


def test_a_database_that_knows_none_of_the_blobs_removes_none(db: Database, blobs: FolderBlobs, tmp_path: Path) -> None:
    """Somebody started the hub with the right data folder and the wrong DATABASE_URL."""
    for _ in range(3):
        kill_an_upload(blobs)
    elsewhere = FolderBlobs(tmp_path / "elsewhere")
    grow_old(blobs, 2 * DAY)
    assert leftovers.remove_orphans(db, blobs) == 0
    store(db, elsewhere, tmp_path)
    assert leftovers.remove_orphans(db, blobs) == 0
    known = store(db, blobs, tmp_path)
    grow_old(blobs, 2 * DAY)
    assert leftovers.remove_orphans(db, blobs) == 3
    assert known in files(blobs)


class Millions(FolderBlobs):
    """A store that counts instead of holding files."""

    deleted = 0
    many = 0

    def refs(self, older_than_s: float = 0) -> Iterator[str]:
        yield from super().refs(older_than_s)
        for number in range(self.many):
            yield f"{number:048x}"

    def delete(self, ref: str) -> None:
        self.deleted += 1


def test_memory_stays_flat(hub_sqlite_url: str, tmp_path: Path) -> None:
    db, blobs = Database(hub_sqlite_url), Millions(tmp_path / "blobs")
    store(db, blobs, tmp_path)
    grow_old(blobs, 2 * DAY)
    blobs.many = 100_000
    tracemalloc.start()
    assert leftovers.remove_orphans(db, blobs) == blobs.deleted == blobs.many
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    db.dispose()
    assert peak < 8 << 20, "the references alone are larger"


def test_it_runs_every_day() -> None:
    assert leftovers.SWEEP in HANDLERS
    assert leftovers.SWEEP.every_s == DAY
    assert refusals.WINDOW.days == 30
