"""What the hub hands to the e-file: Akte, Vorgang and Dokument, and the order to file them.

Terms: file = Akte, transaction = Vorgang, document = Dokument (xdomea 3.1.0, FVDaten message group 06).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import BinaryIO
from uuid import UUID


class FilingError(ValueError):
    """The order cannot be filed as it is: nothing usable was written."""


class Confidentiality(StrEnum):
    """Vertraulichkeitsstufe, code list version 1.0. Tax or social secrecy is *not* a VSA classification."""

    SECRET = "001"  # noqa: S105 - a code, no password
    OFFICIAL_USE = "002"
    OPEN = "003"
    TOP_SECRET = "004"  # noqa: S105
    CONFIDENTIAL = "005"


class Disposal(StrEnum):
    """Aussonderungsart: archive, judge (bewerten) or destroy (vernichten)."""

    ARCHIVE = "A"
    JUDGE = "B"
    DESTROY = "V"


@dataclass(frozen=True, slots=True)
class Party:
    """Sender or receiver (Kontakt): authority and, optionally, its unit."""

    authority: str
    unit: str | None = None


@dataclass(frozen=True, slots=True)
class System:
    """A sending or receiving system (SystemType)."""

    product: str
    version: str | None = None
    instance: str | None = None


@dataclass(frozen=True, slots=True)
class PlanUnit:
    """A position of the filing plan (Aktenplaneinheit)."""

    number: str
    title: str | None = None


@dataclass(frozen=True, slots=True)
class Retention:
    """Aufbewahrungsdauer in whole years (None: unlimited) and what happens afterwards."""

    years: int | None
    disposal: Disposal = Disposal.JUDGE


@dataclass(frozen=True, slots=True)
class Period:
    """Laufzeit."""

    begin: date | None = None
    end: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What files, transactions and documents share.

    ``id`` is ours and stays the same when the order is repeated; ``number`` is the Aktenzeichen.
    """

    id: UUID
    title: str
    number: str | None = None
    plan: PlanUnit | None = None
    lead: str | None = None
    confidentiality: Confidentiality = Confidentiality.OPEN
    remark: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRecord(Record):
    """A new file (Akte)."""

    period: Period = field(default_factory=Period)
    retention: Retention | None = None
    kind: str | None = None


@dataclass(frozen=True, slots=True)
class ExistingRecord:
    """A file or transaction the receiver already has, by the receiver's own id (or, failing that, its number)."""

    id: str
    number: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TransactionRecord(Record):
    """A new transaction (Vorgang) for one case."""

    period: Period = field(default_factory=Period)
    retention: Retention | None = None
    kind: str | None = None
    closed_on: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentRecord(Record):
    """One document in one version and one format; ``open`` is called once per writing, never before."""

    name: str
    media_type: str
    open: Callable[[], BinaryIO]
    size: int | None = None
    sha256: str | None = None
    kind: str | None = None
    received_on: date | None = None
    sent_on: date | None = None
    dated_on: date | None = None
    author: str | None = None
    version: str = "1"
    format_version: str = "unbekannt"


@dataclass(frozen=True, slots=True, kw_only=True)
class FilingOrder:
    """Everything needed to write the messages of one case; equal orders give equal bytes."""

    process_id: UUID
    created_at: datetime
    sender: Party
    receiver: Party
    file: FileRecord | ExistingRecord
    transaction: TransactionRecord | ExistingRecord
    documents: tuple[DocumentRecord, ...] = ()
    creator: str = "ozg-hub"
    sending_system: System = System("ozg-hub")
    receiving_system: System | None = None
    wants_receipt: bool = False
    note: str | None = None

    def __post_init__(self) -> None:
        if self.created_at.tzinfo is None:
            raise FilingError("Der Erstellungszeitpunkt braucht eine Zeitzone.")
        ids = [document.id for document in self.documents]
        if len(set(ids)) != len(ids):
            raise FilingError("Zwei Dokumente haben dieselbe Kennung.")
        if isinstance(self.file, FileRecord) and isinstance(self.transaction, ExistingRecord):
            raise FilingError("Ein vorhandener Vorgang kann nicht in einer neuen Akte liegen.")
        if isinstance(self.transaction, ExistingRecord) and not self.documents:
            raise FilingError("Der Auftrag enthält nichts, was abzulegen wäre.")


@dataclass(frozen=True, slots=True)
class PackagedFile:
    """One written entry of the package."""

    name: str
    size: int
    sha256: str
    document: UUID | None = None


@dataclass(frozen=True, slots=True)
class PackagedMessage:
    """One written message, e.g. ``0604``, ``FVDaten.SGOErstellen``."""

    number: str
    name: str
    file: str


@dataclass(frozen=True, slots=True)
class PackageInfo:
    """What a package holds."""

    name: str
    files: tuple[PackagedFile, ...]
    messages: tuple[PackagedMessage, ...]
