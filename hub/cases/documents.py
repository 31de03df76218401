"""Documents of submissions and cases: stored sealed, small ones in the row, large ones in the blob store."""

from __future__ import annotations

import io
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any, BinaryIO
from uuid import UUID

from sqlalchemy import bindparam, select, update
from sqlalchemy.orm import Session

from hub.cases import rows
from hub.cases.content import open_json, seal_json
from hub.cases.model import Document
from hub.kit.blobs import BlobStore, StoredBlob
from hub.kit.clock import now
from hub.kit.database import new_id
from hub.kit.keys import DataKey
from hub.kit.once import forget, know, known, once
from hub.kit.pipeline import later

INLINE_LIMIT = 48 * 1024  # below this a row is cheaper than a file with its two fsyncs


@dataclass(frozen=True, slots=True)
class Stored:
    """A document as its row names it, readable with its data key."""

    id: UUID
    role: str
    name: str
    title: str
    media_type: str
    size: int
    sha256: str
    data_key_id: UUID
    flag: str | None
    public: bool
    created_at: datetime
    blob: str | None


def _insert(session: Session, tenant: str, key_id: UUID, key: DataKey, values: dict[str, Any]) -> UUID:
    document_id = values.pop("document_id", None) or new_id()
    meta = {"name": values.pop("name"), "title": values.pop("title")}
    rows.add(
        session,
        Document,
        values
        | {
            "id": document_id,
            "tenant_id": tenant,
            "data_key_id": key_id,
            "meta": seal_json(key, meta),
            "created_at": now(),
        },
    )
    for owner in (values["case_id"], values["submission_id"]):
        forget(session, "documents", owner)
    return document_id


def add(
    session: Session,
    *,
    tenant: str,
    key_id: UUID,
    key: DataKey,
    role: str,
    name: str,
    title: str,
    media_type: str,
    content: bytes,
    blobs: BlobStore,
    submission_id: UUID | None = None,
    case_id: UUID | None = None,
    public: bool = False,
    flag: str | None = None,
    document_id: UUID | None = None,
) -> UUID:
    """Store content that is in memory; its id."""
    inline, ref = None, None
    if len(content) <= INLINE_LIMIT:
        inline = key.seal(content)
    else:
        ref = blobs.write(io.BytesIO(content), key).ref
    return _insert(
        session,
        tenant,
        key_id,
        key,
        {
            "document_id": document_id,
            "role": role,
            "name": name,
            "title": title,
            "media_type": media_type,
            "size": len(content),
            "sha256": sha256(content).hexdigest(),
            "inline": inline,
            "blob": ref,
            "submission_id": submission_id,
            "case_id": case_id,
            "public": public,
            "flag": flag,
        },
    )


def add_stored(
    session: Session,
    *,
    tenant: str,
    key_id: UUID,
    key: DataKey,
    role: str,
    name: str,
    title: str,
    media_type: str,
    blob: StoredBlob,
    submission_id: UUID | None = None,
    case_id: UUID | None = None,
    flag: str | None = None,
) -> UUID:
    """Register a blob that was written while it streamed in; its id."""
    return _insert(
        session,
        tenant,
        key_id,
        key,
        {
            "role": role,
            "name": name,
            "title": title,
            "media_type": media_type,
            "size": blob.size,
            "sha256": blob.sha256,
            "inline": None,
            "blob": blob.ref,
            "submission_id": submission_id,
            "case_id": case_id,
            "public": False,
            "flag": flag,
        },
    )


_COLUMNS = (
    Document.id,
    Document.role,
    Document.meta,
    Document.media_type,
    Document.size,
    Document.sha256,
    Document.data_key_id,
    Document.flag,
    Document.public,
    Document.created_at,
    Document.blob,
)


_OF_CASE = select(*_COLUMNS).where(Document.case_id == bindparam("case")).order_by(Document.id)
_OF_SUBMISSION = select(*_COLUMNS).where(Document.submission_id == bindparam("submission")).order_by(Document.id)
_BELONGS = later(
    update(Document.__table__)  # type: ignore[arg-type]
    .where(Document.submission_id == bindparam("submission"))
    .values(case_id=bindparam("to"))
)
_CONTENT = select(Document.inline, Document.blob).where(Document.id == bindparam("document"))


def _stored(row: Any, key: DataKey) -> Stored:
    meta = open_json(key, row.meta)
    return Stored(
        id=row.id,
        role=row.role,
        name=meta["name"],
        title=meta["title"],
        media_type=row.media_type,
        size=row.size,
        sha256=row.sha256,
        data_key_id=row.data_key_id,
        flag=row.flag,
        public=row.public,
        created_at=row.created_at,
        blob=row.blob,
    )


def of_case(session: Session, case_id: UUID, keys: Any) -> list[Stored]:
    """The documents of a case in the order they came; `keys(session, key_id)` gives their data keys."""

    def read() -> list[Stored]:
        found = session.connection().execute(_OF_CASE, {"case": case_id}).all()
        return [_stored(row, keys(session, row.data_key_id)) for row in found]

    return list(once(session, "documents", case_id, read))


def of_submission(session: Session, submission_id: UUID, keys: Any) -> list[Stored]:
    """The documents that came with a submission."""

    def read() -> list[Stored]:
        found = session.connection().execute(_OF_SUBMISSION, {"submission": submission_id}).all()
        return [_stored(row, keys(session, row.data_key_id)) for row in found]

    return list(once(session, "documents", submission_id, read))


def move_to_case(session: Session, submission_id: UUID, case_id: UUID) -> None:
    """What came with a submission belongs to a case from now on."""
    session.connection().execute(_BELONGS, {"submission": submission_id, "to": case_id})
    present, came = known(session, "documents", case_id), known(session, "documents", submission_id)
    if present is None or came is None:
        forget(session, "documents", case_id)
    else:
        know(session, "documents", case_id, present + came)


def begin(session: Session, case_id: UUID) -> None:
    """The case is new: it has no documents yet."""
    know(session, "documents", case_id, [])


def open_content(
    session: Session, document_id: UUID, key: DataKey, blobs: BlobStore, *, blob: str | None = None
) -> BinaryIO:
    """A readable stream of a document's content; it stays valid after the session is closed.

    Who knows that the content is in a blob saves the look into the row.
    """
    if blob is not None:
        return blobs.open(blob, key)
    row = session.connection().execute(_CONTENT, {"document": document_id}).one()
    return io.BytesIO(key.open(row.inline)) if row.inline is not None else blobs.open(row.blob, key)
