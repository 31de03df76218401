"""A case goes into the e-file: one package, two messages, the documents beside them."""

from __future__ import annotations

import hashlib
import io
import time
import tracemalloc
import zipfile
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from uuid import UUID

import pytest
from lxml import etree

from xoev import xdomea
from xoev.packs import Standards
from xoev.xdomea.messages import create_message, file_message

PACKS = Path(__file__).parents[3] / "shared" / "standards"
needs_packs = pytest.mark.skipif(not (PACKS / "xdomea" / "3.1.0").is_dir(), reason="xdomea 3.1.0 XSD are not here")

PDF = b"%PDF-1.7 plan" * 50
JSON = b'{"F1": "Mustermann"}'
PLAN = xdomea.PlanUnit("963.21", "Hundesteuer")


def document(number: int, name: str, media_type: str, content: bytes) -> xdomea.DocumentRecord:
    return xdomea.DocumentRecord(
        id=UUID(int=100 + number),
        title=f"Dokument {number}",
        name=name,
        media_type=media_type,
        size=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        open=lambda: io.BytesIO(content),
        kind="Antrag",
        received_on=date(2026, 11, 23),
    )


@pytest.fixture
def order() -> xdomea.FilingOrder:
    return xdomea.FilingOrder(
        process_id=UUID(int=1),
        created_at=datetime(2026, 11, 23, 9, 0, tzinfo=UTC),
        sender=xdomea.Party("Stadt Worms", "Kommunale Steuern"),
        receiver=xdomea.Party("Stadt Worms", "E-Akte"),
        file=xdomea.FileRecord(
            id=UUID(int=2),
            title="Hundesteuer Mustermann & Söhne",
            number="963.21-0042/2026",
            plan=PLAN,
            period=xdomea.Period(date(2026, 11, 23)),
            retention=xdomea.Retention(10),
        ),
        transaction=xdomea.TransactionRecord(
            id=UUID(int=3),
            title="Hundesteuer-Anmeldung",
            number="963.21-0042/2026-1",
            plan=PLAN,
            retention=xdomea.Retention(None, xdomea.Disposal.ARCHIVE),
            closed_on=date(2026, 11, 23),
        ),
        documents=(
            document(1, "../../Antrag für Bürger.json", "application/json", JSON),
            document(2, "Zusammenfassung.pdf", "application/pdf", PDF),
            document(3, "Zusammenfassung.pdf", "application/pdf", PDF + b"2"),
            document(4, "seltsam.xyz", "application/octet-stream", b"?"),
        ),
        wants_receipt=True,
        note="Testlieferung\x0b",
    )


def packed(order: xdomea.FilingOrder) -> bytes:
    out = io.BytesIO()
    xdomea.write_package(order, out)
    return out.getvalue()


def test_a_new_file_and_transaction_are_created_and_the_documents_filed(order: xdomea.FilingOrder) -> None:
    out = io.BytesIO()
    info = xdomea.write_package(order, out)
    assert [message.number for message in info.messages] == ["0604", "0605"]
    assert info.messages[0].file == f"{order.process_id}_FVDaten.SGOErstellen.0604.xml"
    arrived = xdomea.read_package(out)
    assert arrived.process_id == order.process_id
    assert arrived.file is not None
    assert arrived.file["number"] == "963.21-0042/2026"
    assert arrived.transaction is not None
    assert arrived.transaction["container"] == str(order.file.id)
    assert [item.container for item in arrived.documents] == [str(order.transaction.id)] * 4
    assert [item.sha256 for item in arrived.documents] == [item.sha256 for item in order.documents]
    assert len({item.file_name for item in arrived.documents}) == 4
    assert arrived.documents[0].file_name.endswith("_Antrag_fuer_Buerger.json")


def test_an_existing_file_is_referred_to_and_not_created_again(order: xdomea.FilingOrder) -> None:
    order = replace(order, file=xdomea.ExistingRecord("DMS-4711", "963.21-0007/2020"))
    arrived = xdomea.read_package(io.BytesIO(packed(order)))
    assert arrived.file is None
    assert arrived.transaction is not None
    assert arrived.transaction["container"] == "DMS-4711"


