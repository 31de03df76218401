"""Authenticated encryption with one data key: small values, and streams of any length in flat memory.

Value:  ``0x01 | nonce (12) | ciphertext + tag``, AES-256-GCM with a random nonce (NIST SP 800-38D §8.2.2).
Stream: ``"OZS1" | salt (16) | chunk…``; each chunk is 1 MiB of plain text with its tag, sealed under a key derived from
data key and salt (HKDF-SHA-256). The nonce is the chunk's number and a flag that marks the last chunk, so a cut,
reordered or repeated chunk fails to open (the STREAM construction of Hoang, Reyhanitabar, Rogaway, Vizár, 2015).
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from typing import BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

CHUNK = 1 << 20
_TAG = 16
_NONCE = 12
_VALUE = b"\x01"
_MAGIC = b"OZS1"
_HEADER = len(_MAGIC) + 16


class SealBrokenError(Exception):
    """Sealed data was altered, cut, exchanged, or belongs to another key or context."""


class DataKey:
    """A key for the content of one submission or case. Holds the plain key only in memory; ``repr`` shows nothing."""

    __slots__ = ("_cipher", "_raw")

    def __init__(self, raw: bytes) -> None:
        if len(raw) != 32:
            raise ValueError("a data key has 32 bytes")
        self._raw = raw
        self._cipher = AESGCM(raw)

    def seal(self, plain: bytes, aad: bytes = b"") -> bytes:
        """Encrypt a small value. ``aad`` names its place (table, row); ``open`` must be given the same."""
        nonce = os.urandom(_NONCE)
        return _VALUE + nonce + self._cipher.encrypt(nonce, plain, aad)

    def open(self, sealed: bytes, aad: bytes = b"") -> bytes:
        """Decrypt what ``seal`` made. Raises ``SealBrokenError``."""
        if sealed[:1] != _VALUE or len(sealed) < 1 + _NONCE + _TAG:
            raise SealBrokenError("not a sealed value of a known format")
        try:
            return self._cipher.decrypt(sealed[1 : 1 + _NONCE], sealed[1 + _NONCE :], aad)
        except InvalidTag:
            raise SealBrokenError("the value was altered or belongs to another key or place") from None

    def stream_cipher(self, salt: bytes) -> AESGCM:
        """The cipher of one stream; every stream has its own key, so chunk numbers may serve as nonces."""
        return AESGCM(HKDF(hashes.SHA256(), 32, salt, b"ozg-hub stream 1").derive(self._raw))

    def __repr__(self) -> str:
        return "DataKey(…)"


class StreamSealer:
    """Encrypts a stream piecewise into ``write``. Call ``finish`` exactly once; without it nothing can be opened."""

    def __init__(self, key: DataKey, write: Callable[[bytes], object], aad: bytes = b"") -> None:
        salt = os.urandom(16)
        self._cipher = key.stream_cipher(salt)
        self._write = write
        self._aad = aad
        self._pending = bytearray()
        self._number = 0
        write(_MAGIC + salt)

    def update(self, piece: bytes | bytearray | memoryview) -> None:
        """Take the next piece, of any size."""
        self._pending += piece
        # A full chunk stays pending until more arrives: only then it is known not to be the last.
        while len(self._pending) > CHUNK:
            self._emit(bytes(memoryview(self._pending)[:CHUNK]), last=False)
            del self._pending[:CHUNK]

    def finish(self) -> None:
        """Write the last chunk, which may be empty."""
        self._emit(bytes(self._pending), last=True)
        self._pending.clear()

    def _emit(self, plain: bytes, *, last: bool) -> None:
        self._write(self._cipher.encrypt(_nonce(self._number, last), plain, self._aad))
        self._number += 1


class _OpenedStream(io.RawIOBase):
    """Random access to a sealed stream; each chunk is checked before a byte of it is handed out."""

    def __init__(self, sealed: BinaryIO, key: DataKey, aad: bytes) -> None:
        self._sealed = sealed
        self._aad = aad
        length = sealed.seek(0, io.SEEK_END)
        sealed.seek(0)
        header = sealed.read(_HEADER)
        if header[:4] != _MAGIC or length < _HEADER + _TAG:
            raise SealBrokenError("not a sealed stream of a known format")
        body = length - _HEADER
        self._chunks = -(-body // (CHUNK + _TAG))
        self.size = body - self._chunks * _TAG
        self._cipher = key.stream_cipher(header[4:])
        self._at = 0
        self._held: tuple[int, bytes] = (-1, b"")
        self._chunk(self._chunks - 1)  # a cut stream is found before the first byte is handed out

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self.size}[whence]
        if base + offset < 0:
            raise ValueError("negative position")
        self._at = base + offset
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        if self._at >= self.size:
            return 0
        number, start = divmod(self._at, CHUNK)
        piece = self._chunk(number)[start : start + len(buffer)]
        buffer[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)

    def close(self) -> None:
        if not self.closed:
            self._sealed.close()
        super().close()

    def _chunk(self, number: int) -> bytes:
        if self._held[0] != number:
            self._sealed.seek(_HEADER + number * (CHUNK + _TAG))
            sealed = self._sealed.read(CHUNK + _TAG)
            try:
                plain = self._cipher.decrypt(_nonce(number, number == self._chunks - 1), sealed, self._aad)
            except (InvalidTag, ValueError):
                raise SealBrokenError(f"chunk {number} was altered, moved or cut") from None
            self._held = (number, plain)
        return self._held[1]


def open_stream(sealed: BinaryIO, key: DataKey, aad: bytes = b"") -> BinaryIO:
    """The plain content of a sealed stream, readable and seekable. Raises ``SealBrokenError``, also while reading."""
    try:
        return io.BufferedReader(_OpenedStream(sealed, key, aad), 1 << 16)
    except BaseException:
        sealed.close()
        raise


def _nonce(number: int, last: bool) -> bytes:
    return number.to_bytes(11, "big") + (b"\x01" if last else b"\x00")
