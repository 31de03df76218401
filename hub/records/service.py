"""Filing a case: readable summary, xdomea package, hand-over to the e-file by the delivery ledger like all that leaves.

The package is written once and kept (sealed) until it is delivered; what was filed can be proven by its digest.
"""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, BinaryIO, cast
from uuid import UUID

import structlog
from lxml import etree
from sqlalchemy import bindparam, select, update
from sqlalchemy.orm import Session

from connectors import Instance
from hub import audit, jobs
from hub.cases import content, documents, events, paper, rows, troubles, vault
from hub.cases.documents import Stored
from hub.cases.facts import facts
from hub.cases.kinds import SEND
from hub.cases.model import Case, CaseEvent, Document, Effect
from hub.cases.reading import reading_view, section_data
from hub.catalogue import service as catalogue
from hub.jobs import Job
from hub.jobs.lease import Lease
from hub.kit.clock import berlin_date, now
from hub.kit.database import Database
from hub.kit.keys import DataKey
from hub.kit.pipeline import later
from hub.library import service as library
from hub.library.expressions import german, value_or
from hub.library.process import Process
from hub.records import akte
from hub.records.efile import Known, NotNowError, instance_of, search
from xoev import safe, xdomea
from xoev.view import Section

AUTHORITY = "Stadtverwaltung Worms"
_SPOOL = 8 * 2**20
ASK_AGAIN = timedelta(seconds=15)
log = structlog.get_logger(__name__)
_COURSE = (
    select(CaseEvent.at, CaseEvent.summary)
    .where(CaseEvent.case_id == bindparam("case"), CaseEvent.kind.not_in(["process.started", "process.step"]))
    .order_by(CaseEvent.id)
    .limit(200)
)
_ORDERED = later(
    update(Effect.__table__)  # type: ignore[arg-type]
    .where(Effect.id == bindparam("effect"))
    .values(spec=bindparam("new_spec"), body=bindparam("new_body"))
)


@dataclass(slots=True)
class Filed:
    """What one filing writes, prepared outside the transaction."""

    effect: Effect
    case: Case
    process: Process
    key: DataKey
    original: tuple[UUID, bytes] | None
    summary: bytes
    summary_id: UUID
    documents: list[Stored]
    tables: dict[str, Any]
    variables: dict[str, Any]
    marks: dict[str, str]
    keys: list[str]


def file_case(db: Database, job: Job, lease: Lease) -> None:
    """Prepare the filing of a case and hand it to delivery."""
    with db.read() as session:
        prepared = _prepare(session, UUID(job.key))
        efile = _askable(session, prepared) if prepared else None
    in_efile = None
    if prepared is not None and efile is not None:
        try:
            in_efile = search(efile, prepared.case, prepared.process.profile.filing, list(prepared.marks.values()))
        except NotNowError as error:
            log.info("efile_not_now", reason=str(error)[:200])
            with db.write() as session:
                lease.again(session, due=now() + ASK_AGAIN)
            return
    with db.write() as session:
        lease.finish(session)
        if prepared is not None:
            _hand_over(session, prepared, in_efile)


def _askable(session: Session, filed: Filed) -> Instance | None:
    """The e-file to ask, if the hub does not know the Akte itself and there is something to ask by."""
    if not filed.marks or akte.is_known(session, filed.case, filed.process.profile.filing, filed.keys):
        return None
    return instance_of(session, filed.case, filed.process, filed.effect)


def _prepare(session: Session, effect_id: UUID) -> Filed | None:
    effect = rows.snapshot(session, Effect, effect_id)
    if effect is None or effect.state != "open":
        return None
    case = rows.case_of(session, effect.case_id)
    assert case is not None
    assert case.process_version_id is not None
    process = library.load(session, case.process_version_id)
    key = vault.key(session, case.data_key_id)
    found = [
        item
        for item in documents.of_case(session, case.id, vault.key)
        if item.role not in {"package", "summary"} and not item.flag
    ]
    data = content.get_data(session, case.id, key)
    tables = {"application": data.pop("application", {}), "case": facts(case), "data": data}
    variables = content.open_json(key, effect.body).get("variables", {}) if effect.body else {}
    original = next((item for item in found if item.role == "original"), None)
    attached: dict[str, bytes] = {}
    content_of = b""
    if original is not None:
        with vault.open_document(session, original) as stream:
            content_of = stream.read()
        attached[original.name] = _as_utf8(content_of)
    view = reading_view(process, content_of)
    summary = paper.render("summary", _paper(session, process, case, found, view, original), attached)
    filing = process.profile.filing
    return Filed(
        effect=effect,
        case=case,
        process=process,
        key=key,
        original=(original.id, content_of) if original else None,
        summary=summary,
        summary_id=UUID(int=effect.id.int ^ 1),
        documents=found,
        tables=tables,
        variables=variables,
        marks=akte.marks(case, filing, variables, tables),
        keys=akte.hashes(case, filing, variables, tables),
    )