def test_a_later_document_goes_into_the_existing_transaction(order: xdomea.FilingOrder) -> None:
    order = replace(order, file=xdomea.ExistingRecord("A"), transaction=xdomea.ExistingRecord("V-1"))
    arrived = xdomea.read_package(io.BytesIO(packed(order)))
    assert arrived.messages == ("0605",)
    assert arrived.documents[0].container == "V-1"


@needs_packs
@pytest.mark.parametrize("existing", [False, True])
def test_every_message_is_valid_against_the_official_schema(order: xdomea.FilingOrder, existing: bool) -> None:
    if existing:
        order = replace(order, file=xdomea.ExistingRecord("DMS-4711", "963.21-0007/2020"))
    report = xdomea.validate_package(packed(order), Standards([PACKS]))
    assert report.faults == []
    assert report.ok
    assert report.validated


@needs_packs
def test_the_confirmations_of_the_receiver_are_valid_too() -> None:
    schema = etree.XMLSchema(etree.parse(PACKS / "xdomea" / "3.1.0" / "xdomea.xsd"))
    at, hub, dms = datetime(2026, 11, 23, tzinfo=UTC), xdomea.Party("Hub"), xdomea.Party("DMS")
    for message in (
        xdomea.received_message(UUID(int=1), at, dms, hub),
        xdomea.imported_message(UUID(int=1), at, dms, hub, created=[(UUID(int=3), "V-1")]),
        xdomea.imported_message(UUID(int=1), at, dms, hub, failure="Akte gesperrt"),
    ):
        assert schema.validate(etree.fromstring(message)), schema.error_log


def test_without_the_pack_a_package_is_written_and_called_not_validated(order: xdomea.FilingOrder) -> None:
    report = xdomea.validate_package(packed(order))
    assert not report.validated
    assert {fault.code for fault in report.faults} == {"pack.missing"}


def test_the_same_order_gives_the_same_bytes(order: xdomea.FilingOrder) -> None:
    first = packed(order)
    assert packed(order) == first
    with zipfile.ZipFile(io.BytesIO(first)) as archive:
        kinds = {item.filename.rpartition(".")[2]: item.compress_type for item in archive.infolist()}
    assert kinds["pdf"] == zipfile.ZIP_STORED
    assert kinds["xml"] == zipfile.ZIP_DEFLATED


def test_a_receiver_may_have_one_zip_a_message(order: xdomea.FilingOrder) -> None:
    out = io.BytesIO()
    info = xdomea.write_message_package(order, "0604", out)
    assert info.name == f"{order.process_id}_FVDaten.SGOErstellen.0604.zip"
    assert zipfile.ZipFile(out).namelist() == [info.messages[0].file]


def test_a_document_that_changed_since_it_was_digested_is_not_filed(order: xdomea.FilingOrder) -> None:
    wrong = replace(order.documents[1], open=lambda: io.BytesIO(b"something else"))
    with pytest.raises(xdomea.FilingError, match="Prüfsumme"):
        packed(replace(order, documents=(wrong,)))


def test_large_plans_do_not_fill_the_memory(order: xdomea.FilingOrder, tmp_path: Path) -> None:
    size = 60 * 1024 * 1024
    plan = tmp_path / "plan.pdf"
    with plan.open("wb") as sparse:
        sparse.truncate(size)
    big = replace(order.documents[1], open=lambda: plan.open("rb"), size=size, sha256=None)
    tracemalloc.start()
    with (tmp_path / "package.zip").open("w+b") as out:
        xdomea.write_package(replace(order, documents=(big,)), out)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * 1024 * 1024


def test_writing_the_messages_is_quick(order: xdomea.FilingOrder) -> None:
    best = 1.0
    for _ in range(20):
        start = time.perf_counter()
        create_message(order)
        file_message(order)
        best = min(best, time.perf_counter() - start)
    assert best < 0.005  # aim: below 1 ms on the reference machine
