"""Attachments are looked at before a case is opened: what is dangerous is withheld and shown, never dropped."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO

import httpx
import pytest
from sqlalchemy import select

from hub.cases import withheld
from hub.intake import attachments, scanner
from hub.intake.scanner import Address, Finding, ScannerUnavailableError
from hub.jobs.model import JobRow
from tests.intake.conftest import DOG_TAX, PDF, Intake, dog_tax, form

EICAR = b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
ACTIVE = PDF.replace(b"/Catalog", b"/Catalog /OpenAction << /S /JavaScript /JS (app.alert(1)) >>")


@contextmanager
def clamd(*, limit: int = 2**25) -> Iterator[Address]:
    """A server that speaks clamd's INSTREAM and knows one virus."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            with connection, connection.makefile("rb") as stream:
                assert stream.read(10) == b"zINSTREAM\0"
                content = bytearray()
                while length := struct.unpack(">I", stream.read(4))[0]:
                    content += stream.read(length)
                    if len(content) > limit:
                        break
                verdict = b"stream: OK"
                if len(content) > limit:
                    verdict = b"INSTREAM size limit exceeded. ERROR"
                elif EICAR in content:
                    verdict = b"stream: Win.Test.EICAR_HDB-1 FOUND"
                connection.sendall(verdict + b"\0")

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield Address("127.0.0.1", server.getsockname()[1])
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join(5)


@pytest.fixture
def scanned(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A scanner is configured for the jobs that run in this process."""
    with clamd() as address:
        monkeypatch.setattr(scanner, "configured", lambda: address)
        yield


def submit(portal: httpx.Client, *contents: bytes) -> str:
    answer = portal.post(
        "/api/v1/submissions",
        files=form(
            dog_tax(),
            metadata={"service": DOG_TAX},
            attachments=[
                (f"Anlage {number}.pdf", content, "application/pdf") for number, content in enumerate(contents, 1)
            ],
        ),
    )
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


@pytest.mark.parametrize(
    ("content", "flag"),
    [
        (ACTIVE, "pdf.javascript"),
        (ACTIVE + b"%" + b" " * (2 * attachments.IN_MEMORY) + PDF, "pdf.javascript"),
        (PDF.replace(b"/Catalog", b"/Catalog /Encrypt 5 0 R"), "pdf.encrypted"),
        (PDF[:-10], "pdf.truncated"),
    ],
)
def test_an_active_or_broken_pdf_is_withheld(intake: Intake, portal: httpx.Client, content: bytes, flag: str) -> None:
    submitted = submit(portal, PDF, content)
    intake.work("intake.open-case", attachments.EXAMINE)
    assert [found.flag for found in intake.documents(submitted)] == [None, None, flag]
    case = intake.case_of(submitted)
    assert case is not None
    assert case.state == "open", "the application itself goes on"
    (trouble,) = intake.troubles(case.id)
    assert (trouble.kind, trouble.code) == ("klaerfall", "attachment.withheld")
    assert withheld.TEXTS[flag] in trouble.message
    assert trouble.choices == ["release", "noted"]


def test_a_virus_is_withheld_and_told(intake: Intake, portal: httpx.Client, scanned: None) -> None:
    infected = submit(portal, PDF, PDF + b"%" + b" " * (2 * attachments.IN_MEMORY) + EICAR + PDF)
    clean = submit(portal, PDF + b"%" + b" " * (2 * attachments.IN_MEMORY) + PDF)
    intake.work("intake.open-case", attachments.EXAMINE)
    assert [found.flag for found in intake.documents(infected)] == [None, None, "malware"]
    assert [found.flag for found in intake.documents(clean)] == [None, None]
    case = intake.case_of(infected)
    assert case is not None
    (trouble,) = intake.troubles(case.id)
    assert (trouble.code, trouble.choices) == ("attachment.malware", ["noted"]), "malware is never released"


def test_while_the_scanner_is_away_the_submission_waits(
    intake: Intake, portal: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scanner, "configured", lambda: Address("127.0.0.1", 1))
    submitted = submit(portal, PDF + b"%" + b" " * (2 * attachments.IN_MEMORY) + PDF)
    intake.work("intake.open-case", attachments.EXAMINE)
    assert intake.case_of(submitted) is None
    with intake.db.read() as session:
        row = session.scalars(select(JobRow).where(JobRow.key == submitted)).one()
    assert (row.kind, row.state, row.attempts) == (attachments.EXAMINE, "waiting", 0)
    with intake.db.write() as session:  # the pause is over
        session.get_one(JobRow, row.id).due = row.created_at
    monkeypatch.undo()
    intake.work("intake.open-case", attachments.EXAMINE)
    assert intake.case_of(submitted) is not None


def test_the_scanner_is_spoken_to_as_clamd_expects() -> None:
    with clamd(limit=2**20) as address:
        assert scanner.scan(address, BytesIO(b"")) is None
        assert scanner.scan(address, BytesIO(bytes(2**20))) is None
        assert scanner.scan(address, BytesIO(b"x" * 300_000 + EICAR)) == Finding("malware", "Win.Test.EICAR_HDB-1")
        assert scanner.scan(address, BytesIO(bytes(2**20 + 1))) == Finding("unscanned", "StreamMaxLength")
    with pytest.raises(ScannerUnavailableError):
        scanner.scan(address, BytesIO(b"x"))


def test_the_address_is_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for given, expected in (
        ("av.intern:3310", Address("av.intern", 3310)),
        ("[::1]:3310", Address("::1", 3310)),
        (None, None),
    ):
        scanner.configured.cache_clear()
        monkeypatch.delenv("HUB_CLAMAV", raising=False)
        if given:
            monkeypatch.setenv("HUB_CLAMAV", given)
        assert scanner.configured() == expected
    scanner.configured.cache_clear()