def _as_utf8(data: bytes) -> bytes:
    """The setter takes text in UTF-8 only; other XML is attached in UTF-8, the e-file gets the original."""
    try:
        data.decode()
    except UnicodeDecodeError:
        return bytes(etree.tostring(safe.parse_xml(data), encoding="utf-8", xml_declaration=True))
    return data


def _size(size: int) -> str:
    return f"{size / 1_048_576:.1f} MB".replace(".", ",") if size >= 1_048_576 else f"{max(1, size // 1024)} KB"


def _paper(
    session: Session, process: Process, case: Case, found: list[Stored], view: list[Section], original: Stored | None
) -> dict[str, Any]:
    received = berlin_date(case.received_at)
    course = session.connection().execute(_COURSE, {"case": case.id}).all()
    return {
        "title": process.profile.title,
        "authority": AUTHORITY,
        "number": case.number,
        "date": [received.year, received.month, received.day],
        "facts": [
            ["Vorgang", case.number],
            ["Eingang", german(received)],
            ["Zuständig", catalogue.department_title(session, case.tenant_id, case.department)],
            *([["Aktenzeichen", case.aktenzeichen]] if case.aktenzeichen else []),
        ],
        "sections": [section_data(section) for section in view],
        "documents": [{"title": item.title, "size": _size(item.size), "digest": item.sha256[:16]} for item in found],
        "course": [[at.strftime("%d.%m.%Y %H:%M UTC"), text] for at, text in course],
        "attached": [{"file": original.name, "media_type": original.media_type, "title": original.title}]
        if original
        else [],
    }


def _hand_over(session: Session, filed: Filed, in_efile: Known | None) -> None:
    case, filing = filed.case, filed.process.profile.filing
    try:
        target = akte.find_or_create(session, case, filing, filed.keys, in_efile)
    except akte.NoAkteError as error:
        troubles.open_trouble(
            session,
            tenant=case.tenant_id,
            kind=troubles.KLAERFALL,
            code="filing.no-file",
            title="Keine Akte gefunden",
            message=str(error),
            dedupe=f"effect:{filed.effect.id}",
            choices=("retry",),
            case_id=case.id,
            effect_id=filed.effect.id,
            department=case.department,
        )
        return
    akte.note_on_case(session, case, target, filing.number)
    documents.add(
        session,
        tenant=case.tenant_id,
        key_id=case.data_key_id,
        key=filed.key,
        role="summary",
        name=f"Zusammenfassung-{case.number}.pdf",
        title="Zusammenfassung (PDF/A-3)",
        media_type="application/pdf",
        content=filed.summary,
        blobs=vault.blobs(),
        case_id=case.id,
        document_id=filed.summary_id,
    )
    order = _order(session, filed, target)
    package, package_digest = _package(session, filed, order)
    spec = dict(filed.effect.spec) | {"documents": [str(package)]}
    body = {
        "input": {
            "file_number": target.aktenzeichen,
            "file_id": str(target.id),
            "new_file": target.new,
            "plan": filing.plan,
            "transaction_id": str(case.id),
            "process_id": str(filed.effect.id),
        },
        "variables": filed.variables,
    }
    changed = {"effect": filed.effect.id, "new_spec": spec, "new_body": content.seal_json(filed.key, body)}
    session.connection().execute(_ORDERED, changed)
    events.record(
        session,
        tenant=case.tenant_id,
        case_id=case.id,
        kind="filing",
        element=filed.effect.element,
        summary=f"Ablage vorbereitet: Akte {target.aktenzeichen}" + (" (neu)" if target.new else " (vorhanden)"),
        detail={"aktenzeichen": target.aktenzeichen, "package": str(package), "sha256": package_digest},
    )
    audit.record(
        session,
        actor="hub",
        action="case.filed",
        subject=str(case.id),
        tenant=case.tenant_id,
        detail={"aktenzeichen": target.aktenzeichen, "package": package_digest},
    )
    jobs.enqueue(session, SEND, str(filed.effect.id), case.id, tenant=case.tenant_id)


