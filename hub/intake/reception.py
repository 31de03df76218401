"""Receiving a submission: check it, store the original sealed, commit; only then may the sender be answered.

Every channel (API, file drop, invoices) comes through `receive`. What can be identified but breaks its schema is
accepted, keeps its legal receipt time and becomes a Klärfall; only what is hostile, unreadable, or has no known
service is refused.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, insert, select
from sqlalchemy.orm import Session

from hub import audit, jobs
from hub.cases import documents, vault
from hub.cases.kinds import OPEN_CASE
from hub.cases.model import Case, Submission
from hub.intake import attachments, refusals
from hub.intake.checks import check, check_kind
from hub.intake.incoming import Incoming, Receipt
from hub.kit import upsert
from hub.kit.blobs import StoredBlob
from hub.kit.clock import now
from hub.kit.database import Database, new_id
from hub.kit.memory import Memory
from hub.kit.model import DataKeyRow
from hub.kit.problems import Problem
from hub.library import service as library
from hub.library.process import Process
from xoev.report import Fault

_released: Memory[tuple[str, str, str], Process] = Memory(5)

_INSERT = {
    dialect: upsert.unless_there(Submission, ("tenant_id", "client_id", "idempotency_key"), dialect).returning(
        Submission.id
    )
    for dialect in upsert.DIALECTS
}
_INSERT_KEY = insert(DataKeyRow).values(
    {name: bindparam(name) for name in ("id", "tenant_id", "wrapped", "created_at")}
)
_KNOWN = select(Submission.id, Submission.request_digest, Submission.problems, Submission.received_at).where(
    Submission.tenant_id == bindparam("tenant"),
    Submission.client_id == bindparam("client"),
    Submission.idempotency_key == bindparam("key"),
)


def receive(db: Database, incoming: Incoming) -> Receipt:
    """Store a submission and ask for its case; when this returns, everything is committed.

    Raises Problem: 400 hostile or unreadable, 403 not for this sender, 404 unknown service or case, 413 too large,
    415 media type, 422 retired schema or (strict) faulty, 409 another content under a known idempotency key. A refused
    original is kept; a repetition of what was accepted before gets its receipt whatever changed since.
    """
    try:
        process, refers_to = _target(db, incoming)
        faults = check(process, incoming)
        if faults and incoming.strict:
            raise Problem(
                422,
                "submission.invalid",
                "Der Antrag ist fehlerhaft",
                "Bitte korrigieren Sie die genannten Angaben und senden Sie erneut.",
                faults=[fault.as_dict() for fault in faults[:100]],
            )
    except Problem as problem:
        if (earlier := _known(db, incoming)) is None:
            refusals.keep(db, incoming, problem)
            raise
        refusals.discard(incoming)
        return earlier
    except BaseException:
        refusals.discard(incoming)
        raise
    receipt = _store(db, incoming, process, refers_to, faults) or _known(db, incoming)
    if receipt is None:
        raise RuntimeError("the submission that held the idempotency key is gone")
    return receipt


def _target(db: Database, incoming: Incoming) -> tuple[Process, UUID | None]:
    """The process that answers for the submission, and the case of a follow-up. Raises Problem 400, 403, 404."""
    check_kind(incoming)
    if incoming.kind == "initial":
        process, refers_to = _process(db, incoming.tenant, incoming.service or ""), None
    else:
        process, refers_to = _of_case(db, incoming)
    if not incoming.may_use(process.id, process.profile.leika):
        raise Problem(
            403,
            "oauth.insufficient_scope",
            "Leistung nicht freigeschaltet",
            f"Der Zugang „{incoming.client_id}“ darf für diese Leistung nichts einreichen.",
        )
    return process, refers_to


def _process(db: Database, tenant: str, service: str) -> Process:
    """The released process of a service; remembered for a few seconds, a case always takes the newest anyway."""
    slot = (str(db.url), tenant, service)
    if (known := _released.recall(slot)) is not None:
        return known
    with db.read() as session:
        try:
            found = library.released(session, tenant, service)
        except library.UnknownServiceError:
            message = (
                f"Für „{service[:80]}“ ist hier kein Prozess freigegeben. GET /api/v1/services nennt die "
                "verfügbaren Leistungen."
            )
            raise Problem(
                404,
                "service.unknown",
                "Leistung unbekannt",
                message,
                faults=[Fault(None, "/service", "service.unknown", message).as_dict()],
            ) from None
    return _released.remember(slot, found)


def _of_case(db: Database, incoming: Incoming) -> tuple[Process, UUID]:
    """The case a follow-up names by number or Aktenzeichen."""
    wanted = incoming.refers_to or ""
    with db.read() as session:
        row = session.execute(
            select(Case.id, Case.process, Case.process_version_id)
            .where(Case.tenant_id == incoming.tenant, (Case.number == wanted) | (Case.aktenzeichen == wanted))
            .limit(2)
        ).all()
        if len(row) != 1:
            message = f"Einen Vorgang mit der Nummer „{wanted[:60]}“ gibt es hier nicht."
            raise Problem(
                404,
                "case.unknown",
                "Vorgang unbekannt",
                message,
                faults=[Fault(None, "/case", "case.unknown", message).as_dict()],
            )
        process = library.load(session, row[0].process_version_id)
    incoming.service = process.id
    return process, row[0].id


def _large_original(incoming: Incoming) -> StoredBlob | None:
    """A large original goes to the disk before the transaction: SQLite's one writer must not wait for fsync."""
    if len(incoming.original) <= documents.INLINE_LIMIT:
        return None
    return vault.blobs().write(io.BytesIO(incoming.original), incoming.key)


