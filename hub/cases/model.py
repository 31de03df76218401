"""What every slice shares about a case: submissions, the case, effects, events, data, documents, numbers, deadlines.

Content that can name a person (titles, file names, answers, payloads) is sealed with the data key of its submission;
only what routing, listing and counting need is stored in clear.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Boolean, Date, ForeignKey, Index, Integer, LargeBinary, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from hub.kit.database import Base, Instant, JsonText, Uuid, new_id


class Submission(Base):
    """An Einreichung: what arrived, when it legally arrived, and what became of it.

    `received_at` is the legal receipt (Zugang) with the source of that time; `fetched_at` is when the hub had it.
    """

    __tablename__ = "submission"

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True, default=new_id)
    tenant_id: Mapped[str] = mapped_column(String(40))
    client_id: Mapped[str] = mapped_column(String(80))
    channel: Mapped[str] = mapped_column(String(20))  # api | file-drop | invoice-http | invoice-folder
    kind: Mapped[str] = mapped_column(String(20), default="initial")
    service: Mapped[str | None] = mapped_column(String(80))
    idempotency_key: Mapped[str | None] = mapped_column(String(200))
    request_digest: Mapped[str] = mapped_column(String(64))
    state: Mapped[str] = mapped_column(String(20))  # received | accepted | clearing | refused | withdrawn
    refers_to: Mapped[UUID | None] = mapped_column(Uuid)  # the case a supplement or withdrawal belongs to
    received_at: Mapped[datetime] = mapped_column(Instant)
    received_source: Mapped[str] = mapped_column(String(20))
    fetched_at: Mapped[datetime] = mapped_column(Instant)
    media_type: Mapped[str] = mapped_column(String(120))
    data_key_id: Mapped[UUID | None] = mapped_column(Uuid)
    problems: Mapped[list[dict[str, Any]] | None] = mapped_column(JsonText)
    reply_to: Mapped[str | None] = mapped_column(String(80))  # name of the connector instance that answers
    sender_reference: Mapped[str | None] = mapped_column(String(200))

    __table_args__ = (
        UniqueConstraint("tenant_id", "client_id", "idempotency_key"),
        Index(
            "ix_submission_refused",
            "tenant_id",
            "fetched_at",
            postgresql_where=text("state = 'refused'"),
            sqlite_where=text("state = 'refused'"),
        ),
    )


class Case(Base):
    """A case (Vorgang in work): one run of one released process version for one matter."""

    __tablename__ = "hub_case"

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True, default=new_id)
    tenant_id: Mapped[str] = mapped_column(String(40))
    number: Mapped[str] = mapped_column(String(20))
    process: Mapped[str] = mapped_column(String(80))
    process_version_id: Mapped[UUID | None] = mapped_column(Uuid)
    title: Mapped[bytes] = mapped_column(LargeBinary)  # sealed
    department: Mapped[str] = mapped_column(String(60))
    state: Mapped[str] = mapped_column(String(20))  # open | waiting | clearing | closed
    outcome: Mapped[str | None] = mapped_column(String(60))
    secrecy: Mapped[str] = mapped_column(String(20))
    protected_person: Mapped[bool] = mapped_column(Boolean, default=False)
    received_at: Mapped[datetime] = mapped_column(Instant)
    opened_at: Mapped[datetime] = mapped_column(Instant)
    closed_at: Mapped[datetime | None] = mapped_column(Instant)
    data_key_id: Mapped[UUID] = mapped_column(Uuid)
    aktenzeichen: Mapped[str | None] = mapped_column(String(120))
    foreign_numbers: Mapped[dict[str, Any] | None] = mapped_column(JsonText)
    reply_to: Mapped[str | None] = mapped_column(String(80))
    subject_hash: Mapped[str | None] = mapped_column(String(64))  # keyed hash that finds the existing Akte
    duplicate_of: Mapped[str | None] = mapped_column(String(20))

    __table_args__ = (
        UniqueConstraint("tenant_id", "number"),
        Index(
            "ix_hub_case_open",
            "tenant_id",
            "department",
            "received_at",
            postgresql_where=text("state <> 'closed'"),
            sqlite_where=text("state <> 'closed'"),
        ),
        Index("ix_hub_case_aktenzeichen", "tenant_id", "aktenzeichen"),
    )


class SubmissionCase(Base):
    """Which submission belongs to which case (n : m)."""

    __tablename__ = "submission_case"

    submission_id: Mapped[UUID] = mapped_column(Uuid, ForeignKey("submission.id"), primary_key=True)
    case_id: Mapped[UUID] = mapped_column(Uuid, ForeignKey("hub_case.id"), primary_key=True)
    tenant_id: Mapped[str] = mapped_column(String(40))
    kind: Mapped[str] = mapped_column(String(20))

    __table_args__ = (Index("ix_submission_case_case", "case_id"),)


class Effect(Base):
    """Something the process asked for and waits on; its id is the idempotency key of everything done for it."""

    __tablename__ = "effect"

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True, default=new_id)
    tenant_id: Mapped[str] = mapped_column(String(40))
    case_id: Mapped[UUID] = mapped_column(Uuid, ForeignKey("hub_case.id"))
    wait: Mapped[str] = mapped_column(String(80))
    kind: Mapped[str] = mapped_column(String(20))  # user-task | delivery | notice | timer | message-wait
    element: Mapped[str] = mapped_column(String(80))
    name: Mapped[str] = mapped_column(String(200))
    state: Mapped[str] = mapped_column(String(12))  # open | done | cancelled
    spec: Mapped[dict[str, Any]] = mapped_column(JsonText)  # routing only: connector, operation, form, message
    body: Mapped[bytes | None] = mapped_column(LargeBinary)  # sealed
    department: Mapped[str | None] = mapped_column(String(60))
    role: Mapped[str | None] = mapped_column(String(40))
    claimed_by: Mapped[str | None] = mapped_column(String(80))
    claimed_at: Mapped[datetime | None] = mapped_column(Instant)
    due_at: Mapped[datetime | None] = mapped_column(Instant)
    created_at: Mapped[datetime] = mapped_column(Instant)
    done_at: Mapped[datetime | None] = mapped_column(Instant)
    done_by: Mapped[str | None] = mapped_column(String(80))
    outcome: Mapped[str | None] = mapped_column(String(40))

    __table_args__ = (
        UniqueConstraint("case_id", "wait"),
        Index(
            "ix_effect_tasks",
            "tenant_id",
            "department",
            "created_at",
            postgresql_where=text("kind = 'user-task' AND state = 'open'"),
            sqlite_where=text("kind = 'user-task' AND state = 'open'"),
        ),
    )


class CaseEvent(Base):
    """What happened to a case, append-only. Trace, status page and webhooks read it; the engine consumes some.

    `detail` holds no personal data; what does is sealed in `body`.
    """

    __tablename__ = "case_event"

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True, default=new_id)
    tenant_id: Mapped[str] = mapped_column(String(40))
    case_id: Mapped[UUID] = mapped_column(Uuid, ForeignKey("hub_case.id"))
    at: Mapped[datetime] = mapped_column(Instant)
    kind: Mapped[str] = mapped_column(String(40))
    actor: Mapped[str] = mapped_column(String(80))
    element: Mapped[str | None] = mapped_column(String(80))
    summary: Mapped[str] = mapped_column(Text)
    detail: Mapped[dict[str, Any] | None] = mapped_column(JsonText)
    body: Mapped[bytes | None] = mapped_column(LargeBinary)
    public: Mapped[bool] = mapped_column(Boolean, default=False)
    dedupe: Mapped[str | None] = mapped_column(String(120))

    __table_args__ = (
        UniqueConstraint("case_id", "dedupe"),
        Index("ix_case_event_case", "case_id", "id"),
    )


class Signal(Base):
    """An event the engine still has to take (a finished task, an outcome, a message, a timer); deleted when taken."""

    __tablename__ = "signal"

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True, default=new_id)
    tenant_id: Mapped[str] = mapped_column(String(40))
    case_id: Mapped[UUID] = mapped_column(Uuid, ForeignKey("hub_case.id"))
    kind: Mapped[str] = mapped_column(String(20))  # task | delivery | message | timer
    wait: Mapped[str | None] = mapped_column(String(80))
    message: Mapped[str | None] = mapped_column(String(80))
    body: Mapped[bytes] = mapped_column(LargeBinary)  # sealed variables and outcome
    created_at: Mapped[datetime] = mapped_column(Instant)

    __table_args__ = (Index("ix_signal_case", "case_id", "id"),)


class CaseData(Base):
    """Answers and results by element id: the readable application, form answers, connector results (sealed)."""

    __tablename__ = "case_data"

    case_id: Mapped[UUID] = mapped_column(Uuid, ForeignKey("hub_case.id"), primary_key=True)
    name: Mapped[str] = mapped_column(String(80), primary_key=True)
    tenant_id: Mapped[str] = mapped_column(String(40))
    body: Mapped[bytes] = mapped_column(LargeBinary)
    updated_at: Mapped[datetime] = mapped_column(Instant)


class Document(Base):
    """A document, immutable by its digest: inline when small, otherwise a reference into the blob store (sealed)."""

    __tablename__ = "document"

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True, default=new_id)
    tenant_id: Mapped[str] = mapped_column(String(40))
    submission_id: Mapped[UUID | None] = mapped_column(Uuid, ForeignKey("submission.id"))
    case_id: Mapped[UUID | None] = mapped_column(Uuid, ForeignKey("hub_case.id"))
    role: Mapped[str] = mapped_column(String(20))  # original | attachment | summary | notice | package | received
    meta: Mapped[bytes] = mapped_column(LargeBinary)  # sealed {name, title}
    media_type: Mapped[str] = mapped_column(String(120))
    size: Mapped[int] = mapped_column(Integer)
    sha256: Mapped[str] = mapped_column(String(64))
    data_key_id: Mapped[UUID] = mapped_column(Uuid)
    inline: Mapped[bytes | None] = mapped_column(LargeBinary)
    blob: Mapped[str | None] = mapped_column(String(120))
    flag: Mapped[str | None] = mapped_column(String(40))  # quarantine reason
    public: Mapped[bool] = mapped_column(Boolean, default=False)
    created_at: Mapped[datetime] = mapped_column(Instant)

    __table_args__ = (
        Index(
            "ix_document_case",
            "case_id",
            postgresql_where=text("case_id IS NOT NULL"),
            sqlite_where=text("case_id IS NOT NULL"),
        ),
        Index("ix_document_submission", "submission_id"),
        Index(
            "ix_document_blob",
            "blob",
            postgresql_where=text("blob IS NOT NULL"),
            sqlite_where=text("blob IS NOT NULL"),
        ),
    )


class AktenzeichenCounter(Base):
    """The last running number per Aktenplan position and year; numbers are unique, gaps are allowed."""

    __tablename__ = "aktenzeichen_counter"

    tenant_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    plan: Mapped[str] = mapped_column(String(40), primary_key=True)
    year: Mapped[int] = mapped_column(Integer, primary_key=True)
    last: Mapped[int] = mapped_column(Integer)


class Akte(Base):
    """A file the hub knows: found by keyed hashes of what identifies it (plot, business, Kassenzeichen, subject)."""

    __tablename__ = "akte"

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True, default=new_id)
    tenant_id: Mapped[str] = mapped_column(String(40))
    plan: Mapped[str] = mapped_column(String(40))
    aktenzeichen: Mapped[str] = mapped_column(String(120))
    led_by: Mapped[str] = mapped_column(String(20))  # hub | dms | specialist-app
    far_id: Mapped[str | None] = mapped_column(String(160))  # the e-file's own id, where it told us
    created_at: Mapped[datetime] = mapped_column(Instant)

    __table_args__ = (UniqueConstraint("tenant_id", "aktenzeichen"),)


class AkteKey(Base):
    """One keyed hash by which an Akte is found again."""

    __tablename__ = "akte_key"

    tenant_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    plan: Mapped[str] = mapped_column(String(40), primary_key=True)
    hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    akte_id: Mapped[UUID] = mapped_column(Uuid, ForeignKey("akte.id"))


class Deadline(Base):
    """A running or finished period of a case, with its legal basis (data, never code)."""

    __tablename__ = "deadline"

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True, default=new_id)
    tenant_id: Mapped[str] = mapped_column(String(40))
    case_id: Mapped[UUID] = mapped_column(Uuid, ForeignKey("hub_case.id"))
    name: Mapped[str] = mapped_column(String(60))
    title: Mapped[str] = mapped_column(String(200))
    legal_basis: Mapped[str] = mapped_column(String(200))
    state: Mapped[str] = mapped_column(String(20))  # not_started | running | met | overdue | fiction_occurred
    starts_on: Mapped[date | None] = mapped_column(Date)
    due_on: Mapped[date | None] = mapped_column(Date)

    __table_args__ = (
        UniqueConstraint("case_id", "name"),
        Index(
            "ix_deadline_due",
            "tenant_id",
            "due_on",
            postgresql_where=text("state = 'running'"),
            sqlite_where=text("state = 'running'"),
        ),
    )


class Trouble(Base):
    """A clearing item: a Klärfall for the department or a Störung for IT, with choices; never just a log line."""

    __tablename__ = "trouble"

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True, default=new_id)
    tenant_id: Mapped[str] = mapped_column(String(40))
    kind: Mapped[str] = mapped_column(String(12))  # klaerfall | stoerung
    code: Mapped[str] = mapped_column(String(60))
    title: Mapped[str] = mapped_column(String(200))
    message: Mapped[str] = mapped_column(Text)
    case_id: Mapped[UUID | None] = mapped_column(Uuid)
    submission_id: Mapped[UUID | None] = mapped_column(Uuid)
    effect_id: Mapped[UUID | None] = mapped_column(Uuid)
    department: Mapped[str | None] = mapped_column(String(60))
    choices: Mapped[list[str]] = mapped_column(JsonText)
    detail: Mapped[dict[str, Any] | None] = mapped_column(JsonText)
    state: Mapped[str] = mapped_column(String(12))  # open | solved
    created_at: Mapped[datetime] = mapped_column(Instant)
    solved_at: Mapped[datetime | None] = mapped_column(Instant)
    solved_by: Mapped[str | None] = mapped_column(String(80))
    solution: Mapped[str | None] = mapped_column(String(40))
    dedupe: Mapped[str] = mapped_column(String(120))

    __table_args__ = (
        UniqueConstraint("tenant_id", "dedupe"),
        Index(
            "ix_trouble_open",
            "tenant_id",
            "kind",
            "created_at",
            postgresql_where=text("state = 'open'"),
            sqlite_where=text("state = 'open'"),
        ),
    )
