"""Once a day: what killed uploads left in the blob store, and refusals whose time is over.

A blob is written before the transaction that names it, so a process killed in between leaves a file that no row
refers to. Nobody can read it: its data key was never stored. Files younger than a day are never touched.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

import structlog
from sqlalchemy import select

from hub.cases import vault
from hub.cases.model import Document
from hub.intake import refusals
from hub.jobs import Recurring
from hub.kit.blobs import BlobStore
from hub.kit.database import Database

log = structlog.get_logger(__name__)

AGE_S = 86_400.0
_BATCH = 500


def sweep(db: Database) -> None:
    """Remove interrupted uploads, blobs that belong to nobody, and the originals of old refusals."""
    if drafts := vault.blobs().sweep_drafts(AGE_S):
        log.info("drafts_removed", count=drafts)
    remove_orphans(db, vault.blobs())
    refusals.forget(db)


def remove_orphans(db: Database, blobs: BlobStore, *, older_than_s: float = AGE_S) -> int:
    """Remove blobs of at least this age that no document refers to; gives their number. Memory stays flat.

    A database that knows not one of the blobs is more likely the wrong one, or an empty one that waits for its backup,
    than one whose every upload was killed: then nothing is removed.
    """
    if not any(_known(db, batch) for batch in _batches(blobs.refs(older_than_s))):
        if next(blobs.refs(older_than_s), None) is not None:
            log.warning("blobs_of_another_database", reason="it knows none of the blobs; nothing is removed")
        return 0
    removed = 0
    for batch in _batches(blobs.refs(older_than_s)):
        for ref in set(batch) - _known(db, batch):
            blobs.delete(ref)
            removed += 1
    if removed:
        log.info("orphans_removed", count=removed)
    return removed


def _known(db: Database, refs: Sequence[str]) -> set[str | None]:
    """Those of the references that a document has."""
    with db.read() as session:
        return set(session.scalars(select(Document.blob).where(Document.blob.in_(refs), Document.blob.is_not(None))))


def _batches(refs: Iterable[str]) -> Iterator[list[str]]:
    source = iter(refs)
    while batch := list(islice(source, _BATCH)):
        yield batch


SWEEP = Recurring("intake.sweep", sweep, every_s=86_400, lease_s=3600, lane="low")
