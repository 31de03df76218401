"""A submission on its way in, as every channel hands it over, and the receipt it gets."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any
from uuid import UUID

from hub.intake.metadata import Metadata
from hub.kit.blobs import StoredBlob
from hub.kit.database import new_id
from hub.kit.keys import DataKey
from xoev.report import Fault

KINDS = frozenset({"initial", "supplement", "amendment", "withdrawal", "objection", "duplicate", "bundle"})
MAX_ORIGINAL = 20 * 1024 * 1024

MayUse = Callable[..., bool]


@dataclass(frozen=True, slots=True)
class Upload:
    """An attachment that was sealed while it streamed in.

    `faults` make the submission refused (wrong type, empty); `flag` withholds the attachment (active content).
    """

    blob: StoredBlob
    name: str
    title: str
    media_type: str
    faults: tuple[Fault, ...] = ()
    flag: str | None = None


@dataclass
class Incoming:
    """One submission as a channel hands it over. `key` sealed the uploads and will seal the original.

    `may_use(process id, LeiKa-ID)` says whether the sender may submit to a service.
    """

    tenant: str
    client_id: str
    channel: str
    media_type: str
    original: bytes
    key: DataKey
    wrapped_key: bytes
    may_use: MayUse
    service: str | None = None
    kind: str = "initial"
    refers_to: str | None = None
    idempotency_key: str | None = None
    uploads: Sequence[Upload] = ()
    received_at: datetime | None = None
    received_source: str = "hub"
    reply_to: str | None = None
    sender_reference: str | None = None
    declared_schema: str | None = None
    strict: bool = False
    key_id: UUID = field(default_factory=new_id)

    def describe(self, told: Metadata) -> None:
        """Take over what the sender says; a legal receipt at the portal wins over the hub's own time."""
        self.service, self.kind, self.refers_to = told.service, told.kind, told.case
        self.sender_reference, self.declared_schema = told.sender_reference, told.schema
        if told.received_at is not None:
            self.received_at, self.received_source = told.received_at, "portal"

    @cached_property
    def digest(self) -> str:
        """What an idempotency key stands for: the same content gives the same digest. Ask once it is complete."""
        service = self.service if self.kind == "initial" else None  # a follow-up is told by its case
        parts = [
            service or "",
            self.kind,
            self.refers_to or "",
            self.media_type,
            self.sender_reference or "",
            hashlib.sha256(self.original).hexdigest(),
        ]
        parts += [f"{upload.name}:{upload.blob.sha256}" for upload in self.uploads]
        return hashlib.sha256("\n".join(parts).encode("utf-8", "replace")).hexdigest()


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the sender is told; `fresh` is False when the same submission had come before."""

    id: UUID
    state: str
    received_at: datetime
    digest: str
    problems: list[dict[str, Any]]
    fresh: bool
