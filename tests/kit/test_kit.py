"""Keys, blobs, database and problems: what everything else stands on."""

from __future__ import annotations

import base64
import io
import json
import os
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import insert, select
from sqlalchemy.exc import StatementError
from sqlalchemy.orm import Session

from hub.kit import keys, log, problems, upsert
from hub.kit.blobs import BlobMissingError, FolderBlobs
from hub.kit.clock import berlin_date
from hub.kit.database import Base, Database, new_id
from hub.kit.keys import DataKey, KeyDestroyedError, KeyFileError, KeyRing, SealBrokenError
from hub.kit.model import DataKeyRow
from hub.kit.sealing import CHUNK
from hub.kit.settings import Settings, Stage


@pytest.fixture
def ring(tmp_path: Path) -> KeyRing:
    return KeyRing(Settings(data=tmp_path, stage=Stage.TEST))


@pytest.fixture(params=["sqlite", "postgresql"])
def db(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    url = f"sqlite:///{tmp_path / 'hub.db'}" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    database = Database(url)
    DataKeyRow.metadata.create_all(database.engine, tables=[Base.metadata.tables["data_key"]])
    yield database
    database.dispose()


class TestKeys:
    def test_sealed_values_open_only_unaltered_at_their_place_and_with_their_key(self, ring: KeyRing) -> None:
        key, wrapped = ring.new_data_key()
        sealed = key.seal(b"Erika", b"case:1")
        assert ring.unwrap(wrapped).open(sealed, b"case:1") == b"Erika"
        other, _ = ring.new_data_key()
        for opener, value, place in ((key, sealed, b"case:2"), (other, sealed, b"case:1"),
                                     (key, sealed[:-1], b"case:1"), (key, b"", b"case:1")):  # fmt: skip
            with pytest.raises(SealBrokenError):
                opener.open(value, place)

    def test_a_missing_key_file_is_made_for_the_demo_and_refused_in_production(self, tmp_path: Path) -> None:
        with pytest.raises(KeyFileError, match="fehlt"):
            KeyRing(Settings(data=tmp_path, stage=Stage.PRODUCTION))
        KeyRing(Settings(data=tmp_path, stage=Stage.DEMO))
        assert (tmp_path / "master.key").stat().st_mode & 0o777 == 0o600

    def test_after_a_rotation_old_keys_still_open_and_can_be_rewrapped(self, tmp_path: Path) -> None:
        settings = Settings(data=tmp_path, stage=Stage.TEST)
        key, wrapped = KeyRing(settings).new_data_key()
        with settings.key_file.open("a") as file:
            file.write(f"2 {base64.b64encode(os.urandom(32)).decode()}\n")
        renewed = KeyRing(settings)
        again = renewed.rewrap(wrapped)
        assert renewed.unwrap(again).open(key.seal(b"x")) == b"x"
        lines = settings.key_file.read_text().splitlines()
        settings.key_file.write_text(lines[1])
        KeyRing(settings).unwrap(again)
        with pytest.raises(SealBrokenError, match="master key 1"):
            KeyRing(settings).unwrap(wrapped)

    def test_a_destroyed_key_is_gone(self, db: Database, ring: KeyRing, tmp_path: Path) -> None:
        with db.write() as session:
            key_id, key = keys.create(session, ring, "worms")
        sealed = key.seal(b"x")
        fresh = KeyRing(Settings(data=tmp_path, stage=Stage.TEST))
        with db.write() as session:
            assert keys.load(session, fresh, key_id).open(sealed) == b"x"
            keys.destroy(session, key_id, fresh)
            with pytest.raises(KeyDestroyedError):
                keys.load(session, fresh, key_id)


class TestBlobs:
    @pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK])
    def test_what_goes_in_comes_out(self, tmp_path: Path, size: int) -> None:
        store, key, content = FolderBlobs(tmp_path), DataKey(os.urandom(32)), os.urandom(size)
        blob = store.write(io.BytesIO(content), key)
        assert blob.size == size
        with store.open(blob.ref, key) as file:
            assert file.read() == content
            assert file.seek(size // 2) == size // 2
            assert file.read() == content[size // 2 :]

    def test_a_cut_altered_exchanged_or_reordered_blob_is_refused(self, tmp_path: Path) -> None:
        store, key = FolderBlobs(tmp_path), DataKey(os.urandom(32))
        refs = [store.write([os.urandom(2 * CHUNK + 5)], key).ref for _ in range(2)]
        path = store.path(refs[0])
        whole, step = path.read_bytes(), CHUNK + 16
        damaged = {
            "cut in a chunk": whole[:-3],
            "cut between chunks": whole[: 20 + 2 * step],
            "empty": b"",
            "altered": whole[:100] + bytes([whole[100] ^ 1]) + whole[101:],
            "reordered": whole[:20] + whole[20 + step : 20 + 2 * step] + whole[20 : 20 + step] + whole[20 + 2 * step :],
            "exchanged": store.path(refs[1]).read_bytes(),
        }
        for content in damaged.values():
            path.write_bytes(content)
            with pytest.raises(SealBrokenError):
                store.open(refs[0], key).read()

    def test_an_upload_that_breaks_off_leaves_nothing(self, tmp_path: Path) -> None:
        store = FolderBlobs(tmp_path)
        with pytest.raises(ConnectionError), store.begin(DataKey(os.urandom(32))) as writer:  # noqa: PT012 - the block is what rolls back
            writer.write(b"x" * 100)
            raise ConnectionError
        assert [path for path in tmp_path.rglob("*") if path.is_file()] == []

    def test_references_cannot_name_other_files(self, tmp_path: Path) -> None:
        for ref in ("../../etc/passwd", "", "ab" * 24 + "/x", "A" * 48):
            with pytest.raises(BlobMissingError):
                FolderBlobs(tmp_path).open(ref, DataKey(bytes(32)))

    def test_memory_stays_flat(self, tmp_path: Path) -> None:
        store, key = FolderBlobs(tmp_path), DataKey(os.urandom(32))
        tracemalloc.start()
        blob = store.write((bytes(1 << 16) for _ in range(640)), key)
        with store.open(blob.ref, key) as file:
            while file.read(1 << 16):
                pass
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert blob.size == 40 << 20
        assert peak < 8 << 20


class TestDatabase:
    def test_instants_come_back_aware_in_utc_and_naive_ones_are_refused(self, db: Database) -> None:
        berlin = datetime(2026, 7, 1, 1, 30, tzinfo=timezone(timedelta(hours=2)))
        key_id = new_id()
        row = {"id": key_id, "tenant_id": "worms", "created_at": berlin}
        with db.write() as session:
            session.execute(insert(DataKeyRow).values(row))
        with db.read() as session:
            stored = session.get_one(DataKeyRow, key_id).created_at
        assert (stored, stored.tzinfo) == (berlin, UTC)
        with pytest.raises(StatementError, match="naive"), db.write() as session:
            session.execute(insert(DataKeyRow).values(row | {"id": new_id(), "created_at": datetime(2026, 7, 1)}))

    def test_an_error_rolls_back_and_nobody_is_told(self, db: Database) -> None:
        told: list[object] = []
        db.after_commit.append(told.append)
        with pytest.raises(ZeroDivisionError), db.write() as session:  # noqa: PT012 - the block is what rolls back
            session.add(DataKeyRow(id=new_id(), tenant_id="worms", created_at=datetime.now(UTC)))
            session.flush()
            _ = 1 / 0
        with db.read() as session:
            assert session.scalars(select(DataKeyRow)).all() == []
        assert told == []

    def test_reading_sessions_do_not_write(self, db: Database) -> None:
        def adds(session: Session) -> None:
            session.add(DataKeyRow(id=new_id(), tenant_id="worms", created_at=datetime.now(UTC)))
            session.flush()

        def inserts(session: Session) -> None:
            session.execute(insert(DataKeyRow).values(id=new_id(), tenant_id="w", created_at=datetime.now(UTC)))

        for write in (adds, inserts):
            with pytest.raises(RuntimeError, match=r"Database\.write"), db.read() as session:
                write(session)

    def test_a_row_is_inserted_left_alone_or_changed_on_both_databases(self, db: Database) -> None:
        first, second = new_id(), new_id()
        row = {"id": first, "tenant_id": "worms", "wrapped": b"1", "created_at": datetime(2026, 7, 1, tzinfo=UTC)}

        def stored() -> dict[object, tuple[str, bytes | None]]:
            with db.read() as session:
                return {found.id: (found.tenant_id, found.wrapped) for found in session.scalars(select(DataKeyRow))}

        with db.write() as session:
            upsert.add_new(session, DataKeyRow, row, key=("id",))
            upsert.add_new(session, DataKeyRow, [row | {"wrapped": b"2"}, row | {"id": second}], key=("id",))
        assert stored() == {first: ("worms", b"1"), second: ("worms", b"1")}, "what was there stays as it is"
        with db.write() as session:
            upsert.put(session, DataKeyRow, row | {"tenant_id": "mainz", "wrapped": b"3"}, key=("id",))
        assert stored()[first] == ("mainz", b"3"), "without a choice every column changes"
        with db.write() as session:
            upsert.put(session, DataKeyRow, row | {"wrapped": b"4"}, key=("id",), change=("wrapped",))
        assert stored()[first] == ("mainz", b"4")
        with db.write() as session:
            statement = upsert.unless_there(DataKeyRow, ("id",), db.dialect).returning(DataKeyRow.id)
            assert session.connection().execute(statement, row).scalar() is None
            assert session.connection().execute(statement, row | {"id": new_id()}).scalar() is not None

    def test_a_child_process_uses_connections_of_its_own(self, db: Database) -> None:
        with db.read() as session:
            session.execute(select(DataKeyRow)).all()
        child = os.fork()
        if not child:
            status = 1
            try:
                with db.write() as session:
                    session.add(DataKeyRow(id=new_id(), tenant_id="child", created_at=datetime.now(UTC)))
                status = 0
            finally:
                os._exit(status)
        assert os.waitpid(child, 0)[1] == 0
        with db.read() as session:
            assert session.scalars(select(DataKeyRow.tenant_id)).all() == ["child"]


def test_a_legal_day_is_a_day_in_germany() -> None:
    assert berlin_date(datetime(2026, 12, 31, 23, 30, tzinfo=UTC)) == date(2027, 1, 1)
    with pytest.raises(ValueError, match="naive"):
        berlin_date(datetime(2026, 1, 1))


class TestProblems:
    @pytest.fixture
    def client(self) -> TestClient:
        app = FastAPI()
        problems.install(app)

        @app.get("/api/conflict")
        def conflict() -> None:
            raise problems.Problem(409, "key.reused", "Schlüssel schon verwendet", faults=[{"path": "/a"}], key="k")

        @app.get("/api/number/{number}")
        def number(number: int) -> int:
            return number

        @app.get("/crash")
        def crash() -> None:
            raise ZeroDivisionError("a secret")

        return TestClient(app, raise_server_exceptions=False)

    @pytest.mark.parametrize(
        ("method", "path", "status", "code"),
        [
            ("GET", "/api/conflict", 409, "key.reused"),
            ("GET", "/nowhere", 404, "resource.unknown"),
            ("POST", "/api/conflict", 405, "method.unsupported"),
            ("GET", "/api/number/x", 422, "request.invalid"),
            ("GET", "/crash", 500, "server.error"),
        ],
    )
    def test_every_error_is_a_problem_document(
        self, client: TestClient, method: str, path: str, status: int, code: str
    ) -> None:
        answer = client.request(method, path)
        assert answer.headers["content-type"] == "application/problem+json"
        assert (answer.status_code, answer.json()["code"], answer.json()["status"]) == (status, code, status)
        assert "secret" not in answer.text

    def test_people_get_a_page(self, client: TestClient) -> None:
        answer = client.get("/nowhere", headers={"accept": "text/html,*/*"})
        assert answer.status_code == 404
        assert "<h1>Nicht gefunden</h1>" in answer.text


def test_logs_hold_no_secrets_and_no_personal_fields() -> None:
    import structlog

    lines = io.StringIO()
    before = structlog.get_config()
    try:
        log.configure(Settings(stage=Stage.PRODUCTION), lines)
        with log.bind(case="c1"):
            structlog.get_logger().info(
                "delivery_failed", password="p-geheim", first_name="Erika", detail={"iban": "DE02120300000000202051"},
                url="https://hub:p-geheim@host/", said="Bearer p-geheim-p-geheim erika@example.org",
            )  # fmt: skip
    finally:
        structlog.configure(**before)
    line = json.loads(lines.getvalue())
    assert (line["event"], line["case"], line["level"]) == ("delivery_failed", "c1", "info")
    for hidden in ("geheim", "Erika", "DE02", "erika"):
        assert hidden not in lines.getvalue()
