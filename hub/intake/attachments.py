"""Looking at attachments before a case is opened: active content and malware are withheld and shown, never dropped.

A small PDF is examined while it is in memory anyway. What is larger, and everything when a virus scanner is
configured, is examined by a job between receipt and opening the case.
"""

from __future__ import annotations

from datetime import timedelta
from typing import IO, BinaryIO
from uuid import UUID

import structlog
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from hub import jobs
from hub.cases import documents, troubles, vault, withheld
from hub.cases.documents import Stored
from hub.cases.kinds import OPEN_CASE
from hub.cases.model import Document, Submission
from hub.intake import scanner
from hub.jobs import Job
from hub.jobs.lease import Lease
from hub.kit.clock import now
from hub.kit.database import Database
from xoev import safe
from xoev.safe import UnsafeInput

log = structlog.get_logger(__name__)

EXAMINE = "intake.examine"
IN_MEMORY = 1 << 20
_WORST_FIRST = ("pdf.launch", "pdf.javascript", "pdf.encrypted")
_RETRY = timedelta(seconds=15)
_PATIENCE = timedelta(minutes=10)


def examine(stream: BinaryIO | IO[bytes], media_type: str) -> str | None:
    """The reason to withhold an attachment, or None. Reads in flat memory."""
    if media_type != "application/pdf":
        return None
    try:
        found = {fault.code for fault in safe.inspect_pdf(stream)}
    except UnsafeInput as error:
        return error.fault.code[:40]
    return next((code for code in _WORST_FIRST if code in found), None)


def needed(media_type: str, size: int) -> bool:
    """Whether an attachment still has to be examined by the job."""
    return scanner.configured() is not None or (media_type == "application/pdf" and size > IN_MEMORY)


def run(db: Database, job: Job, lease: Lease) -> None:
    """The job: examine every document of a submission, keep what was found, then let the case be opened."""
    submission_id = UUID(job.key)
    with db.read() as session:
        refers_to = session.scalar(select(Submission.refers_to).where(Submission.id == submission_id))
        waiting = documents.of_submission(session, submission_id, vault.key)
    findings: dict[UUID, str] = {}
    try:
        for document in waiting:
            if document.flag is None and (flag := _examine_stored(db, document)):
                findings[document.id] = flag
    except scanner.ScannerUnavailableError as error:
        _wait(db, job, lease, error)
        return
    with db.write() as session:
        for document_id, flag in findings.items():
            session.execute(update(Document).where(Document.id == document_id).values(flag=flag))
        troubles.solve(session, tenant=job.tenant, dedupe=_dedupe(job), by="hub", solution="scanned")
        jobs.enqueue(session, OPEN_CASE, job.key, refers_to, tenant=job.tenant)
        lease.finish(session)


def _examine_stored(db: Database, document: Stored) -> str | None:
    if document.role == "attachment" and document.media_type == "application/pdf" and document.size > IN_MEMORY:
        with db.read() as session:
            stream = vault.open_document(session, document)
        with stream:
            if flag := examine(stream, document.media_type):
                return flag
    address = scanner.configured()
    if address is None:
        return None
    with db.read() as session:
        stream = vault.open_document(session, document)
    with stream:
        finding = scanner.scan(address, stream)
    if finding is None:
        return None
    log.warning("attachment_withheld", document=str(document.id), flag=finding.flag, detail=finding.detail)
    return finding.flag


def _wait(db: Database, job: Job, lease: Lease, error: Exception) -> None:
    """The scanner is away: try again; after a while IT hears of it. The submission stays safely received."""
    with db.write() as session:
        if now() - job.created_at > _PATIENCE:
            troubles.open_trouble(
                session,
                tenant=job.tenant,
                kind=troubles.STOERUNG,
                code="scanner.unavailable",
                title="Virenscanner nicht erreichbar",
                dedupe=_dedupe(job),
                choices=("noted",),
                message=f"Einreichungen warten auf die Virenprüfung ({error}). Sie sind gespeichert und laufen von "
                "selbst weiter, sobald der Scanner antwortet.",
                submission_id=UUID(job.key),
            )
        lease.again(session, due=now() + _RETRY)


def _dedupe(job: Job) -> str:
    return f"scanner:{job.key}"


def clearing_item(session: Session, *, tenant: str, submission_id: UUID, case_id: UUID, department: str) -> None:
    """A Klärfall for what was withheld: the department must know that something did not travel on."""
    kept_back = [found for found in documents.of_submission(session, submission_id, vault.key) if found.flag]
    if not kept_back:
        return
    infected = any(found.flag == withheld.MALWARE for found in kept_back)
    reasons = "; ".join(
        f"Dokument {number}: {withheld.reason(found.flag)}" for number, found in enumerate(kept_back, 1)
    )
    advice = (
        "bitte lassen Sie es neu einreichen."
        if infected
        else "geben Sie es frei, wenn es sich als harmlos erweist, oder lassen Sie es neu einreichen."
    )
    troubles.open_trouble(
        session,
        tenant=tenant,
        kind=troubles.KLAERFALL,
        code=withheld.INFECTED if infected else withheld.SUSPICIOUS,
        title="Anlage mit Schadsoftware zurückgehalten" if infected else "Anlage zurückgehalten",
        message=f"{reasons}. Zurückgehaltenes wird nicht weitergegeben; {advice}",
        dedupe=f"attachments:{submission_id}",
        choices=("noted",) if infected else ("release", "noted"),
        case_id=case_id,
        submission_id=submission_id,
        department=department,
        detail={"withheld": [{"id": str(found.id), "flag": found.flag} for found in kept_back]},
    )
