"""Large content: encrypted chunk by chunk before it touches a disk, written durably, read back checked."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from hub.kit.sealing import CHUNK, DataKey, SealBrokenError, StreamSealer, open_stream

__all__ = ["BlobMissingError", "BlobStore", "BlobWriter", "FolderBlobs", "SealBrokenError", "StoredBlob"]


_REF = re.compile("[0-9a-f]{48}")


class BlobMissingError(Exception):
    """There is no blob with this reference (any more)."""


@dataclass(frozen=True, slots=True)
class StoredBlob:
    """A blob that is safely on disk. ``size`` and ``sha256`` (hex) are those of the plain content."""

    ref: str
    size: int
    sha256: str


class BlobWriter(Protocol):
    """Takes a blob piece by piece; nothing is kept until ``finish``. As a context manager it aborts unless finished."""

    def write(self, piece: bytes) -> None: ...
    def finish(self) -> StoredBlob: ...
    def abort(self) -> None: ...
    def __enter__(self) -> BlobWriter: ...
    def __exit__(self, *error: object) -> None: ...


class BlobStore(Protocol):
    """Where encrypted content lives. References are unguessable and say nothing about the content."""

    def begin(self, key: DataKey) -> BlobWriter: ...
    def write(self, stream: Iterable[bytes] | BinaryIO, key: DataKey) -> StoredBlob: ...
    def open(self, ref: str, key: DataKey) -> BinaryIO: ...
    def delete(self, ref: str) -> None: ...
    def refs(self, older_than_s: float = 0) -> Iterator[str]: ...
    def sweep_drafts(self, older_than_s: float = 86_400) -> int: ...


class FolderBlobs:
    """Blobs as files ``ab/cd/<ref>`` below a folder, local or shared by all hosts."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._drafts = root / "draft"
        self._drafts.mkdir(parents=True, exist_ok=True, mode=0o700)

    def begin(self, key: DataKey) -> BlobWriter:
        """Start a blob whose pieces arrive one after another (an upload)."""
        return _FolderWriter(self, key)

    def write(self, stream: Iterable[bytes] | BinaryIO, key: DataKey) -> StoredBlob:
        """Store a whole stream in flat memory. When this returns, file and folder entry are on the disk."""
        with self.begin(key) as writer:
            for piece in _pieces(stream):
                writer.write(piece)
            return writer.finish()

    def open(self, ref: str, key: DataKey) -> BinaryIO:
        """The plain content, seekable. Raises ``BlobMissingError``, ``SealBrokenError`` (also later, while reading)."""
        try:
            file = self.path(ref).open("rb")
        except FileNotFoundError:
            raise BlobMissingError(ref) from None
        return open_stream(file, key, ref.encode())

    def delete(self, ref: str) -> None:
        """Remove a blob; removing one that is gone is no error."""
        with suppress(FileNotFoundError):
            self.path(ref).unlink()

    def refs(self, older_than_s: float = 0) -> Iterator[str]:
        """References of blobs that were stored at least so long ago, for finding those no row points to."""
        limit = time.time() - older_than_s
        for path in self.root.glob("??/??/*"):
            with suppress(FileNotFoundError):
                if _REF.fullmatch(path.name) and path.stat().st_mtime <= limit:
                    yield path.name

    def sweep_drafts(self, older_than_s: float = 86_400) -> int:
        """Remove what interrupted uploads left behind; gives their number."""
        removed, limit = 0, time.time() - older_than_s
        for draft in self._drafts.iterdir():
            with suppress(FileNotFoundError):
                if draft.stat().st_mtime < limit:
                    draft.unlink()
                    removed += 1
        return removed

    def path(self, ref: str) -> Path:
        """Where ``ref`` lies. Refuses anything that is not a reference of ours, so no path can be smuggled in."""
        if not _REF.fullmatch(ref):
            raise BlobMissingError("not a blob reference")
        return self.root / ref[:2] / ref[2:4] / ref


class _FolderWriter:
    def __init__(self, store: FolderBlobs, key: DataKey) -> None:
        self._ref = secrets.token_hex(24)
        self._target = store.path(self._ref)
        self._draft = store._drafts / self._ref
        self._file = os.fdopen(os.open(self._draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb", buffering=0)
        self._sealer = StreamSealer(key, self._file.write, self._ref.encode())
        self._digest = hashlib.sha256()
        self._size = 0
        self._open = True

    def write(self, piece: bytes) -> None:
        self._digest.update(piece)
        self._size += len(piece)
        self._sealer.update(piece)

    def finish(self) -> StoredBlob:
        self._sealer.finish()
        os.fsync(self._file.fileno())
        self._file.close()
        folder = self._target.parent
        if not folder.exists():
            _make_folders(folder)
        self._draft.rename(self._target)
        _sync_folder(folder)
        self._open = False
        return StoredBlob(self._ref, self._size, self._digest.hexdigest())

    def abort(self) -> None:
        if self._open:
            self._open = False
            self._file.close()
            with suppress(FileNotFoundError):
                self._draft.unlink()

    def __enter__(self) -> BlobWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.abort()


def _pieces(stream: Iterable[bytes] | BinaryIO) -> Iterator[bytes]:
    read = getattr(stream, "read", None)
    if read is None:
        yield from stream
    else:
        while piece := read(CHUNK):
            yield piece


def _make_folders(folder: Path) -> None:
    """Create both levels and sync their parents, or a crash could lose the entry of a blob already confirmed."""
    for level in (folder.parent, folder):
        with suppress(FileExistsError):
            level.mkdir(mode=0o700)
        _sync_folder(level.parent)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
