"""Reading a submission from the wire: metadata and data in memory, attachments sealed chunk by chunk as they stream.

Nothing readable touches the disk; memory stays flat whatever the size of an attachment. The event loop only gathers
pieces of a megabyte; parsing, sealing and the disk's fsync happen in a thread.
"""

from __future__ import annotations

import io
import re
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field

from fastapi.concurrency import run_in_threadpool
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from hub.intake import attachments, metadata
from hub.intake.incoming import MAX_ORIGINAL, Upload
from hub.kit.blobs import BlobStore, BlobWriter
from hub.kit.keys import DataKey
from hub.kit.problems import Problem
from xoev import safe
from xoev.report import Fault
from xoev.safe import UnsafeInput

MAX_PARTS = 60
MAX_TOTAL = 2 * 2**30
_HEAD = 4096
_MAX_HEADERS = 16 * 1024
_BATCH = 1 << 20
_DRAIN = 64 * 2**20
_PARTS = frozenset({"metadata", "data", "attachment"})


@dataclass(slots=True)
class Parts:
    """What a request held: metadata bytes, the data with its media type, sealed uploads."""

    metadata: bytes = b""
    data: bytes = b""
    data_media_type: str = ""
    uploads: list[Upload] = field(default_factory=list)


def safe_name(name: str) -> str:
    """A file name that is nothing but a name: no path, no control characters, at most 120 characters."""
    name = re.sub(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", "", name.replace("\\", "/").rsplit("/", 1)[-1])
    name = name.encode("utf-8", "replace").decode().strip(". ")
    stem, dot, extension = name.rpartition(".")
    return (f"{stem[:100]}{dot}{extension[:19]}" if dot else name[:120]) or "anlage"


class SealingUpload:
    """One attachment while it arrives: sealed piece by piece, its first bytes kept for looking at."""

    def __init__(self, name: str, media_type: str, key: DataKey, blobs: BlobStore) -> None:
        self.name = safe_name(name)
        self._media_type = media_type.split(";")[0].strip().lower()
        self._seen = bytearray()
        self._size = 0
        self._writer: BlobWriter = blobs.begin(key)

    def write(self, piece: bytes) -> None:
        """The next piece."""
        self._size += len(piece)
        if self._size <= attachments.IN_MEMORY:
            self._seen += piece
        else:
            del self._seen[_HEAD:]
            self._seen += piece[: _HEAD - len(self._seen)]
        self._writer.write(piece)

    def finish(self) -> Upload:
        """Sealed and on disk. What is wrong with the bytes stands in `faults`, what is suspicious in `flag`."""
        media_type = self._media_type
        faults: tuple[Fault, ...] = ()
        try:
            media_type = self._checked()
        except UnsafeInput as error:
            faults = (error.fault,)
        flag = None
        if not faults and self._size <= attachments.IN_MEMORY:
            flag = attachments.examine(io.BytesIO(self._seen), media_type)
        return Upload(self._writer.finish(), self.name, self.name, media_type, faults, flag)

    def abort(self) -> None:
        """Throw away what was written."""
        self._writer.abort()

    def _checked(self) -> str:
        if self._size == 0:
            message = f"Die Anlage „{self.name}“ ist leer (0 Byte)."
            raise UnsafeInput(Fault(None, self.name, "attachment.empty", message))
        head = bytes(self._seen[:_HEAD])
        return safe.check_media_type(head, self._media_type or safe.sniff(head, self.name), self.name)


class _Part:
    """One part of the form while it streams in."""

    def __init__(self) -> None:
        self.header_name = b""
        self.header_value = b""
        self.headers: dict[bytes, bytes] = {}
        self.header_size = 0
        self.name = ""
        self.media_type = ""
        self.buffer = bytearray()
        self.upload: SealingUpload | None = None


class FormReader:
    """Takes the request body in pieces and sorts it into `parts`. Raises Problem for a broken form."""

    def __init__(self, content_type: str, key: DataKey, blobs: BlobStore) -> None:
        _, options = parse_options_header(content_type)
        boundary = options.get(b"boundary", b"")
        if not 0 < len(boundary) <= 200:
            raise _broken()
        self.parts = Parts()
        self._key, self._blobs = key, blobs
        self._part = _Part()
        self._seen: set[str] = set()
        self._count = 0
        self._total = 0
        self._ended = False
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._on_begin,
                "on_header_field": self._on_header_field,
                "on_header_value": self._on_header_value,
                "on_header_end": self._on_header_end,
                "on_headers_finished": self._on_headers,
                "on_part_data": self._on_data,
                "on_part_end": self._on_end,
                "on_end": self._on_last,
            },
        )

    def feed(self, piece: bytes) -> None:
        """The next piece of the body."""
        self._total += len(piece)
        if self._total > MAX_TOTAL:
            raise Problem(413, "body.too-large", "Zu groß", "Die Einreichung überschreitet 2 GB.")
        try:
            self._parser.write(piece)
        except FormParserError:
            raise _broken() from None

    def finish(self) -> Parts:
        """All parts, once the body has ended."""
        try:
            self._parser.finalize()
        except FormParserError:
            raise _broken() from None
        if not self._ended:
            raise _broken()
        return self.parts

    def abort(self) -> None:
        """Throw away what was written, after an error; data that had begun stays in `parts`, to be looked at."""
        if self._part.name == "data" and self._part.buffer:
            self.parts.data = bytes(self._part.buffer)
        if self._part.upload is not None:
            self._part.upload.abort()
            self._part.upload = None
        for upload in self.parts.uploads:
            self._blobs.delete(upload.blob.ref)
        self.parts.uploads.clear()

    def _on_begin(self) -> None:
        self._count += 1
        if self._count > MAX_PARTS:
            raise Problem(
                413, "attachment.too-many", "Zu viele Teile", f"Höchstens {MAX_PARTS - 2} Anlagen sind möglich."
            )
        self._part = _Part()

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._part.header_name += self._header_bytes(data, start, end)

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._part.header_value += self._header_bytes(data, start, end)

    def _header_bytes(self, data: bytes, start: int, end: int) -> bytes:
        self._part.header_size += end - start
        if self._part.header_size > _MAX_HEADERS:
            raise _broken()
        return data[start:end]

    def _on_header_end(self) -> None:
        part = self._part
        part.headers[part.header_name.lower()] = part.header_value
        part.header_name = part.header_value = b""

    def _on_headers(self) -> None:
        part = self._part
        _, options = parse_options_header(part.headers.get(b"content-disposition"))
        part.name = options.get(b"name", b"").decode("utf-8", "replace")
        part.media_type = part.headers.get(b"content-type", b"").decode("latin-1").strip().lower()
        if part.name not in _PARTS:
            raise Problem(
                400,
                "form.unknown-part",
                "Unbekannter Formularteil",
                f"„{part.name[:40]}“ ist nicht vorgesehen; erlaubt sind metadata, data und attachment.",
            )
        if part.name == "attachment":
            name = options.get(b"filename", b"").decode("utf-8", "replace")
            part.upload = SealingUpload(name, part.media_type, self._key, self._blobs)
        elif part.name in self._seen:
            raise Problem(
                400,
                "form.duplicate-part",
                "Formularteil doppelt",
                f"Der Teil „{part.name}“ steht zweimal im Formular; welcher gilt, ist unklar.",
            )
        self._seen.add(part.name)

    def _on_data(self, data: bytes, start: int, end: int) -> None:
        part, piece = self._part, data[start:end]
        if part.upload is not None:
            part.upload.write(piece)
            return
        part.buffer += piece
        limit = metadata.MAX_BYTES if part.name == "metadata" else MAX_ORIGINAL
        if len(part.buffer) > limit:
            raise Problem(
                413, "body.too-large", "Zu groß", f"Der Teil „{part.name}“ darf höchstens {limit // 1024} KB groß sein."
            )

    def _on_end(self) -> None:
        part = self._part
        if part.upload is not None:
            self.parts.uploads.append(part.upload.finish())
            part.upload = None
        elif part.name == "metadata":
            self.parts.metadata = bytes(part.buffer)
        else:
            self.parts.data = bytes(part.buffer)
            self.parts.data_media_type = part.media_type
        part.buffer = bytearray()

    def _on_last(self) -> None:
        self._ended = True


