"""Reading one dropped submission: a folder or a ZIP archive with `metadata.json`, one data file and attachments.

metadata.json     the API's metadata, and optionally `data`: the name of the data file
data.json / .xml  the application (any name when the metadata gives it)
everything else   an attachment
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from hub.cases import vault
from hub.intake import metadata
from hub.intake.incoming import MAX_ORIGINAL, Incoming, Upload
from hub.intake.metadata import Metadata
from hub.intake.upload import MAX_PARTS, SealingUpload
from hub.kit.clock import now
from hub.kit.problems import Problem
from xoev import safe
from xoev.safe import SafeZip, UnsafeInput

_METADATA = "metadata.json"
_CHUNK = 256 * 1024
_MEDIA_TYPES = {".json": "application/json", ".xml": "application/xml"}


class Source(Protocol):
    """Files by name, read piece by piece."""

    @property
    def names(self) -> tuple[str, ...]: ...
    def size(self, name: str) -> int: ...
    def chunks(self, name: str) -> Iterator[bytes]: ...


@dataclass(frozen=True)
class Folder:
    """The plain files of a folder. Links and subfolders are refused: they could lead anywhere."""

    path: Path
    names: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        found = sorted(entry.name for entry in os.scandir(self.path) if not entry.name.startswith("."))
        for name in found:
            if not stat.S_ISREG((self.path / name).lstat().st_mode):
                raise _refused(
                    "drop.not-a-file",
                    f"„{name[:80]}“ ist keine Datei. Ordner und Verknüpfungen in einer "
                    "Einreichung werden nicht angenommen.",
                    name,
                )
        object.__setattr__(self, "names", tuple(found))

    def size(self, name: str) -> int:
        return (self.path / name).lstat().st_size

    def chunks(self, name: str) -> Iterator[bytes]:
        handle = os.open(self.path / name, os.O_RDONLY | os.O_NOFOLLOW)
        with os.fdopen(handle, "rb", buffering=0) as file:
            while piece := file.read(_CHUNK):
                yield piece


def received_at(path: Path) -> datetime:
    """When the last byte of a drop was written: the legal receipt. Never later than now."""
    written = [item.lstat().st_mtime for item in (path.iterdir() if path.is_dir() else (path,))]
    return min(datetime.fromtimestamp(max(written, default=path.lstat().st_mtime), UTC), now())


def opened(path: Path) -> AbstractContextManager[Source]:
    """The files of a drop. Raises Problem for an archive that is broken or dangerous."""
    if path.is_symlink():
        raise _refused("drop.not-a-file", "Verknüpfungen werden nicht angenommen.", "")
    if path.is_dir():
        return nullcontext(Folder(path))
    try:
        return _Archive(path)
    except UnsafeInput as error:
        raise _unsafe(error) from None


class _Archive:
    """A checked ZIP archive together with its file."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        try:
            self._zip = safe.open_zip(self._file)
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> SafeZip:
        return self._zip.__enter__()

    def __exit__(self, *error: object) -> None:
        self._zip.__exit__(*error)
        self._file.close()


def fill(incoming: Incoming, source: Source) -> None:
    """Read a drop into `incoming`: uploads sealed, original in memory, the digest of all as idempotency key.

    Raises Problem; what was sealed by then is in `incoming.uploads`, for the caller to discard.
    """
    digest = hashlib.sha256()
    uploads: list[Upload] = []
    try:
        if len(source.names) > MAX_PARTS:
            raise _refused("attachment.too-many", f"Höchstens {MAX_PARTS} Dateien sind möglich.", "", 413)
        told, data_name = _metadata(source, digest)
        incoming.original = _read(source, data_name, MAX_ORIGINAL, digest) if data_name else b""
        incoming.media_type = _media_type(data_name, incoming.original)
        for name in source.names:
            if name not in {_METADATA, data_name}:
                uploads.append(_seal(incoming, source, name, digest))
        incoming.describe(told)
        incoming.idempotency_key = f"drop:{digest.hexdigest()}"
    except UnsafeInput as error:
        raise _unsafe(error) from None
    finally:
        incoming.uploads = tuple(uploads)


def _metadata(source: Source, digest: hashlib._Hash) -> tuple[Metadata, str | None]:
    if _METADATA not in source.names:
        raise _refused(
            "metadata.missing",
            "Die Datei „metadata.json“ fehlt; sie nennt mindestens die Leistung (service).",
            _METADATA,
        )
    told, extra = metadata.parse_with(_read(source, _METADATA, metadata.MAX_BYTES, digest), {"data"})
    if (name := extra.get("data")) is not None:
        if name not in source.names:
            raise _refused("data.missing", f"Die in metadata.json genannte Datei „{str(name)[:80]}“ fehlt.", "/data")
        return told, str(name)
    usual = [name for name in ("data.json", "data.xml") if name in source.names]
    if len(usual) > 1:
        raise _refused(
            "data.ambiguous",
            "Es gibt data.json und data.xml; metadata.json muss unter „data“ sagen, welche gilt.",
            "/data",
        )
    return told, usual[0] if usual else None


def _read(source: Source, name: str, limit: int, digest: hashlib._Hash) -> bytes:
    if source.size(name) > limit:
        raise _refused("body.too-large", f"„{name}“ darf höchstens {limit // 1024} KB groß sein.", name, 413)
    content = bytearray()
    for piece in source.chunks(name):
        content += piece
        if len(content) > limit:
            raise _refused("body.too-large", f"„{name}“ darf höchstens {limit // 1024} KB groß sein.", name, 413)
    _note(digest, name, hashlib.sha256(content).digest())
    return bytes(content)


def _seal(incoming: Incoming, source: Source, name: str, digest: hashlib._Hash) -> Upload:
    upload = SealingUpload(name, "", incoming.key, vault.blobs())
    try:
        for piece in source.chunks(name):
            upload.write(piece)
        sealed = upload.finish()
    except BaseException:
        upload.abort()
        raise
    _note(digest, name, bytes.fromhex(sealed.blob.sha256))
    return sealed


def _note(digest: hashlib._Hash, name: str, content: bytes) -> None:
    digest.update(name.encode("utf-8", "surrogateescape") + b"\0" + content)


def _media_type(name: str | None, content: bytes) -> str:
    if name is None:
        return ""
    return _MEDIA_TYPES.get(Path(name).suffix.lower()) or safe.sniff(content[:4096], name)


def _refused(code: str, message: str, path: str, status: int = 400) -> Problem:
    return Problem(
        status,
        code,
        "Einreichung nicht lesbar",
        message,
        faults=[{"line": None, "path": path, "code": code, "message": message}],
    )


def _unsafe(error: UnsafeInput) -> Problem:
    return Problem(
        400, error.fault.code, "Einreichung nicht lesbar", error.fault.message, faults=[error.fault.as_dict()]
    )
