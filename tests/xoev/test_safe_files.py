"""ZIP archives, PDF and media types that are not what they say."""

from __future__ import annotations

import io
import stat
import struct
import tracemalloc
import warnings
import zipfile

import pytest

from xoev.safe import Limits, UnsafeInput, check_media_type, inspect_pdf, open_zip, sniff


def archive(*entries: tuple[str | zipfile.ZipInfo, bytes], compression: int = zipfile.ZIP_DEFLATED) -> io.BytesIO:
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with zipfile.ZipFile(buffer, "w", compression) as out:
            for name, content in entries:
                out.writestr(name, content)
    buffer.seek(0)
    return buffer


def code_of(source: io.BytesIO, limits: Limits | None = None) -> str:
    with pytest.raises(UnsafeInput) as caught, open_zip(source, limits=limits or Limits()) as opened:
        opened.check()
    return caught.value.fault.code


def test_reads_a_good_archive() -> None:
    with open_zip(archive(("ordner/a.xml", b"<a/>"), ("b.pdf", b"%PDF"))) as opened:
        assert opened.names == ("ordner/a.xml", "b.pdf")
        assert opened.read("ordner/a.xml") == b"<a/>"
        opened.check()


@pytest.mark.parametrize("name", ["../a.xml", "/etc/a", "a/../../b", "C:/a", "a\\b"])
def test_refuses_names_that_lead_outside(name: str) -> None:
    entry = zipfile.ZipInfo("x")
    entry.filename = name
    assert code_of(archive((entry, b"x"))) == "zip.path"


@pytest.mark.parametrize("name", [".", "a\nb", "a" * 300])
def test_refuses_names_that_are_none(name: str) -> None:
    entry = zipfile.ZipInfo("x")
    entry.filename = name
    assert code_of(archive((entry, b"x"))) == "zip.name"


def test_refuses_doubled_names() -> None:
    assert code_of(archive(("a.xml", b"1"), ("A.XML", b"2"))) == "zip.duplicate"


def test_refuses_a_bomb_before_unpacking() -> None:
    bomb = archive(("null", b"\0" * 50_000_000))
    tracemalloc.start()
    assert code_of(bomb) == "zip.bomb"
    assert tracemalloc.get_traced_memory()[1] < 2_000_000
    tracemalloc.stop()


def test_refuses_overlapping_entries() -> None:
    raw = bytearray(archive(("a", b"x" * 200), ("b", b"y" * 200), compression=zipfile.ZIP_STORED).getvalue())
    second = raw.rfind(b"PK\x01\x02")
    struct.pack_into("<I", raw, second + 42, 0)
    assert code_of(io.BytesIO(raw)) == "zip.bomb"


def test_stops_an_entry_that_is_longer_than_it_says() -> None:
    raw = bytearray(archive(("a", b"x" * 5_000)).getvalue())
    for start, offset in ((raw.find(b"PK\x03\x04"), 22), (raw.rfind(b"PK\x01\x02"), 24)):
        struct.pack_into("<I", raw, start + offset, 10)
    assert code_of(io.BytesIO(raw)) == "zip.content"


def test_refuses_encrypted_entries() -> None:
    raw = bytearray(archive(("a", b"x")).getvalue())
    raw[raw.rfind(b"PK\x01\x02") + 8] |= 1
    assert code_of(io.BytesIO(raw)) == "zip.encrypted"


def test_refuses_links() -> None:
    entry = zipfile.ZipInfo("a")
    entry.create_system, entry.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    assert code_of(archive((entry, b"/etc/passwd"))) == "zip.link"


def test_refuses_other_compression() -> None:
    assert code_of(archive(("a", b"x" * 100), compression=zipfile.ZIP_BZIP2)) == "zip.method"


