"""What happened to a case, as data: events, engine steps, every delivery with every attempt, and who looked.

The trace holds no content of the application; only the wording of messages from outside may name somebody, and it is
left out for those who may not read the case. The ledger's tables are read by name: slices never import each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Table, or_, select
from sqlalchemy.orm import Session

from hub.audit.model import AuditEntry
from hub.cases.model import Case, CaseEvent, Deadline, Document, Effect, SubmissionCase, Trouble
from hub.catalogue import service as catalogue
from hub.identity import people
from hub.kit.clock import BERLIN
from hub.kit.database import Base
from hub.library import service as library

# Events whose summary carries free text of a person or of the leading application.
_WORDING = frozenset(
    {
        "status",
        "document-request",
        "notice",
        "fee",
        "number",
        "complete-confirmed",
        "extended",
        "closed",
        "handed-back",
        "paid",
        "rejected-late",
    }
)


def table(name: str) -> Table:
    """A table of another slice, for reading."""
    return Base.metadata.tables[name]


def find(session: Session, tenant: str, name: str) -> Case | None:
    """The case with this Vorgangsnummer, Aktenzeichen or id; the latest one where several share an Aktenzeichen."""
    given = name.strip()
    try:
        wanted = Case.id == UUID(given)
    except ValueError:
        wanted = or_(Case.number == given.upper(), Case.aktenzeichen == given)
    return session.scalar(select(Case).where(Case.tenant_id == tenant, wanted).order_by(Case.id.desc()).limit(1))


def trace(session: Session, case: Case, *, content: bool = False) -> dict[str, Any]:
    """Everything that happened to a case, in order; JSON-ready. Without `content` wording from outside is left out."""
    version = library.load(session, case.process_version_id).profile.version if case.process_version_id else None
    return {
        "case": {
            "number": case.number,
            "id": str(case.id),
            "process": case.process,
            "version": version,
            "state": case.state,
            "outcome": case.outcome,
            "department": case.department,
            "secrecy": case.secrecy,
            "protected": case.protected_person,
            "received_at": _at(case.received_at),
            "closed_at": _at(case.closed_at),
            "aktenzeichen": case.aktenzeichen,
            "numbers": case.foreign_numbers or {},
        },
        "submissions": _submissions(session, case),
        "deadlines": _deadlines(session, case),
        "events": _events(session, case, content),
        "waiting": _waiting(session, case),
        "deliveries": deliveries(session, case),
        "documents": _documents(session, case),
        "troubles": _troubles(session, case, content),
        "audit": _audit(session, case),
    }


def as_text(found: Mapping[str, Any]) -> str:
    """A trace for the terminal."""
    case = found["case"]
    lines = [
        f"{case['number']}  {case['process']} {case['version'] or ''}  {case['state']}  "
        f"Az. {case['aktenzeichen'] or '–'}",
        "",
        "Ereignisse",
    ]
    lines += [f"  {_clock(row['at'])}  {row['kind']:<22} {row['summary']}" for row in found["events"]]
    lines += ["", "Übergaben"] if found["deliveries"] else []
    for row in found["deliveries"]:
        lines.append(
            f"  {row['name']} → {row['title']} ({row['connector']}, {row['operation']}): "
            f"{row['outcome'] or row['state']}"
        )
        lines += [
            f"    {_clock(one['at'])}  {one['step']:<20} {one['outcome']:<12} {one['milliseconds']:>6} ms  "
            f"{one['status'] or ''} {one['say'] or ''}".rstrip()
            for one in row["attempts"]
        ]
    lines += ["", "Wartet auf"] if found["waiting"] else []
    lines += [f"  {row['kind']:<14} {row['name']} ({row['element']})" for row in found["waiting"]]
    lines += ["", "Offene Klärfälle und Störungen"] if any(row["state"] == "open" for row in found["troubles"]) else []
    lines += [f"  {row['kind']:<12} {row['code']}" for row in found["troubles"] if row["state"] == "open"]
    return "\n".join(lines)


def _clock(at: str) -> str:
    return datetime.fromisoformat(at).astimezone(BERLIN).strftime("%d.%m. %H:%M:%S")


def _submissions(session: Session, case: Case) -> list[dict[str, str]]:
    rows = session.execute(
        select(SubmissionCase.submission_id, SubmissionCase.kind)
        .where(SubmissionCase.case_id == case.id)
        .order_by(SubmissionCase.submission_id)
    )
    return [{"id": str(row.submission_id), "kind": row.kind} for row in rows]


def _deadlines(session: Session, case: Case) -> list[dict[str, Any]]:
    rows = session.scalars(select(Deadline).where(Deadline.case_id == case.id).order_by(Deadline.id))
    return [
        {
            "name": row.name,
            "title": row.title,
            "legal_basis": row.legal_basis,
            "state": row.state,
            "starts_on": row.starts_on.isoformat() if row.starts_on else None,
            "due_on": row.due_on.isoformat() if row.due_on else None,
        }
        for row in rows
    ]


def _events(session: Session, case: Case, content: bool) -> list[dict[str, Any]]:
    rows = session.scalars(select(CaseEvent).where(CaseEvent.case_id == case.id).order_by(CaseEvent.id)).all()
    return [
        {
            "at": row.at.isoformat(),
            "kind": row.kind,
            "actor": row.actor,
            "element": row.element,
            "public": row.public,
            "summary": row.summary if content or row.kind not in _WORDING else "(Wortlaut nur für den Fachbereich)",
            "detail": row.detail or {},
        }
        for row in rows
    ]


def _waiting(session: Session, case: Case) -> list[dict[str, Any]]:
    rows = session.scalars(
        select(Effect).where(Effect.case_id == case.id, Effect.state == "open").order_by(Effect.created_at)
    )
    return [
        {
            "id": str(row.id),
            "kind": row.kind,
            "element": row.element,
            "name": row.name,
            "since": row.created_at.isoformat(),
            "due_at": row.due_at.isoformat() if row.due_at else None,
            "claimed_by": row.claimed_by,
        }
        for row in rows
    ]


def deliveries(session: Session, case: Case) -> list[dict[str, Any]]:
    """Every delivery with its steps and every single attempt."""
    delivery, step, attempt = table("delivery"), table("delivery_step"), table("delivery_attempt")
    rows = (
        session.execute(
            select(delivery).where(delivery.c.case_id == case.id).order_by(delivery.c.created_at, delivery.c.id)
        )
        .mappings()
        .all()
    )
    ids = [row["id"] for row in rows]
    steps = (
        session.execute(
            select(step.c.delivery_id, step.c.step, step.c.state, step.c.started_at, step.c.done_at)
            .where(step.c.delivery_id.in_(ids))
            .order_by(step.c.position)
        )
        .mappings()
        .all()
    )
    attempts = (
        session.execute(select(attempt).where(attempt.c.delivery_id.in_(ids)).order_by(attempt.c.id)).mappings().all()
    )
    names = {row.id: row.name for row in session.execute(select(Effect.id, Effect.name).where(Effect.id.in_(ids)))}
    titles = {target.name: target.title for target in catalogue.targets(session, case.tenant_id)} if rows else {}
    return [
        {
            "id": str(row["id"]),
            "name": names.get(row["id"], row["operation"]),
            "instance": row["instance"],
            "title": titles.get(row["instance"], row["instance"]),
            "instance_version": row["instance_version"],
            "connector": row["connector"],
            "operation": row["operation"],
            "state": row["state"],
            "outcome": row["outcome"],
            "say": row["say"],
            "tries": row["tries"],
            "expected_by": _at(row["expected_by"]),
            "created_at": _at(row["created_at"]),
            "finished_at": _at(row["finished_at"]),
            "steps": [
                {
                    "step": one["step"],
                    "state": one["state"],
                    "started_at": _at(one["started_at"]),
                    "done_at": _at(one["done_at"]),
                }
                for one in steps
                if one["delivery_id"] == row["id"]
            ],
            "attempts": [_attempt(dict(one)) for one in attempts if one["delivery_id"] == row["id"]],
        }
        for row in rows
    ]


def _attempt(row: Mapping[str, Any]) -> dict[str, Any]:
    return {"at": _at(row["at"]), "step": row["step"]} | {
        name: row[name] for name in ("milliseconds", "outcome", "status", "say", "detail", "request", "answer")
    }


def _at(value: Any) -> str | None:
    return value.isoformat() if value else None


def _documents(session: Session, case: Case) -> list[dict[str, Any]]:
    """Documents without their names: role, size and digest."""
    rows = session.execute(
        select(Document.id, Document.role, Document.media_type, Document.size, Document.sha256, Document.flag)
        .where(Document.case_id == case.id)
        .order_by(Document.id)
    )
    return [
        {
            "id": str(row.id),
            "role": row.role,
            "media_type": row.media_type,
            "size": row.size,
            "sha256": row.sha256,
            "flag": row.flag,
        }
        for row in rows
    ]


def _troubles(session: Session, case: Case, content: bool) -> list[dict[str, Any]]:
    rows = session.scalars(select(Trouble).where(Trouble.case_id == case.id).order_by(Trouble.created_at))
    return [
        {
            "id": str(row.id),
            "kind": row.kind,
            "code": row.code,
            "title": row.title if content else row.code,
            "state": row.state,
            "created_at": _at(row.created_at),
            "solved_at": _at(row.solved_at),
            "solution": row.solution,
        }
        for row in rows
    ]


def _audit(session: Session, case: Case) -> list[dict[str, Any]]:
    rows = session.scalars(
        select(AuditEntry)
        .where(AuditEntry.tenant_id == case.tenant_id, AuditEntry.subject == str(case.id))
        .order_by(AuditEntry.at, AuditEntry.id)
    ).all()
    return [
        {
            "at": row.at.isoformat(),
            "actor": row.actor,
            "action": row.action,
            "detail": row.detail or {},
            "position": row.position,
        }
        for row in rows
    ]


def marks(session: Session, case: Case) -> dict[str, list[str]]:
    """Where the case was and where it waits, as element ids for the picture of the process."""
    rows = session.execute(
        select(CaseEvent.detail)
        .where(CaseEvent.case_id == case.id, CaseEvent.kind.in_(("process.started", "process.step")))
        .order_by(CaseEvent.id)
    ).scalars()
    done: dict[str, None] = {}
    for detail in rows:
        for element, kind, *_ in (detail or {}).get("visited", ()):
            if kind in {"left", "failed", "flow"}:
                done[element] = None
    now = session.scalars(
        select(Effect.element).where(Effect.case_id == case.id, Effect.state == "open").distinct()
    ).all()
    return {"done": [element for element in done if element not in now], "now": list(now)}


def actors(session: Session, found: Mapping[str, Any], tenant: str) -> dict[str, str]:
    """Names of the people in a trace."""
    return people.names(session, tenant, (row["actor"] for part in ("events", "audit") for row in found[part]))
