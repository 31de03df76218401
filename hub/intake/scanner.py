"""ClamAV over TCP: the INSTREAM command of clamd (clamd(8), section COMMANDS), nothing else.

`zINSTREAM\\0`, then chunks of `<length: 4 bytes big-endian><data>`, ended by a zero length; the answer is one line
ending in NUL: `stream: OK`, `stream: <signature> FOUND`, or an ERROR.
"""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass
from functools import lru_cache
from typing import IO, BinaryIO

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from hub.cases.withheld import MALWARE, UNSCANNED

_CHUNK = 256 * 1024
_TIMEOUT_S = 60.0
_MAX_ANSWER = 4096


class ScannerUnavailableError(Exception):
    """The scanner cannot be reached or did not answer as it should; try again later."""


class ScannerSettings(BaseSettings):
    """`HUB_CLAMAV` = `host:port` of clamd; unset: no virus scan."""

    model_config = SettingsConfigDict(extra="ignore", frozen=True, populate_by_name=True)
    clamav: str | None = Field(default=None, validation_alias="HUB_CLAMAV", pattern=r"^.+:\d+$")


@dataclass(frozen=True, slots=True)
class Address:
    """Where clamd listens."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Finding:
    """Why content is withheld: the flag of the document, and clamd's own word for the log."""

    flag: str
    detail: str


@lru_cache(maxsize=1)
def configured() -> Address | None:
    """The scanner of this installation, read once; None when there is none."""
    given = ScannerSettings().clamav
    if not given:
        return None
    host, _, port = given.rpartition(":")
    return Address(host.strip("[]"), int(port))


def scan(address: Address, stream: BinaryIO | IO[bytes]) -> Finding | None:
    """What clamd says against the content, or None. Raises ScannerUnavailableError.

    Content over clamd's StreamMaxLength is a finding too: nobody may take it for examined.
    """
    try:
        with socket.create_connection((address.host, address.port), timeout=_TIMEOUT_S) as connection:
            _send(connection, stream)
            answer = _answer(connection)
    except OSError as error:
        raise ScannerUnavailableError(f"{type(error).__name__}: {error}") from error
    return _verdict(answer)


def _send(connection: socket.socket, stream: BinaryIO | IO[bytes]) -> None:
    """Everything in chunks. clamd closes early when its own limit is exceeded; its answer then says so."""
    try:
        connection.sendall(b"zINSTREAM\0")
        while piece := stream.read(_CHUNK):
            connection.sendall(struct.pack(">I", len(piece)) + piece)
        connection.sendall(struct.pack(">I", 0))
    except (BrokenPipeError, ConnectionResetError):
        return


def _answer(connection: socket.socket) -> str:
    received = b""
    while not received.endswith(b"\0") and len(received) < _MAX_ANSWER:
        piece = connection.recv(1024)
        if not piece:
            break
        received += piece
    return received.rstrip(b"\0\n").decode("utf-8", "replace")


def _verdict(answer: str) -> Finding | None:
    if answer.endswith("FOUND"):
        return Finding(MALWARE, answer.removeprefix("stream:").removesuffix("FOUND").strip())
    if "size limit exceeded" in answer:
        return Finding(UNSCANNED, "StreamMaxLength")
    if answer.endswith("OK"):
        return None
    raise ScannerUnavailableError(answer[:200] or "leere Antwort")