def test_limits_entries_and_sizes() -> None:
    many = archive(*[(f"{number}", b"x") for number in range(30)])
    assert code_of(many, Limits(max_entries=10)) == "zip.entries"
    assert code_of(archive(("a", b"x" * 100)), Limits(max_entry_bytes=50)) == "zip.entry-size"
    assert code_of(archive(("a", b"x" * 40), ("b", b"x" * 40)), Limits(max_total_bytes=50)) == "zip.size"


def test_limits_nesting() -> None:
    inner = archive(("a", b"x")).getvalue()
    middle = archive(("inner.zip", inner)).getvalue()
    with open_zip(archive(("middle.zip", middle))) as opened, opened.nested("middle.zip") as second:
        with pytest.raises(UnsafeInput) as caught:
            second.nested("inner.zip")
        assert caught.value.fault.code == "zip.nesting"


@pytest.mark.parametrize(
    "data",
    [b"PK\x03\x04 only the beginning", b"no archive", archive(("a", b"x")).getvalue()[:-10]],
    ids=["only the beginning", "no archive", "cut off"],
)
def test_refuses_what_is_no_archive(data: bytes) -> None:
    assert code_of(io.BytesIO(data)) == "zip.broken"


OFFICE = "application/vnd.openxmlformats-officedocument."
ODT = "application/vnd.oasis.opendocument.text"
ODT_FILE = archive(("mimetype", ODT.encode()), ("a", b""), compression=zipfile.ZIP_STORED).getvalue()
PDF = b"%PDF-1.7\n1 0 obj\n<< /Type /Catalog >>\nendobj\nstartxref\n9\n%%EOF\n"


@pytest.mark.parametrize(
    ("data", "code"), [(b"", "input.empty"), (b"<html>", "pdf.header"), (PDF[:-20], "pdf.truncated")]
)
def test_refuses_a_pdf_that_is_none(data: bytes, code: str) -> None:
    with pytest.raises(UnsafeInput) as caught:
        inspect_pdf(data)
    assert caught.value.fault.code == code


def test_flags_active_content() -> None:
    assert inspect_pdf(PDF) == []
    active = PDF.replace(
        b"/Type", b"/OpenAction << /S /J#61vaScript /JS (x) >> /Encrypt 5 0 R /AA << /S /Launch >> /Type"
    )
    assert {fault.code for fault in inspect_pdf(active)} == {"pdf.javascript", "pdf.encrypted", "pdf.launch"}


@pytest.mark.parametrize(
    ("head", "name", "expected"),
    [
        (PDF, "", "application/pdf"),
        (b"\xff\xd8\xff\xe0", "", "image/jpeg"),
        (b"\x89PNG\r\n\x1a\n", "", "image/png"),
        (b"II*\x00", "", "image/tiff"),
        (b"\xef\xbb\xbf<?xml", "", "application/xml"),
        ('<?xml version="1.0"?>'.encode("utf-16"), "", "application/xml"),
        (b'\n {"a": 1}', "", "application/json"),
        (b"<!DOCTYPE html>", "", "text/html"),
        (b"Guten Tag", "", "text/plain"),
        (archive(("_rels/.rels", b"x"), ("word/a.xml", b"x")).getvalue(), "", OFFICE + "wordprocessingml.document"),
        (archive(("[Content_Types].xml", b"x")).getvalue(), "liste.xlsx", OFFICE + "spreadsheetml.sheet"),
        (ODT_FILE, "", ODT),
        (archive(("a", b"x")).getvalue(), "", "application/zip"),
        (b"", "", "application/octet-stream"),
    ],
)  # fmt: skip
def test_sniffs(head: bytes, name: str, expected: str) -> None:
    assert sniff(head, name) == expected


def test_declared_type_must_be_true() -> None:
    assert check_media_type(b"<a/>", "text/xml; charset=utf-8") == "application/xml"
    assert check_media_type(b'{"a": 1}', "application/problem+json") == "application/json"
    with pytest.raises(UnsafeInput, match="Windows-Programm") as caught:
        check_media_type(b"MZ\x90", "application/pdf", "plan.pdf")
    assert caught.value.fault.code == "media.mismatch"
