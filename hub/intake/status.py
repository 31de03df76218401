"""What the sender and the applicant may see of a submission: never internals, never a protected person's details."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any
from urllib.parse import quote
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from hub.cases import documents, vault, wording
from hub.cases.model import Case, CaseEvent, Document, Submission, SubmissionCase
from hub.kit.problems import Problem
from hub.library import service as library

_TEXTS = {
    "received": "Eingegangen",
    "clearing": "In Klärung: einzelne Angaben werden geprüft",
    "refused": "Abgelehnt: nicht angenommen",
    "open": "In Bearbeitung",
    "waiting": "In Bearbeitung",
    "closed": "Abgeschlossen",
}


def token(submission_id: UUID) -> str:
    """The unguessable part of the applicant's status address; derived, so nothing about it is stored."""
    return vault.keyed_hash("status address", str(submission_id))[:32]


def etag(body: bytes) -> str:
    """A strong ETag of an answer."""
    return f'"{hashlib.sha256(body).hexdigest()[:32]}"'


def disposition(name: str) -> str:
    """A Content-Disposition header that no file name can break (RFC 6266)."""
    return f"attachment; filename*=UTF-8''{quote(name)}"


def _submission(session: Session, tenant: str, client_id: str, submission_id: UUID) -> Submission:
    found = session.get(Submission, submission_id)
    if found is None or (found.tenant_id, found.client_id) != (tenant, client_id):
        raise Problem(
            404,
            "submission.unknown",
            "Einreichung unbekannt",
            "Unter dieser Kennung liegt keine Einreichung Ihres Zugangs vor.",
        )
    return found


def cases_of(session: Session, submission_id: UUID) -> list[Case]:
    """The cases a submission belongs to."""
    return list(
        session.scalars(
            select(Case)
            .join(SubmissionCase, SubmissionCase.case_id == Case.id)
            .where(SubmissionCase.submission_id == submission_id)
        )
    )


def _case(session: Session, case: Case) -> dict[str, Any]:
    events = session.execute(
        select(CaseEvent.at, CaseEvent.kind, CaseEvent.summary, CaseEvent.body)
        .where(CaseEvent.case_id == case.id, CaseEvent.public)
        .order_by(CaseEvent.id)
    ).all()
    shown = [
        {
            "id": str(found.id),
            "title": found.title,
            "name": found.name,
            "media_type": found.media_type,
            "size": found.size,
            "sha256": found.sha256,
        }
        for found in documents.of_case(session, case.id, vault.key)
        if found.public and not found.flag
    ]
    return {
        "number": case.number,
        "state": case.state,
        "state_text": _TEXTS.get(case.state, case.state),
        "outcome": case.outcome,
        "aktenzeichen": case.aktenzeichen,
        "numbers": case.foreign_numbers or {},
        "events": [_event(session, case, row) for row in events],
        "documents": shown,
    }


def _event(session: Session, case: Case, row: Any) -> dict[str, Any]:
    """A public event; what a person wrote to the applicant stands under `message`."""
    told = None if case.protected_person else wording.of_event(session, case.data_key_id, row.kind, row.body)
    return {"at": row.at.isoformat(), "kind": row.kind, "text": row.summary} | ({"message": told} if told else {})


def of_submission(session: Session, tenant: str, client_id: str, submission_id: UUID) -> dict[str, Any]:
    """The status resource of one submission. Raises Problem 404 for a foreign or unknown one."""
    found = _submission(session, tenant, client_id, submission_id)
    cases = [] if found.state == "refused" else cases_of(session, submission_id)
    state = found.state
    if state in {"received", "accepted"} and cases:
        state = "closed" if all(case.state == "closed" for case in cases) else "in_progress"
    return {
        "id": str(found.id),
        "state": state,
        "state_text": _TEXTS.get("open" if state == "in_progress" else state, state),
        "service": found.service,
        "kind": found.kind,
        "received_at": found.received_at.isoformat(),
        "received_source": found.received_source,
        "fetched_at": found.fetched_at.isoformat(),
        "sender_reference": found.sender_reference,
        "receipt": {"received_at": found.received_at.isoformat(), "digest": f"sha-256:{found.request_digest}"},
        "problems": found.problems or [],
        "aktenzeichen": cases[0].aktenzeichen if cases else None,
        "cases": [_case(session, case) for case in cases],
    }


def public_document(
    session: Session, tenant: str, client_id: str, submission_id: UUID, document_id: UUID
) -> documents.Stored:
    """A released document of one of the submission's cases. Raises Problem 404."""
    _submission(session, tenant, client_id, submission_id)
    cases = cases_of(session, submission_id)
    row = session.get(Document, document_id)
    if row is not None and row.public and not row.flag and row.case_id in {case.id for case in cases}:
        for found in documents.of_case(session, row.case_id, vault.key):
            if found.id == document_id:
                return found
    raise Problem(404, "document.unknown", "Dokument unbekannt", "Dieses Dokument gibt es zu der Einreichung nicht.")


def for_applicant(session: Session, submission_id: UUID, given: str) -> dict[str, Any]:
    """What the applicant's own status page shows. Raises Problem 404 for a wrong token or a protected person."""
    found = session.get(Submission, submission_id)
    if found is None or not hmac.compare_digest(token(submission_id), given):
        raise Problem(404, "submission.unknown", "Nicht gefunden", "Diese Adresse ist ungültig.")
    cases = cases_of(session, submission_id)
    if any(case.protected_person for case in cases):
        raise Problem(404, "submission.unknown", "Nicht gefunden", "Diese Adresse ist ungültig.")
    service = found.service
    if service:
        try:
            service = library.released(session, found.tenant_id, service).profile.title
        except library.UnknownServiceError:
            service = found.service
    return {"submission": found, "service": service, "cases": [_case(session, case) for case in cases]}