def _package(session: Session, filed: Filed, order: xdomea.FilingOrder) -> tuple[UUID, str]:
    """Write the package (0604 creates, 0605 files), sealed; its document id and digest."""
    case = filed.case
    with tempfile.SpooledTemporaryFile(max_size=_SPOOL) as spool:
        info = xdomea.write_package(order, cast(BinaryIO, spool))
        spool.seek(0)
        blob = vault.blobs().write(spool, filed.key)
    document = documents.add_stored(
        session,
        tenant=case.tenant_id,
        key_id=case.data_key_id,
        key=filed.key,
        role="package",
        name=info.name,
        title="xdomea-Paket (SGOErstellen, SGOAblegen)",
        media_type="application/zip",
        blob=blob,
        case_id=case.id,
    )
    return document, blob.sha256


def _order(session: Session, filed: Filed, target: akte.Found) -> xdomea.FilingOrder:
    case, profile = filed.case, filed.process.profile
    plan = xdomea.PlanUnit(profile.filing.plan, profile.filing.plan_title)
    received = berlin_date(case.received_at)
    retention = xdomea.Retention(
        _years(profile.retention.period),
        {
            "archive": xdomea.Disposal.ARCHIVE,
            "destroy": xdomea.Disposal.DESTROY,
        }.get(profile.retention.disposal, xdomea.Disposal.JUDGE),
    )
    title = german(value_or(profile.filing.file.title, profile.filing.plan_title, filed.variables, filed.tables))
    file: xdomea.FileRecord | xdomea.ExistingRecord
    if target.new:
        file = xdomea.FileRecord(
            id=target.id,
            title=title,
            number=target.aktenzeichen,
            plan=plan,
            period=xdomea.Period(begin=received),
            retention=retention,
        )
    else:
        file = xdomea.ExistingRecord(id=target.far_id or str(target.id), number=target.aktenzeichen)
    subject = german(value_or(profile.filing.transaction.title, profile.title, filed.variables, filed.tables))
    return xdomea.FilingOrder(
        process_id=filed.effect.id,
        created_at=filed.effect.created_at.replace(microsecond=0),
        sender=xdomea.Party(AUTHORITY, catalogue.department_title(session, case.tenant_id, case.department)),
        receiver=xdomea.Party(AUTHORITY, "E-Akte"),
        file=file,
        transaction=xdomea.TransactionRecord(
            id=case.id,
            title=subject,
            number=case.number,
            plan=plan,
            period=xdomea.Period(begin=received),
            retention=retention,
        ),
        documents=(*(_record(session, filed, item) for item in filed.documents), _summary_record(filed)),
    )


def _years(period: str) -> int | None:
    return int(period[1:-1]) if period.endswith("Y") and period[1:-1].isdigit() else None


def _record(session: Session, filed: Filed, item: Stored) -> xdomea.DocumentRecord:
    return xdomea.DocumentRecord(
        id=item.id,
        title=item.title,
        name=item.name,
        media_type=item.media_type,
        size=item.size,
        sha256=item.sha256,
        open=_opener(session, filed, item),
        received_on=berlin_date(item.created_at),
    )


def _opener(session: Session, filed: Filed, item: Stored) -> Callable[[], BinaryIO]:
    if filed.original and filed.original[0] == item.id:
        content = filed.original[1]
        return lambda: io.BytesIO(content)
    return lambda: vault.open_document(session, item)


def _summary_record(filed: Filed) -> xdomea.DocumentRecord:
    return xdomea.DocumentRecord(
        id=filed.summary_id,
        title="Zusammenfassung",
        name=f"Zusammenfassung-{filed.case.number}.pdf",
        media_type="application/pdf",
        size=len(filed.summary),
        open=lambda: io.BytesIO(filed.summary),
        dated_on=berlin_date(filed.case.received_at),
    )


def forget_packages(db: Database) -> None:
    """Delivered packages are removed from the blob store; their digest stays in the story of the case. Recurring."""
    with db.write() as session:
        old = session.execute(
            select(Document.id, Document.blob)
            .join(Effect, Effect.case_id == Document.case_id)
            .where(
                Document.role == "package",
                Document.blob.is_not(None),
                Effect.kind == "delivery",
                Effect.state == "done",
                Document.created_at < now() - timedelta(days=7),
            )
            .limit(500)
        ).all()
        for row in old:
            session.execute(update(Document).where(Document.id == row.id).values(blob=None))
    for row in old:
        vault.blobs().delete(row.blob)
