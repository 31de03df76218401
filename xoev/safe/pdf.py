"""Looking at a PDF from outside: is it one, is it whole, does it bring anything active?

This reads, it does not render. Active content hidden in encrypted or oddly packed
streams stays hidden; the virus scanner is the second line.
"""

from __future__ import annotations

import io
import re
import zlib
from typing import IO, BinaryIO

from xoev.report import Fault

from .limits import Limits, refuse

_DEFAULT = Limits()
_CHUNK = 1024 * 1024
_OVERLAP = 256
_MAX_UNPACKED = 4 * 1024 * 1024
_ACTIVE: dict[bytes, tuple[str, str]] = {
    b"Encrypt": ("pdf.encrypted", "Das PDF ist verschlüsselt oder mit einem Kennwort geschützt."),
    b"JavaScript": ("pdf.javascript", "Das PDF enthält JavaScript."),
    b"JS": ("pdf.javascript", "Das PDF enthält JavaScript."),
    b"Launch": ("pdf.launch", "Das PDF will beim Öffnen ein Programm starten."),
}
_NAME = re.compile(rb"/((?:[A-Za-z]|#[0-9A-Fa-f]{2}){2,40})(?=[\s/<(\[>\]]|$)")
_HEX = re.compile(rb"#([0-9A-Fa-f]{2})")
_PACKED = re.compile(rb"/ObjStm\b.{0,200}?stream\r?\n", re.DOTALL)


def inspect_pdf(source: BinaryIO | IO[bytes] | bytes, *, limits: Limits = _DEFAULT) -> list[Fault]:
    """Return the findings (encrypted, active content) of a PDF.

    Raises :class:`UnsafeInput` with ``pdf.header`` when it is none and with
    ``pdf.truncated`` when its end is missing. Reads in constant memory.
    """
    stream: BinaryIO | IO[bytes] = io.BytesIO(source) if isinstance(source, bytes) else source
    size = stream.seek(0, io.SEEK_END)
    if size == 0:
        raise refuse("input.empty", "Die Datei ist leer (0 Byte).")
    if size > limits.max_entry_bytes:
        raise refuse("input.size", "Das PDF ist zu groß.")
    stream.seek(0)
    if b"%PDF-" not in stream.read(1024):
        raise refuse("pdf.header", "Die Datei ist kein PDF, auch wenn sie so heißt.")
    stream.seek(max(0, size - 2048))
    end = stream.read()
    if b"%%EOF" not in end or b"startxref" not in end:
        raise refuse("pdf.truncated", "Das PDF ist unvollständig: Sein Ende fehlt.")
    stream.seek(0)
    found: dict[str, Fault] = {}
    rest = b""
    while piece := stream.read(_CHUNK):
        window = rest + piece
        _collect(window, found)
        for packed in _PACKED.finditer(window):
            _collect(_unpack(window[packed.end() :]), found)
        rest = window[-_OVERLAP:]
    return list(found.values())


def _collect(window: bytes, found: dict[str, Fault]) -> None:
    for match in _NAME.finditer(window):
        name = _HEX.sub(lambda digits: bytes([int(digits[1], 16)]), match[1])
        if name in _ACTIVE:
            code, message = _ACTIVE[name]
            found.setdefault(code, Fault(None, "", code, message))


def _unpack(packed: bytes) -> bytes:
    """The beginning of a compressed object stream, bounded; nothing when it is not deflated."""
    try:
        return zlib.decompressobj().decompress(packed, _MAX_UNPACKED)
    except zlib.error:
        return b""