def _broken() -> Problem:
    return Problem(
        400,
        "form.broken",
        "Formular nicht lesbar",
        "Der multipart/form-data-Körper ist unvollständig oder fehlerhaft aufgebaut.",
    )


async def read_body(stream: AsyncIterator[bytes], limit: int = MAX_ORIGINAL) -> bytes:
    """A whole body that must fit into memory. Raises Problem 413."""
    body = bytearray()
    async for chunk in stream:
        body += chunk
        if len(body) > limit:
            await _drain(stream)
            raise Problem(413, "body.too-large", "Zu groß", f"Der Antrag darf höchstens {limit // 2**20} MB groß sein.")
    return bytes(body)


async def read_form(stream: AsyncIterator[bytes], reader: FormReader) -> bytes:
    """Feed the body to the reader, a megabyte at a time in a thread; the rest is returned for the caller's thread.

    The caller ends with `reader.feed(rest)` and `reader.finish()`; whatever fails here has been aborted.
    """
    gathered = bytearray()
    try:
        async for chunk in stream:
            gathered += chunk
            if len(gathered) >= _BATCH:
                piece, gathered = bytes(gathered), bytearray()
                await run_in_threadpool(reader.feed, piece)
    except Problem:
        await run_in_threadpool(reader.abort)
        await _drain(stream)
        raise
    except BaseException:
        reader.abort()
        raise
    return bytes(gathered)


async def _drain(stream: AsyncIterator[bytes]) -> None:
    """Read on for a while without keeping anything: a sender in the middle of its body would not hear the answer."""
    left = _DRAIN
    with suppress(Exception):
        async for chunk in stream:
            left -= len(chunk)
            if left < 0:
                return
