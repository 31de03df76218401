"""From a stored submission to a case: competence, secrecy, deadlines, and the first turn of the process."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, select, update
from sqlalchemy.orm import Session

from hub import audit, jobs
from hub.cases import content, deadlines, documents, events, rows, signals, troubles, vault
from hub.cases.kinds import ADVANCE, OPEN_CASE
from hub.cases.model import Case, Effect, Submission, SubmissionCase
from hub.cases.numbers import case_number
from hub.catalogue import service as catalogue
from hub.intake import attachments, channels, leftovers
from hub.jobs import Inside, Job, Outside
from hub.kit.clock import berlin_date, now
from hub.kit.database import new_id
from hub.kit.pipeline import later
from hub.library import service as library
from hub.library.expressions import german, value_or
from hub.library.process import Process
from hub.library.samples import read_application

_FOLLOW_UP = {
    "supplement": "Unterlagen wurden nachgereicht",
    "amendment": "Der Antrag wurde geändert",
    "withdrawal": "Der Antrag wurde zurückgenommen",
    "objection": "Widerspruch ist eingegangen",
}
_PAUSE = timedelta(seconds=2)  # a follow-up may overtake the first step of its case
_PATIENCE = timedelta(minutes=1)
_ACCEPTED = later(
    update(Submission.__table__)  # type: ignore[arg-type]
    .where(Submission.id == bindparam("submission"))
    .values(state="accepted")
)
_DUPLICATE_WINDOW = timedelta(days=400)


def open_case(session: Session, job: Job) -> None:
    """Make a case of a new submission, or hand a follow-up to the case it belongs to."""
    submission = rows.snapshot(session, Submission, UUID(job.key))
    if submission is None or submission.state in {"accepted", "refused", "withdrawn"}:
        return
    if submission.refers_to is not None:
        _follow_up(session, job, submission, submission.refers_to)
    else:
        _new_case(session, submission)


def _original(session: Session, submission: Submission) -> bytes:
    came = documents.of_submission(session, submission.id, vault.key)
    with vault.open_document(session, next(item for item in came if item.role == "original")) as stream:
        return stream.read()


def _application(process: Process, original: bytes) -> dict[str, Any]:
    """The readable application; what breaks its schema is read as far as it goes."""
    try:
        return read_application(process, original)
    except (KeyError, TypeError, ValueError, AttributeError):
        return {}


def _new_case(session: Session, submission: Submission) -> None:
    if submission.service is None or submission.data_key_id is None:
        raise ValueError(f"submission {submission.id} names no service or has no key")
    process = library.released(session, submission.tenant_id, submission.service)
    profile = process.profile
    key = vault.key(session, submission.data_key_id)
    application = _application(process, _original(session, submission))
    scope = {"application": application}
    case_id = new_id()
    clearing = submission.state == "clearing"
    applicant = german(value_or(profile.intake.applicant.name, "", scope))
    title = german(value_or(profile.intake.subject, f"{profile.title} {applicant}".strip(), scope))
    case = {
        "id": case_id,
        "tenant_id": submission.tenant_id,
        "number": case_number(case_id),
        "process": process.id,
        "process_version_id": process.version_id,
        "title": key.seal(title.encode()),
        "department": _department(session, submission.tenant_id, process, application),
        "state": "clearing" if clearing else "open",
        "secrecy": profile.secrecy,
        "protected_person": bool(value_or(profile.intake.applicant.protected, False, scope)),
        "received_at": submission.received_at,
        "opened_at": now(),
        "data_key_id": submission.data_key_id,
        "reply_to": submission.reply_to,
        "subject_hash": vault.keyed_hash(f"subject {process.id}", _identity(process, application, applicant)),
    }
    case["duplicate_of"] = _duplicate(session, case) if profile.intake.standard else None
    rows.add(session, Case, case)
    jobs.hold(session, case_id)  # a new row is locked by its transaction: the first step may follow in it
    documents.begin(session, case_id)
    content.begin_data(session, case_id)
    _link(session, submission, case_id)
    content.put_data(
        session, tenant=submission.tenant_id, case_id=case_id, key=key, name="application", value=application
    )
    deadlines.open_all(
        session,
        tenant=submission.tenant_id,
        case_id=case_id,
        rules=profile.deadlines,
        received_on=berlin_date(submission.received_at),
        scope=scope,
    )
    events.record(
        session,
        tenant=submission.tenant_id,
        case_id=case_id,
        kind="received",
        public=True,
        push=clearing,
        summary="Ihr Antrag ist eingegangen." if not clearing else "Ihr Antrag ist eingegangen und wird geklärt.",
        detail={
            "submission": str(submission.id),
            "received_at": submission.received_at.isoformat(),
            "source": submission.received_source,
            "channel": submission.channel,
        },
    )
    audit.record(
        session,
        actor="hub",
        action="case.opened",
        subject=str(case_id),
        tenant=submission.tenant_id,
        detail={"process": process.id, "version": profile.version},
    )
    attachments.clearing_item(
        session,
        tenant=submission.tenant_id,
        submission_id=submission.id,
        case_id=case_id,
        department=str(case["department"]),
    )
    if clearing:
        _klaerfall(session, submission, case)
    else:
        session.connection().execute(_ACCEPTED, {"submission": submission.id})
        jobs.enqueue(session, ADVANCE, str(case_id), case_id, tenant=submission.tenant_id)


def _identity(process: Process, application: Mapping[str, Any], applicant: str) -> str:
    """What makes two invoices the same one (supplier, number); for applications, the applicant."""
    if process.profile.intake.standard == "xrechnung":
        supplier = application.get("supplier_vat") or application.get("supplier_name")
        return f"{supplier}\n{application.get('number')}\n{application.get('issue_date')}"
    return applicant


def _duplicate(session: Session, case: Mapping[str, Any]) -> str | None:
    return session.scalar(
        select(Case.number)
        .where(
            Case.tenant_id == case["tenant_id"],
            Case.process == case["process"],
            Case.subject_hash == case["subject_hash"],
            Case.received_at > case["received_at"] - _DUPLICATE_WINDOW,
        )
        .order_by(Case.id)
        .limit(1)
    )


def _department(session: Session, tenant: str, process: Process, application: Mapping[str, Any]) -> str:
    rule = process.profile.competence
    if rule:
        value = value_or(rule.get("path") or rule.get("value"), None, {"application": application})
        found = value and catalogue.competent_department(session, tenant, process.id, str(rule.get("by")), str(value))
        if found:
            return found
    return process.profile.department


def _link(session: Session, submission: Submission, case_id: UUID) -> None:
    link = {
        "submission_id": submission.id,
        "case_id": case_id,
        "tenant_id": submission.tenant_id,
        "kind": submission.kind,
    }
    rows.add(session, SubmissionCase, link)
    documents.move_to_case(session, submission.id, case_id)


def _klaerfall(session: Session, submission: Submission, case: Mapping[str, Any]) -> None:
    problems = submission.problems or []
    troubles.open_trouble(
        session,
        tenant=submission.tenant_id,
        kind=troubles.KLAERFALL,
        code="submission.invalid",
        title="Antrag entspricht nicht dem Datenschema",
        message=f"Der Antrag ist am {german(berlin_date(submission.received_at))} wirksam eingegangen, hat aber "
        f"{len(problems)} Fehler, zum Beispiel: {problems[0]['message'] if problems else ''}",
        dedupe=f"submission:{submission.id}",
        choices=("accept", "return", "close"),
        case_id=case["id"],
        submission_id=submission.id,
        department=case["department"],
        detail={"problems": problems[:20]},
    )


def _follow_up(session: Session, job: Job, submission: Submission, case_id: UUID) -> None:
    """Hand a later submission to its case; what the process does not wait for goes to a person at once.

    The caller holds the case's lock, so what the process waits for cannot change meanwhile.
    """
    case = session.get_one(Case, case_id)
    waits = _waits_for(session, case, submission.kind)
    if waits is None and now() - submission.fetched_at < _PATIENCE:
        jobs.enqueue(session, OPEN_CASE, job.key, case_id, due=now() + _PAUSE, tenant=job.tenant)
        return
    _link(session, submission, case_id)
    session.execute(update(Submission).where(Submission.id == submission.id).values(state="accepted"))
    summary = _FOLLOW_UP.get(submission.kind, "Weitere Einreichung ist eingegangen")
    events.record(
        session,
        tenant=case.tenant_id,
        case_id=case_id,
        kind=submission.kind,
        summary=f"{summary}.",
        public=True,
        detail={"submission": str(submission.id)},
    )
    audit.record(
        session,
        actor="hub",
        action="submission.linked",
        subject=str(case_id),
        tenant=case.tenant_id,
        detail={"submission": str(submission.id), "kind": submission.kind},
    )
    attachments.clearing_item(
        session, tenant=case.tenant_id, submission_id=submission.id, case_id=case_id, department=case.department
    )
    if waits:
        signals.send(
            session,
            tenant=case.tenant_id,
            case_id=case_id,
            key=vault.key(session, case.data_key_id),
            kind="message",
            message=submission.kind,
            body={"submission": str(submission.id)},
        )
        return
    closed = case.state == "closed"
    troubles.open_trouble(
        session,
        tenant=case.tenant_id,
        kind=troubles.KLAERFALL,
        code="case.closed" if closed else "case.not-waiting",
        title=f"{summary} – der Vorgang ist aber schon abgeschlossen"
        if closed
        else f"{summary} – der Prozess sieht das hier nicht vor",
        message="Bitte entscheiden Sie, was mit der Einreichung geschehen soll. Sie liegt beim Vorgang.",
        dedupe=f"submission:{submission.id}",
        choices=("noted",),
        case_id=case_id,
        submission_id=submission.id,
        department=case.department,
    )


def _waits_for(session: Session, case: Case, message: str) -> bool | None:
    """Whether the case waits for a message now; None while its process has not taken its first step."""
    if case.state in {"closed", "clearing"}:
        return False
    waits = session.execute(select(Effect.kind, Effect.state, Effect.spec).where(Effect.case_id == case.id)).all()
    if not waits:
        return None
    return any(
        row.kind == "message-wait" and row.state == "open" and row.spec.get("message") == message for row in waits
    )


HANDLERS = (
    Inside(OPEN_CASE, open_case),
    Outside(attachments.EXAMINE, attachments.run, lease_s=600),
    *channels.HANDLERS,
    leftovers.SWEEP,
)