def _store(
    db: Database, incoming: Incoming, process: Process, refers_to: UUID | None, faults: Sequence[Fault]
) -> Receipt | None:
    """One transaction; None when another submission holds the idempotency key. Blobs stay only when it is stored."""
    values = _values(incoming, process, refers_to, faults)
    original: StoredBlob | None = None
    keep_blobs = False
    try:
        original = _large_original(incoming)
        with db.write() as session:
            if session.connection().execute(_INSERT[db.dialect], values).scalar() is None:
                return None
            _store_content(session, incoming, values["id"], original)
            _enqueue(session, incoming, values["id"], refers_to)
            audit.record(
                session,
                actor=incoming.client_id,
                action="submission.received",
                subject=str(values["id"]),
                tenant=incoming.tenant,
                detail={
                    "service": process.id,
                    "kind": incoming.kind,
                    "channel": incoming.channel,
                    "digest": values["request_digest"],
                    "faults": len(faults),
                },
            )
            # From here on the commit may happen although its answer is lost: an orphaned blob beats a missing one.
            keep_blobs = True
    finally:
        if not keep_blobs:
            _discard(incoming, original)
    return Receipt(
        values["id"],
        values["state"],
        values["received_at"],
        values["request_digest"],
        values["problems"] or [],
        fresh=True,
    )


def _discard(incoming: Incoming, original: StoredBlob | None) -> None:
    refusals.discard(incoming)
    if original is not None:
        vault.blobs().delete(original.ref)


def _values(incoming: Incoming, process: Process, refers_to: UUID | None, faults: Sequence[Fault]) -> dict[str, Any]:
    at = now()
    return {
        "id": new_id(),
        "tenant_id": incoming.tenant,
        "client_id": incoming.client_id,
        "channel": incoming.channel,
        "kind": incoming.kind,
        "service": process.id,
        "idempotency_key": incoming.idempotency_key,
        "request_digest": incoming.digest,
        "state": "clearing" if faults else "received",
        "refers_to": refers_to,
        "received_at": incoming.received_at or at,
        "received_source": incoming.received_source,
        "fetched_at": at,
        "media_type": incoming.media_type[:120],
        "data_key_id": incoming.key_id,
        "problems": [fault.as_dict() for fault in faults[:100]] or None,
        "reply_to": incoming.reply_to,
        "sender_reference": incoming.sender_reference,
    }


def _enqueue(session: Session, incoming: Incoming, submission_id: UUID, refers_to: UUID | None) -> None:
    if any(attachments.needed(upload.media_type, upload.blob.size) for upload in incoming.uploads):
        jobs.enqueue(session, attachments.EXAMINE, str(submission_id), None, tenant=incoming.tenant)
    else:
        jobs.enqueue(session, OPEN_CASE, str(submission_id), refers_to, tenant=incoming.tenant)


def _known(db: Database, incoming: Incoming) -> Receipt | None:
    """The receipt given before under this idempotency key. Raises Problem 409 when the content differs."""
    if incoming.idempotency_key is None:
        return None
    asked = {"tenant": incoming.tenant, "client": incoming.client_id, "key": incoming.idempotency_key}
    with db.read() as session:
        row = session.execute(_KNOWN, asked).first()
    if row is None:
        return None
    if row.request_digest != incoming.digest:
        raise Problem(
            409,
            "idempotency.conflict",
            "Idempotency-Key schon verwendet",
            "Unter diesem Idempotency-Key wurde bereits ein anderer Inhalt eingereicht. Verwenden Sie für "
            "eine neue Einreichung einen neuen Schlüssel.",
            submission=str(row.id),
        )
    state = "clearing" if row.problems else "received"
    return Receipt(row.id, state, row.received_at, row.request_digest, row.problems or [], fresh=False)


def _store_content(session: Session, incoming: Incoming, submission_id: UUID, original: StoredBlob | None) -> None:
    session.connection().execute(
        _INSERT_KEY,
        {"id": incoming.key_id, "tenant_id": incoming.tenant, "wrapped": incoming.wrapped_key, "created_at": now()},
    )
    vault.ring().remember(incoming.key_id, incoming.key)
    whose: dict[str, Any] = {
        "tenant": incoming.tenant,
        "key_id": incoming.key_id,
        "key": incoming.key,
        "submission_id": submission_id,
    }
    media_type = incoming.media_type.split(";")[0].strip()[:120]
    extension = {"json": "json", "xml": "xml"}.get(media_type[-4:].lstrip("/+").lower(), "txt")
    named: dict[str, Any] = {
        "role": "original",
        "name": f"antrag.{extension}",
        "title": "Antrag (Original)",
        "media_type": media_type,
    }
    if original is not None:
        documents.add_stored(session, **whose, **named, blob=original)
    elif incoming.original:
        documents.add(session, **whose, **named, content=incoming.original, blobs=vault.blobs())
    for upload in incoming.uploads:
        documents.add_stored(
            session,
            **whose,
            role="attachment",
            name=upload.name,
            title=upload.title,
            media_type=upload.media_type,
            blob=upload.blob,
            flag=upload.flag,
        )


__all__ = ["Incoming", "Receipt", "receive"]
