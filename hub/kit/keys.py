"""Master keys and the data keys they wrap.

The key file holds one master key a line, ``<number> <base64 of 32 bytes>``; the last line wraps new data keys, earlier
ones still unwrap old ones. Rotation: add a line, restart, ``rewrap`` all rows, remove the old line.
"""

from __future__ import annotations

import base64
import binascii
import os
from pathlib import Path
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.orm import Session

from hub.kit.clock import now
from hub.kit.database import new_id
from hub.kit.memory import Memory
from hub.kit.model import DataKeyRow
from hub.kit.sealing import DataKey, SealBrokenError
from hub.kit.settings import Settings, Stage

__all__ = ["DataKey", "KeyDestroyedError", "KeyFileError", "KeyRing", "SealBrokenError", "create", "destroy", "load"]

_WRAPPED = b"\x01"
_CONTEXT = b"ozg-hub data key 1"
_REMEMBERED_S = 60.0


class KeyFileError(Exception):
    """The key file is missing, unreadable or open to others; the hub must not start."""


class KeyDestroyedError(Exception):
    """The key was destroyed or never existed: its content is gone for good."""


class KeyRing:
    """The master keys of this installation and a small memory of unwrapped data keys. Thread-safe."""

    def __init__(self, settings: Settings) -> None:
        """Read the key file; in the demo and test stages a missing one is created. Raises ``KeyFileError``."""
        if not settings.key_file.exists() and settings.stage is not Stage.PRODUCTION:
            _create_key_file(settings.key_file)
        self._raw = _read_key_file(settings.key_file, strict=settings.stage is Stage.PRODUCTION)
        self._ciphers = {number: AESGCM(raw) for number, raw in self._raw.items()}
        self._current = next(reversed(self._raw))
        self._memory: Memory[bytes | UUID, DataKey] = Memory(_REMEMBERED_S, most=1024)

    def new_data_key(self) -> tuple[DataKey, bytes]:
        """A fresh data key and its wrapped form for storing."""
        raw = os.urandom(32)
        return DataKey(raw), self._wrap(raw)

    def unwrap(self, wrapped: bytes) -> DataKey:
        """The data key in ``wrapped``. Raises ``SealBrokenError`` when its master key is unknown or it was altered."""
        if (known := self.recall(wrapped)) is not None:
            return known
        key = DataKey(self._unwrap(wrapped))
        self.remember(wrapped, key)
        return key

    def rewrap(self, wrapped: bytes) -> bytes:
        """The same data key under the current master key (for rotation)."""
        return self._wrap(self._unwrap(wrapped))

    def derived(self, purpose: str) -> bytes:
        """A stable 32-byte secret for ``purpose`` (cookie signature, search hashes), from the oldest master key."""
        oldest = next(iter(self._raw.values()))
        return HKDF(hashes.SHA256(), 32, b"ozg-hub derived", purpose.encode()).derive(oldest)

    def recall(self, name: bytes | UUID) -> DataKey | None:
        """A key remembered under ``name`` within the last minute."""
        return self._memory.recall(name)

    def remember(self, name: bytes | UUID, key: DataKey) -> None:
        """Keep ``key`` for a minute: long enough for one case's chain of jobs, short for a destroyed key."""
        self._memory.remember(name, key)

    def forget(self, name: bytes | UUID) -> None:
        """Drop a remembered key at once."""
        self._memory.forget(name)

    def _wrap(self, raw: bytes) -> bytes:
        nonce = os.urandom(12)
        head = _WRAPPED + self._current.to_bytes(2, "big")
        return head + nonce + self._ciphers[self._current].encrypt(nonce, raw, _CONTEXT + head)

    def _unwrap(self, wrapped: bytes) -> bytes:
        head, nonce, sealed = wrapped[:3], wrapped[3:15], wrapped[15:]
        if len(head) < 3 or head[:1] != _WRAPPED:
            raise SealBrokenError("not a wrapped key of a known format")
        number = int.from_bytes(head[1:3], "big")
        if number not in self._ciphers:
            raise SealBrokenError(f"wrapped by master key {number}, which the key file does not hold")
        try:
            return self._ciphers[number].decrypt(nonce, sealed, _CONTEXT + head)
        except InvalidTag:
            raise SealBrokenError("the wrapped key was altered or belongs to another installation") from None


_INSERT = insert(DataKeyRow).values({name: bindparam(name) for name in ("id", "tenant_id", "wrapped", "created_at")})
_SELECT = select(DataKeyRow.wrapped).where(DataKeyRow.id == bindparam("key_id"))


def create(session: Session, ring: KeyRing, tenant: str) -> tuple[UUID, DataKey]:
    """Make and store a data key in the caller's transaction; its id is what other tables refer to."""
    key, wrapped = ring.new_data_key()
    key_id = new_id()
    session.connection().execute(_INSERT, {"id": key_id, "tenant_id": tenant, "wrapped": wrapped, "created_at": now()})
    ring.remember(key_id, key)
    return key_id, key


def load(session: Session, ring: KeyRing, key_id: UUID) -> DataKey:
    """The data key with this id. Raises ``KeyDestroyedError``; other processes notice a destruction within a minute."""
    if (known := ring.recall(key_id)) is not None:
        return known
    wrapped = session.connection().execute(_SELECT, {"key_id": key_id}).scalar()
    if wrapped is None:
        raise KeyDestroyedError(str(key_id))
    key = ring.unwrap(wrapped)
    ring.remember(key_id, key)
    return key


def destroy(session: Session, key_id: UUID, ring: KeyRing | None = None) -> None:
    """Destroy a data key and with it all content sealed by it; the row stays as proof of when (Art. 17 DSGVO)."""
    session.execute(
        update(DataKeyRow)
        .where(DataKeyRow.id == key_id, DataKeyRow.destroyed_at.is_(None))
        .values(wrapped=None, destroyed_at=now())
    )
    if ring is not None:
        ring.forget(key_id)


def _create_key_file(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    line = f"1 {base64.b64encode(os.urandom(32)).decode()}\n"
    try:
        # Complete before it is visible: several processes of a demo may start at once.
        draft = path.with_name(f"{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    except OSError as error:
        raise KeyFileError(f"Schlüsseldatei {path} kann nicht angelegt werden: {error.strerror}") from error


def _read_key_file(path: Path, *, strict: bool) -> dict[int, bytes]:
    try:
        if strict and path.stat().st_mode & 0o077:
            raise KeyFileError(f"Schlüsseldatei {path} ist für andere lesbar: Rechte auf 0600 setzen.")
        lines = path.read_text("ascii").splitlines()
    except FileNotFoundError:
        raise KeyFileError(
            f"Schlüsseldatei {path} fehlt. HUB_KEY_FILE muss auf eine Datei mit Zeilen der Form "
            "'<Nummer> <Base64 von 32 Byte>' zeigen."
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise KeyFileError(f"Schlüsseldatei {path} ist nicht lesbar: {error}") from error
    keys: dict[int, bytes] = {}
    for line in lines:
        if not line.strip() or line.startswith("#"):
            continue
        try:
            number, encoded = line.split()
            raw = base64.b64decode(encoded, validate=True)
            if len(raw) != 32 or not 0 < int(number) < 65536 or int(number) in keys:
                raise ValueError
            keys[int(number)] = raw
        except (ValueError, binascii.Error):
            raise KeyFileError(
                f"Schlüsseldatei {path}: eine Zeile ist nicht '<Nummer> <Base64 von 32 Byte>'."
            ) from None
    if not keys:
        raise KeyFileError(f"Schlüsseldatei {path} enthält keinen Schlüssel.")
    return keys
