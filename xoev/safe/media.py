"""Recognising what a file is by its first bytes, whatever its name says."""

from __future__ import annotations

import codecs
import re

from .limits import refuse

UNKNOWN = "application/octet-stream"
HEAD = 4_096
_PREFIXES = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"\x1f\x8b", "application/gzip"),
    (b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (b"Rar!\x1a\x07", "application/vnd.rar"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "application/x-ole-storage"),
    (b"MZ", "application/x-msdownload"),
    (b"\x7fELF", "application/x-executable"),
    (b"#!", "text/x-shellscript"),
)
_OFFICE = "application/vnd.openxmlformats-officedocument."
_DOCX, _XLSX, _PPTX = (
    _OFFICE + "wordprocessingml.document",
    _OFFICE + "spreadsheetml.sheet",
    _OFFICE + "presentationml.presentation",
)
_ODT = "application/vnd.oasis.opendocument.text"
_OFFICE_FOLDERS = ((b"word/", _DOCX, ".docx"), (b"xl/", _XLSX, ".xlsx"), (b"ppt/", _PPTX, ".pptx"))
# Types that are the same thing to us, or a special case of the sniffed one.
_EQUAL = {
    "text/xml": "application/xml",
    "image/jpg": "image/jpeg",
    "application/x-pdf": "application/pdf",
    "application/x-zip-compressed": "application/zip",
    "text/json": "application/json",
}
_GERMAN = {
    "application/pdf": "PDF-Dokument",
    "image/jpeg": "JPEG-Bild",
    "image/png": "PNG-Bild",
    "image/tiff": "TIFF-Bild",
    "application/xml": "XML-Datei",
    "application/json": "JSON-Datei",
    "application/zip": "ZIP-Archiv",
    "text/plain": "Textdatei",
    "text/html": "HTML-Seite",
    _DOCX: "Word-Dokument",
    _XLSX: "Excel-Tabelle",
    _ODT: "OpenDocument-Text",
    "application/x-msdownload": "Windows-Programm",
    "application/x-executable": "Programm",
    UNKNOWN: "unbekanntes Format",
}


def sniff(head: bytes, name: str = "") -> str:
    """The media type of a file by its first bytes (4 KB are enough), or ``application/octet-stream``.

    ``name`` only decides between the office formats, which are all ZIP archives.
    """
    for prefix, media_type in _PREFIXES:
        if head.startswith(prefix):
            return media_type
    if b"%PDF-" in head[:1024]:
        return "application/pdf"
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _sniff_archive(head, name.lower())
    return _sniff_text(head)


def check_media_type(head: bytes, declared: str, name: str = "") -> str:
    """Return the sniffed type; raise ``media.mismatch`` when the file is not what it is called."""
    found, wanted = sniff(head, name), _plain(declared)
    if found == wanted or _is_kind_of(found, wanted):
        return found
    shown = f"Die Datei „{name}“" if name else "Die Datei"
    raise refuse(
        "media.mismatch",
        f"{shown} ist angegeben als {_german(wanted)}, ihr Inhalt ist aber: {_german(found)}.",
        path=name,
    )


def _plain(declared: str) -> str:
    media_type = declared.split(";", 1)[0].strip().lower()
    return _EQUAL.get(media_type, media_type)


def _is_kind_of(found: str, wanted: str) -> bool:
    if found in ("application/xml", "application/json"):
        return wanted.endswith("+" + found.removeprefix("application/"))
    if found == "application/zip":
        return wanted.endswith("+zip")
    return found == "text/plain" and wanted.startswith("text/") and wanted not in ("text/html",)


def _german(media_type: str) -> str:
    return _GERMAN.get(media_type, media_type)


def _sniff_archive(head: bytes, name: str) -> str:
    # OpenDocument stores its media type uncompressed as the first entry.
    if found := re.match(rb"PK\x03\x04.{26}mimetype([a-z0-9.+/-]{5,80}?)PK", head, re.DOTALL):
        return found[1].decode("ascii")
    if b"[Content_Types].xml" in head or b"_rels/.rels" in head:
        for folder, media_type, ending in _OFFICE_FOLDERS:
            if folder in head or name.endswith(ending):
                return media_type
    return "application/zip"


def _sniff_text(head: bytes) -> str:
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or head[:2] in (b"<\x00", b"\x00<"):
        head = head.replace(b"\x00", b"")[2 if head[:1] in (b"\xff", b"\xfe") else 0 :]
    text = head.removeprefix(codecs.BOM_UTF8).lstrip()
    if not text or b"\x00" in text:
        return UNKNOWN
    if re.match(rb"<(!doctype\s+html|html[\s>])", text, re.IGNORECASE):
        return "text/html"
    if re.match(rb"<[?!A-Za-z_\x80-\xff]", text):
        return "application/xml"
    if re.match(rb"""\{\s*("|\}|$)|\[\s*(["{\[\]0-9tfn-]|$)""", text):
        return "application/json"
    controls = sum(1 for sign in text if sign < 32 and sign not in b"\t\n\r\f\x1b")
    return "text/plain" if controls == 0 else UNKNOWN
