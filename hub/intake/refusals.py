"""Refused is not lost: every refusal is listed for the department, its original kept sealed under a quota.

A refusal holds no idempotency key, so a corrected submission may come under the same one.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import structlog
from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.orm import Session

from hub import audit
from hub.cases import documents, vault
from hub.cases.model import Document, Submission
from hub.intake.incoming import KINDS, Incoming
from hub.kit import keys
from hub.kit.clock import now
from hub.kit.database import Database, new_id
from hub.kit.model import DataKeyRow
from hub.kit.problems import Problem
from xoev.report import Fault

log = structlog.get_logger(__name__)

QUOTA = 1000  # kept originals per client and window; what comes beyond is listed without content
WINDOW = timedelta(days=30)
MAX_KEPT = 2 * 2**20
_BATCH = 500


def discard(incoming: Incoming) -> None:
    """Remove uploads of a submission that is not kept."""
    for upload in incoming.uploads:
        vault.blobs().delete(upload.blob.ref)


@contextmanager
def kept(db: Database, incoming: Incoming) -> Iterator[None]:
    """Whatever Problem is raised inside goes on to the sender, after the refusal was written down."""
    try:
        yield
    except Problem as problem:
        keep(db, incoming, problem)
        raise
    except BaseException:
        discard(incoming)
        raise


def keep(db: Database, incoming: Incoming, problem: Problem) -> None:
    """Write a refusal down with its sealed original; uploads are discarded. The problem gets its number."""
    discard(incoming)
    submission_id = new_id()
    content = incoming.original[:MAX_KEPT]
    with db.write() as session:
        sealed = bool(content) and _has_room(session, incoming)
        values = _values(incoming, problem) | {"data_key_id": incoming.key_id if sealed else None}
        session.execute(insert(Submission).values(id=submission_id, **values))
        if sealed:
            session.execute(
                insert(DataKeyRow).values(
                    id=incoming.key_id, tenant_id=incoming.tenant, wrapped=incoming.wrapped_key, created_at=now()
                )
            )
            documents.add(
                session,
                tenant=incoming.tenant,
                key_id=incoming.key_id,
                key=incoming.key,
                role="original",
                name="abgelehnt.bin",
                title="Abgelehnte Einreichung",
                media_type="application/octet-stream",
                content=content,
                blobs=vault.blobs(),
                submission_id=submission_id,
            )
        audit.record(
            session,
            actor=incoming.client_id,
            action="submission.refused",
            subject=str(submission_id),
            tenant=incoming.tenant,
            detail={"code": problem.code, "status": problem.status},
        )
    problem.extra.setdefault("submission", str(submission_id))


def _has_room(session: Session, incoming: Incoming) -> bool:
    kept_now = session.scalar(
        select(func.count())
        .select_from(Submission)
        .where(
            Submission.tenant_id == incoming.tenant,
            Submission.state == "refused",
            Submission.fetched_at > now() - WINDOW,
            Submission.client_id == incoming.client_id,
            Submission.data_key_id.is_not(None),
        )
    )
    return (kept_now or 0) < QUOTA


def _values(incoming: Incoming, problem: Problem) -> dict[str, Any]:
    at = now()
    faults = list(problem.faults) or [Fault(None, "", problem.code, problem.detail or problem.title).as_dict()]
    return {
        "tenant_id": incoming.tenant,
        "client_id": incoming.client_id,
        "channel": incoming.channel,
        "kind": incoming.kind if incoming.kind in KINDS else "initial",
        "service": incoming.service[:80] if incoming.service else None,
        "request_digest": incoming.digest,
        "state": "refused",
        "received_at": incoming.received_at or at,
        "received_source": incoming.received_source,
        "fetched_at": at,
        "media_type": incoming.media_type[:120],
        "problems": faults[:20],
        "reply_to": incoming.reply_to,
        "sender_reference": incoming.sender_reference,
    }


def forget(db: Database) -> None:
    """Destroy the originals of refusals older than the window (Art. 5 (1) e DSGVO); that they came stays listed."""
    with db.write() as session:
        rows = session.execute(
            select(Submission.id, Submission.data_key_id)
            .where(
                Submission.state == "refused",
                Submission.fetched_at < now() - WINDOW,
                Submission.data_key_id.is_not(None),
            )
            .limit(_BATCH)
        ).all()
        blobs = session.scalars(
            select(Document.blob).where(
                Document.submission_id.in_([row.id for row in rows]), Document.blob.is_not(None)
            )
        ).all()
        for row in rows:
            if row.data_key_id is not None:
                keys.destroy(session, row.data_key_id, vault.ring())
            session.execute(delete(Document).where(Document.submission_id == row.id))
            session.execute(update(Submission).where(Submission.id == row.id).values(data_key_id=None))
    for ref in blobs:
        if ref is not None:
            vault.blobs().delete(ref)
    if rows:
        log.info("refusals_forgotten", count=len(rows))
