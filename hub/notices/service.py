"""Notices to the applicant: written from the process's template, kept as a document, told to the portal."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, func, select, update
from sqlalchemy.orm import Session, aliased

from hub import audit, jobs
from hub.cases import content, documents, events, paper, rows, signals, vault
from hub.cases.facts import facts
from hub.cases.kinds import SEND
from hub.cases.model import Case, CaseEvent, Effect, Submission, SubmissionCase
from hub.catalogue import service as catalogue
from hub.jobs import Job
from hub.jobs.lease import Lease
from hub.kit.clock import now, today_berlin
from hub.kit.database import Database, new_id
from hub.kit.settings import settings
from hub.library import service as library
from hub.library.expressions import fill, german, value_or
from hub.library.process import Process
from hub.library.profile import NoticeTemplate

AUTHORITY = "Stadtverwaltung Worms"
_BEFORE_ALL = UUID(int=0)
_ASKED = aliased(CaseEvent)
_TOLD = (
    select(_ASKED.id)
    .where(_ASKED.case_id == bindparam("case"), _ASKED.kind == "reply.requested")
    .order_by(_ASKED.id.desc())
    .limit(1)
    .scalar_subquery()
)
_NEWS = (
    select(CaseEvent.at, CaseEvent.kind, CaseEvent.summary, CaseEvent.body)
    .where(CaseEvent.case_id == bindparam("case"), CaseEvent.public)
    .where(CaseEvent.id > func.coalesce(_TOLD, bindparam("first", type_=CaseEvent.id.type)))
    .order_by(CaseEvent.id)
)
_FIRST = (
    select(Submission.id, Submission.sender_reference)
    .join(SubmissionCase, SubmissionCase.submission_id == Submission.id)
    .where(SubmissionCase.case_id == bindparam("case"))
    .order_by(Submission.id)
    .limit(1)
)
_APPEAL = {
    "general": "Gegen diesen Bescheid kann innerhalb eines Monats nach seiner Bekanntgabe Widerspruch bei der "
    "Stadtverwaltung Worms erhoben werden (§ 70 VwGO).",
    "tax": "Gegen diesen Bescheid kann innerhalb eines Monats nach seiner Bekanntgabe Widerspruch bei der "
    "Stadtverwaltung Worms erhoben werden. Die Zahlungspflicht wird durch den Widerspruch nicht aufgeschoben.",
    "social": "Gegen diesen Bescheid kann innerhalb eines Monats nach seiner Bekanntgabe Widerspruch bei der "
    "Stadtverwaltung Worms erhoben werden (§ 84 SGG).",
}


def create(db: Database, job: Job, lease: Lease) -> None:
    """Write the notice an effect asked for, then let the process go on; the portal is told by a push."""
    with db.read() as session:
        effect = session.get(Effect, UUID(job.key))
        if effect is not None and effect.state == "open":
            written = _write(session, effect)
    with db.write() as session:
        lease.hold_case(session)
        if effect is None or effect.state != "open":
            lease.finish(session)
            return
        lease.finish(session)
        _keep(session, *written)


def _scope(session: Session, case: Case, effect: Effect) -> tuple[dict[str, Any], dict[str, Any]]:
    key = vault.key(session, case.data_key_id)
    body = content.open_json(key, effect.body) if effect.body else {}
    data = content.get_data(session, case.id, key)
    tables = {"application": data.pop("application", {}), "case": facts(case), "data": data}
    return body.get("input", {}) | body.get("variables", {}), tables


def _write(session: Session, effect: Effect) -> tuple[Effect, Case, NoticeTemplate, str, bytes | None]:
    case = session.get(Case, effect.case_id)
    assert case is not None
    assert case.process_version_id is not None
    process = library.load(session, case.process_version_id)
    template = process.notice(effect.spec["template"])
    variables, tables = _scope(session, case, effect)
    paragraphs = [fill(text, variables, tables) for text in template.paragraphs]
    short = "\n\n".join(paragraphs)
    if not (template.document or effect.spec.get("document")):
        return effect, case, template, short, None
    recipient = german(value_or(process.profile.intake.applicant.name, "", tables))
    pdf = paper.render("notice", _paper(session, process, case, template, paragraphs, recipient, variables, tables))
    return effect, case, template, short, pdf


def _paper(
    session: Session,
    process: Process,
    case: Case,
    template: NoticeTemplate,
    paragraphs: list[str],
    recipient: str,
    variables: dict[str, Any],
    tables: dict[str, Any],
) -> dict[str, Any]:
    day = today_berlin()
    return {
        "title": fill(template.title, variables, tables),
        "date": [day.year, day.month, day.day],
        "day": german(day),
        "authority": AUTHORITY,
        "department": catalogue.department_title(session, case.tenant_id, case.department),
        "recipient": recipient,
        "number": case.number,
        "aktenzeichen": case.aktenzeichen,
        "paragraphs": paragraphs,
        "fields": [[item["label"], fill(str(item["value"]), variables, tables)] for item in template.fields],
        "appeal": _APPEAL.get(process.profile.law_branch) if template.appeal_notice else None,
    }


def _keep(
    session: Session, effect: Effect, case: Case, template: NoticeTemplate, short: str, pdf: bytes | None
) -> None:
    key = vault.key(session, case.data_key_id)
    found = None
    if pdf is not None:
        found = documents.add(
            session,
            tenant=case.tenant_id,
            key_id=case.data_key_id,
            key=key,
            role="notice",
            name=f"{effect.spec['template']}-{case.number}.pdf",
            title=template.title,
            media_type="application/pdf",
            content=pdf,
            blobs=vault.blobs(),
            case_id=case.id,
            public=True,
        )
    events.record(
        session,
        tenant=case.tenant_id,
        case_id=case.id,
        kind=template.kind,
        element=effect.element,
        public=True,
        summary=f"{template.title}.",
        detail={"document": str(found) if found else None},
        body=content.seal_json(key, {"text": short}),
        dedupe=f"notice:{effect.id}",
    )
    audit.record(
        session,
        actor="hub",
        action="notice.created",
        subject=str(case.id),
        tenant=case.tenant_id,
        detail={"template": effect.spec["template"], "document": str(found) if found else None},
    )
    session.execute(
        update(Effect).where(Effect.id == effect.id).values(state="done", done_at=now(), outcome="delivered")
    )
    signals.send(
        session,
        tenant=case.tenant_id,
        case_id=case.id,
        key=key,
        kind="delivery",
        wait=effect.wait,
        body={"outcome": "delivered", "variables": {}},
    )


def push(session: Session, job: Job) -> None:
    """Tell the portal what is new about a case: one message for everything that happened since the last one."""
    case = rows.case_of(session, UUID(job.key))
    if case is None or case.reply_to is None:
        return
    key = vault.key(session, case.data_key_id)
    fresh = session.connection().execute(_NEWS, {"case": case.id, "first": _BEFORE_ALL}).all()
    if not fresh:
        return
    submission = session.connection().execute(_FIRST, {"case": case.id}).one()
    happened = [
        {"at": row.at.isoformat(), "kind": row.kind, "summary": row.summary}
        | ({"text": content.open_json(key, row.body).get("text")} if row.body and not case.protected_person else {})
        for row in fresh
    ]
    body = {
        "input": {
            "type": "de.ozg-hub.case.changed",
            "submission": str(submission.id),
            "sender_reference": submission.sender_reference,
            "case": case.number,
            "state": case.state,
            "outcome": case.outcome,
            "aktenzeichen": case.aktenzeichen,
            "time": fresh[-1].at.isoformat(),
            "status_url": f"{settings().public_url}/api/v1/submissions/{submission.id}",
            "events": happened,
        }
    }
    effect_id = new_id()
    rows.add(
        session,
        Effect,
        {
            "id": effect_id,
            "tenant_id": case.tenant_id,
            "case_id": case.id,
            "wait": f"push:{effect_id}",
            "kind": "delivery",
            "element": "reply",
            "name": "Rückmeldung an das Portal",
            "state": "open",
            "created_at": now(),
            "body": content.seal_json(key, body),
            "spec": {
                "connector": "reply",
                "operation": "push",
                "instance": case.reply_to,
                "quiet": True,
                "documents": [],
            },
        },
    )
    events.record(
        session,
        tenant=case.tenant_id,
        case_id=case.id,
        kind="reply.requested",
        summary="Das Portal wird über den Stand unterrichtet.",
        detail={"events": len(fresh)},
    )
    jobs.enqueue(session, SEND, str(effect_id), case.id, tenant=case.tenant_id)
