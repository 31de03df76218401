"""Keys and blobs of this process: the one place where sealed content is opened."""

from __future__ import annotations

import hmac
from functools import lru_cache
from typing import BinaryIO
from uuid import UUID

from sqlalchemy.orm import Session

from hub.cases import documents
from hub.kit import keys
from hub.kit.blobs import BlobStore, FolderBlobs
from hub.kit.keys import DataKey, KeyRing
from hub.kit.settings import settings


@lru_cache(maxsize=1)
def ring() -> KeyRing:
    """The master keys. Raises KeyFileError in production when the key file is missing."""
    return KeyRing(settings())


@lru_cache(maxsize=1)
def blobs() -> BlobStore:
    """The blob store of this installation."""
    return FolderBlobs(settings().data / "blobs")


def key(session: Session, key_id: UUID) -> DataKey:
    """The data key with this id; remembered for a minute. Raises KeyDestroyedError when its case was deleted."""
    return keys.load(session, ring(), key_id)


def open_document(session: Session, document: documents.Stored) -> BinaryIO:
    """The plain content of a document as a stream that outlives the session."""
    return documents.open_content(session, document.id, key(session, document.data_key_id), blobs(), blob=document.blob)


def keyed_hash(purpose: str, value: str) -> str:
    """A stable hash that only this installation can compute, for finding without storing (hex)."""
    return hmac.new(_derived(purpose), value.casefold().strip().encode(), "sha256").hexdigest()


@lru_cache(maxsize=16)
def _derived(purpose: str) -> bytes:
    return ring().derived(purpose)
