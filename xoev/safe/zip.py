"""Opening ZIP archives that strangers sent.

Everything the directory tells is checked before the first entry is read, the
rest (real sizes, checksums) while reading: an entry that is longer than it says
is stopped, never unpacked.
"""

from __future__ import annotations

import io
import stat
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator
from typing import IO, BinaryIO

from .limits import Limits, UnsafeInput, readable_size, refuse

_DEFAULT = Limits()
_CHUNK = 64 * 1024
_END = b"PK\x05\x06"
_END64 = b"PK\x06\x06"
# A directory entry with a name of 255 bytes and the usual extra fields.
_DIRECTORY_PER_ENTRY = 1_024
_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, struct.error, OSError, ValueError)


class SafeZip:
    """A checked archive. Names are as in the archive, with ``/``; folders are left out."""

    def __init__(self, archive: zipfile.ZipFile, limits: Limits, nesting: int = 1) -> None:
        self._archive, self._limits, self._nesting = archive, limits, nesting
        self._entries = {entry.filename: entry for entry in archive.infolist() if not entry.is_dir()}

    def __enter__(self) -> SafeZip:
        return self

    def __exit__(self, *_: object) -> None:
        self._archive.close()

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all files, in the order of the archive."""
        return tuple(self._entries)

    def size(self, name: str) -> int:
        """Unpacked size as the directory gives it; :meth:`chunks` holds the entry to it."""
        return self._entries[name].file_size

    def chunks(self, name: str) -> Iterator[bytes]:
        """Yield the content piece by piece, checking length and checksum."""
        entry = self._entries.get(name)
        if entry is None:
            raise refuse("zip.missing", f"Im Archiv fehlt die Datei „{name}“.", path=name)
        try:
            with self._archive.open(entry) as stream:
                while piece := stream.read(_CHUNK):
                    yield piece
        except _BROKEN:
            raise refuse(
                "zip.content",
                f"Die Datei „{name}“ im Archiv ist beschädigt (Länge oder Prüfsumme stimmen nicht).",
                path=name,
            ) from None

    def read(self, name: str, *, max_bytes: int | None = None) -> bytes:
        """Return one whole file; raise ``zip.entry-size`` over ``max_bytes`` (default: the document limit)."""
        allowed = self._limits.max_bytes if max_bytes is None else max_bytes
        if name in self._entries and self.size(name) > allowed:
            raise _entry_too_large(name, allowed)
        return b"".join(self.chunks(name))

    def check(self) -> None:
        """Read everything once in constant memory: lengths and checksums are true."""
        for name in self.names:
            for _ in self.chunks(name):
                pass

    def nested(self, name: str) -> SafeZip:
        """Open an archive inside this one; raise ``zip.nesting`` when it goes too deep."""
        if self._nesting >= self._limits.max_nesting:
            raise refuse(
                "zip.nesting", f"Archive stecken tiefer als {self._limits.max_nesting} Ebenen ineinander.", path=name
            )
        inner = open_zip(io.BytesIO(self.read(name)), limits=self._limits)
        inner._nesting = self._nesting + 1
        return inner


def open_zip(source: BinaryIO | IO[bytes], *, limits: Limits = _DEFAULT) -> SafeZip:
    """Check the archive's directory and return it opened, or raise :class:`UnsafeInput`.

    ``source`` must be seekable and stays the caller's to close.
    """
    _check_directory_size(source, limits)
    try:
        archive = zipfile.ZipFile(source)
    except _BROKEN:
        raise refuse("zip.broken", "Die Datei ist kein lesbares ZIP-Archiv.") from None
    try:
        _check_entries(archive, limits)
    except UnsafeInput:
        archive.close()
        raise
    return SafeZip(archive, limits)


def _check_directory_size(source: BinaryIO | IO[bytes], limits: Limits) -> None:
    """Bound the directory before ``zipfile`` reads it into memory as a whole."""
    size = source.seek(0, io.SEEK_END)
    if size == 0:
        raise refuse("input.empty", "Die Datei ist leer (0 Byte).")
    tail_from = max(0, size - 65_557 - 76)
    source.seek(tail_from)
    tail = source.read()
    source.seek(0)
    at = tail.rfind(_END)
    if at < 0 or len(tail) - at < 22:
        raise refuse("zip.broken", "Die Datei ist kein lesbares ZIP-Archiv.")
    entries, directory = struct.unpack_from("<10xHI", tail, at)
    at64 = tail.rfind(_END64, 0, at)
    if at64 >= 0 and len(tail) - at64 >= 48:
        entries, directory = struct.unpack_from("<32xQQ", tail, at64)
    if entries > limits.max_entries or directory > limits.max_entries * _DIRECTORY_PER_ENTRY:
        raise _too_many_entries(limits)


def _check_entries(archive: zipfile.ZipFile, limits: Limits) -> None:
    entries = archive.infolist()
    if len(entries) > limits.max_entries:
        raise _too_many_entries(limits)
    seen: set[str] = set()
    for entry in entries:
        _check_name(entry, limits)
        _check_kind(entry)
        _check_entry_size(entry, limits)
        key = unicodedata.normalize("NFC", entry.filename).casefold().rstrip("/")
        if key in seen:
            raise refuse("zip.duplicate", f"Die Datei „{entry.filename}“ steht doppelt im Archiv.", path=entry.filename)
        seen.add(key)
    _check_total(entries, limits)
    _check_overlap(entries)


def _check_name(entry: zipfile.ZipInfo, limits: Limits) -> None:
    name = entry.orig_filename
    shown = "".join(sign if sign.isprintable() else "?" for sign in name)[:120]
    parts = name.split("/")
    if name.startswith("/") or name[1:2] == ":" or "\\" in name or ".." in parts:
        raise refuse("zip.path", f"Der Dateiname „{shown}“ führt aus dem Archiv hinaus.", path=shown)
    if not name.strip("/ .") or "." in parts or "" in parts[:-1] or any(ord(sign) < 32 for sign in name):
        raise refuse("zip.name", f"Der Dateiname „{shown}“ ist ungültig.", path=shown)
    if any(len(part.encode("utf-8", "replace")) > limits.max_name for part in parts) or len(name) > 4 * limits.max_name:
        raise refuse("zip.name", f"Der Dateiname „{shown}…“ ist zu lang.", path=shown)


def _check_kind(entry: zipfile.ZipInfo) -> None:
    name = entry.filename
    if entry.flag_bits & 0x41:
        raise refuse(
            "zip.encrypted", f"Die Datei „{name}“ im Archiv ist verschlüsselt (mit Kennwort geschützt).", path=name
        )
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if entry.create_system == 3 and kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise refuse("zip.link", f"„{name}“ ist keine Datei, sondern eine Verknüpfung.", path=name)
    if entry.compress_type not in _METHODS:
        raise refuse(
            "zip.method", f"Die Datei „{name}“ ist mit einem Verfahren gepackt, das nicht angenommen wird.", path=name
        )


def _check_entry_size(entry: zipfile.ZipInfo, limits: Limits) -> None:
    if entry.file_size > limits.max_entry_bytes:
        raise _entry_too_large(entry.filename, limits.max_entry_bytes)
    # Small entries may compress extremely well (a page of blanks) without harm.
    if entry.file_size > 1024 * 1024 and entry.file_size > limits.max_ratio * max(entry.compress_size, 1):
        raise _bomb(entry.filename)
    if entry.compress_type == zipfile.ZIP_STORED and entry.file_size != entry.compress_size:
        raise refuse(
            "zip.content", f"Die Größenangaben der Datei „{entry.filename}“ widersprechen sich.", path=entry.filename
        )


def _check_total(entries: list[zipfile.ZipInfo], limits: Limits) -> None:
    unpacked, packed = sum(e.file_size for e in entries), sum(e.compress_size for e in entries)
    if unpacked > limits.max_total_bytes:
        raise refuse(
            "zip.size",
            f"Das Archiv wäre entpackt {readable_size(unpacked)} groß; "
            f"erlaubt sind {readable_size(limits.max_total_bytes)}.",
        )
    if unpacked > 10 * 1024 * 1024 and unpacked > limits.max_ratio * max(packed, 1):
        raise _bomb("")


def _check_overlap(entries: list[zipfile.ZipInfo]) -> None:
    """Two directory entries that point to the same bytes are how flat ZIP bombs work."""
    end = 0
    for entry in sorted(entries, key=lambda item: item.header_offset):
        if entry.header_offset < end:
            raise _bomb(entry.filename)
        end = entry.header_offset + 30 + entry.compress_size


def _bomb(name: str) -> UnsafeInput:
    what = f"Die Datei „{name}“" if name else "Das Archiv"
    return refuse("zip.bomb", f"{what} ist so stark gepackt, dass ein Angriff zu vermuten ist (ZIP-Bombe).", path=name)


def _entry_too_large(name: str, allowed: int) -> UnsafeInput:
    return refuse("zip.entry-size", f"Die Datei „{name}“ im Archiv ist größer als {readable_size(allowed)}.", path=name)


def _too_many_entries(limits: Limits) -> UnsafeInput:
    return refuse("zip.entries", f"Das Archiv enthält mehr als {limits.max_entries} Dateien.")
