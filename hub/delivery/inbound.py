"""What the leading application sends back: stored first, handled once per sender key, matched to its case.

What matches no case becomes a Klärfall; it is never lost and never stops others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

import connectors
from connectors import InboundEvent
from hub import audit, jobs
from hub.cases import content, deadlines, documents, events, signals, troubles, vault
from hub.cases.kinds import INBOUND
from hub.cases.model import Case, Document
from hub.cases.numbers import NUMBER_NAMES
from hub.catalogue import service as catalogue
from hub.delivery.model import Delivery, FarNumber, InboundMessage
from hub.jobs import Job
from hub.kit import keys
from hub.kit.clock import now, today_berlin
from hub.kit.database import Database, new_id
from hub.kit.settings import settings
from hub.library import service as library

log = structlog.get_logger(__name__)

_SUMMARY = {
    "status": "Neuer Stand im Fachverfahren",
    "document-request": "Es werden Unterlagen nachgefordert",
    "notice": "Ein Bescheid liegt vor",
    "fee": "Eine Gebühr wurde festgesetzt",
    "number": "Das Fachverfahren hat ein Aktenzeichen vergeben",
    "complete-confirmed": "Die Vollständigkeit der Unterlagen ist bestätigt",
    "extended": "Die Frist wurde verlängert",
    "closed": "Das Fachverfahren hat den Vorgang abgeschlossen",
    "handed-back": "Das Fachverfahren gibt den Vorgang zurück",
    "paid": "Die Zahlung ist eingegangen",
    "rejected-late": "Das Fachverfahren hat die Übergabe nachträglich abgelehnt",
}
_PUBLIC = frozenset({"status", "document-request", "notice", "fee", "number", "complete-confirmed", "extended", "paid"})


def store(session: Session, *, tenant: str, instance: str, found: Sequence[InboundEvent]) -> int:
    """Keep the events of one message, each once per sender key, and ask for their handling; how many were new."""
    make = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    new = 0
    for event in found:
        key_id, key = keys.create(session, vault.ring(), tenant)
        body = {
            "match": event.match,
            "payload": event.payload,
            "documents": [{"name": d.name, "title": d.title, "media_type": d.media_type} for d in event.documents],
        }
        row = session.execute(
            make(InboundMessage)
            .values(
                id=new_id(),
                tenant_id=tenant,
                instance=instance,
                sender_key=event.key[:200],
                event=event.event,
                state="received",
                data_key_id=key_id,
                body=content.seal_json(key, body),
                received_at=now(),
            )
            .on_conflict_do_nothing(index_elements=["tenant_id", "instance", "sender_key"])
            .returning(InboundMessage.id)
        ).scalar()
        if row is None:
            continue
        new += 1
        for item in event.documents:
            documents.add(
                session,
                tenant=tenant,
                key_id=key_id,
                key=key,
                role="received",
                name=item.name,
                title=item.title,
                media_type=item.media_type,
                content=item.content,
                blobs=vault.blobs(),
                document_id=None,
                flag=f"inbound:{row}"[:40],
            )
        jobs.enqueue(session, INBOUND, str(row), None, tenant=tenant)
    return new


def handle(session: Session, job: Job) -> None:
    """Match a stored message to its case and let the case take it."""
    row = session.get(InboundMessage, UUID(job.key))
    if row is None or row.state != "received":
        return
    key = vault.key(session, row.data_key_id)
    body = content.open_json(key, row.body)
    case_id = find_case(session, row.tenant_id, row.instance, body["match"])
    if case_id is None:
        _unmatched(session, row)
        return
    attach(session, row, case_id, body)


def find_case(session: Session, tenant: str, instance: str, match: Mapping[str, str]) -> UUID | None:
    """The case that a far system means: by our key, by a number it gave, by case number or Aktenzeichen."""
    for name, value in match.items():
        if name in {"key", "delivery"}:
            try:
                found = session.scalar(
                    select(Delivery.case_id).where(Delivery.id == UUID(value), Delivery.tenant_id == tenant)
                )
            except ValueError:
                found = None
        elif name in {"case", "case_number"}:
            found = session.scalar(select(Case.id).where(Case.tenant_id == tenant, Case.number == value))
        elif name == "aktenzeichen":
            found = session.scalar(select(Case.id).where(Case.tenant_id == tenant, Case.aktenzeichen == value))
        else:
            found = session.scalar(
                select(FarNumber.case_id).where(
                    FarNumber.tenant_id == tenant,
                    FarNumber.instance == instance,
                    FarNumber.name == name,
                    FarNumber.value == value,
                )
            )
        if found is not None:
            return found
    return None


def _unmatched(session: Session, row: InboundMessage) -> None:
    session.execute(
        update(InboundMessage).where(InboundMessage.id == row.id).values(state="unmatched", handled_at=now())
    )
    troubles.open_trouble(
        session,
        tenant=row.tenant_id,
        kind=troubles.KLAERFALL,
        code="inbound.unmatched",
        title=f"Meldung ohne Vorgang: {_SUMMARY.get(row.event, row.event)}",
        message=f"„{row.instance}“ hat etwas gemeldet, das zu keinem Vorgang passt. Bitte ordnen Sie es zu.",
        dedupe=f"inbound:{row.id}",
        choices=("assign", "discard"),
        detail={"inbound": str(row.id), "event": row.event},
    )


def attach(session: Session, row: InboundMessage, case_id: UUID, body: Mapping[str, Any]) -> None:
    """Give a message to a case: story, numbers, documents, deadlines, and the engine."""
    case = session.get(Case, case_id)
    assert case is not None
    key = vault.key(session, case.data_key_id)
    payload = dict(body["payload"])
    profile = library.load(session, case.process_version_id).profile if case.process_version_id else None
    _numbers(session, case, payload, profile.filing.number if profile else "hub")
    moved = (
        session.execute(
            update(Document)
            .where(Document.flag == f"inbound:{row.id}"[:40])
            .values(
                case_id=case.id,
                flag=None,
                public=row.event in {"notice", "document-request"},
                role="notice" if row.event == "notice" else "received",
            )
            .returning(Document.id)
        )
        .scalars()
        .all()
    )
    changed = []
    if profile is not None:
        data = content.get_data(session, case.id, key) if any(rule.due for rule in profile.deadlines) else {}
        changed = deadlines.follow(
            session,
            case=case,
            rules=profile.deadlines,
            event=row.event,
            payload=payload,
            day=today_berlin(),
            scope={"application": data.get("application", {}), "data": data},
        )
    content.put_data(session, tenant=case.tenant_id, case_id=case.id, key=key, name=row.event, value=payload)
    summary = _SUMMARY.get(row.event, row.event)
    text = payload.get("text") or payload.get("status_text")
    events.record(
        session,
        tenant=case.tenant_id,
        case_id=case.id,
        kind=row.event,
        actor=row.instance,
        public=row.event in _PUBLIC,
        summary=f"{summary}." + (f" {text}" if isinstance(text, str) else ""),
        detail={"instance": row.instance, "documents": [str(item) for item in moved], "deadlines": changed},
        dedupe=f"inbound:{row.id}",
    )
    _business_receipt(session, case, row)
    session.execute(
        update(InboundMessage)
        .where(InboundMessage.id == row.id)
        .values(state="done", case_id=case.id, handled_at=now())
    )
    audit.record(
        session,
        actor=row.instance,
        action="inbound.received",
        subject=str(case.id),
        tenant=case.tenant_id,
        detail={"event": row.event},
    )
    if case.state != "closed":
        signals.send(
            session, tenant=case.tenant_id, case_id=case.id, key=key, kind="message", message=row.event, body=payload
        )
    troubles.solve(session, tenant=row.tenant_id, dedupe=f"inbound:{row.id}", by="hub", solution="assigned")


def _numbers(session: Session, case: Case, payload: Mapping[str, Any], led_by: str) -> None:
    numbers = {name: payload[name] for name in NUMBER_NAMES if isinstance(payload.get(name), str)}
    if not numbers:
        return
    values: dict[str, Any] = {"foreign_numbers": (case.foreign_numbers or {}) | numbers}
    if led_by == "specialist-app" and case.aktenzeichen is None:
        values["aktenzeichen"] = next(iter(numbers.values()))
    session.execute(update(Case).where(Case.id == case.id).values(**values))


def _business_receipt(session: Session, case: Case, row: InboundMessage) -> None:
    """The receipt a handed-over delivery was waiting for; a late refusal reopens it as a Klärfall."""
    late = row.event in {"rejected-late", "handed-back"}
    waiting = (
        session.execute(
            update(Delivery)
            .where(Delivery.case_id == case.id, Delivery.instance == row.instance, Delivery.state == "handed-over")
            .values(
                state="failed" if late else "delivered",
                outcome="rejected" if late else "delivered",
                expected_by=None,
                finished_at=now(),
            )
            .returning(Delivery.id)
        )
        .scalars()
        .all()
    )
    for delivery_id in waiting:
        troubles.solve(session, tenant=case.tenant_id, dedupe=f"overdue:{delivery_id}", by="hub", solution="arrived")
    if late:
        troubles.open_trouble(
            session,
            tenant=case.tenant_id,
            kind=troubles.KLAERFALL,
            code=f"delivery.{row.event}",
            title=_SUMMARY[row.event],
            message=f"Vorgang {case.number}: bitte klären und erneut übergeben.",
            dedupe=f"inbound-refusal:{row.id}",
            choices=("noted",),
            case_id=case.id,
            department=case.department,
        )


def overdue(db: Database) -> None:
    """Business receipts that did not come in time become a Störung; recurring."""
    with db.write() as session:
        rows = session.execute(
            select(Delivery.id, Delivery.tenant_id, Delivery.case_id, Delivery.instance)
            .where(Delivery.state == "handed-over", Delivery.expected_by < now())
            .limit(200)
        ).all()
        for row in rows:
            case = session.get(Case, row.case_id)
            troubles.open_trouble(
                session,
                tenant=row.tenant_id,
                kind=troubles.STOERUNG,
                code="delivery.overdue",
                title="Bestätigung überfällig",
                message=f"„{row.instance}“ hat {case.number if case else row.case_id} nicht bestätigt.",
                dedupe=f"overdue:{row.id}",
                choices=("noted",),
                case_id=row.case_id,
                department=case.department if case else None,
            )
            session.execute(update(Delivery).where(Delivery.id == row.id).values(expected_by=None))


def poll(db: Database) -> None:
    """Fetch what waits in the outboxes of folder and SFTP targets; a file is acknowledged after the commit."""
    tenant = settings().tenant
    with db.read() as session:
        found = [target for target in catalogue.targets(session, tenant) if target.stage == settings().stage]
    for target in found:
        try:
            instance = catalogue.instance(target)
        except catalogue.NotConfiguredError:
            continue
        if any(listen.by == "folder" for listen in instance.manifest.listen):
            _poll_one(db, tenant, instance)


def _poll_one(db: Database, tenant: str, instance: connectors.Instance) -> None:
    try:
        for waiting in connectors.waiting(instance):
            try:
                found = connectors.match_event(instance.manifest, waiting.raw, {})
            except connectors.InboundRefused as error:
                with db.write() as session:
                    troubles.open_trouble(
                        session,
                        tenant=tenant,
                        kind=troubles.STOERUNG,
                        code=f"inbound.{error.code}",
                        title=f"Datei von {instance.id} nicht lesbar",
                        message=f"{waiting.name}: {error.say}",
                        dedupe=f"inbound-file:{instance.id}:{waiting.name}"[:120],
                        choices=("noted",),
                    )
                continue
            with db.write() as session:
                store(session, tenant=tenant, instance=instance.id, found=found)
            waiting.acknowledge()
    except Exception as error:  # a target that is down must not stop the others
        log.warning("poll_failed", instance=instance.id, error=type(error).__name__)
