"""The connector contract: the values that pass between the hub and a connector.

The hub decrypts, injects secrets, keeps the ledger and commits between steps; a connector knows neither database nor
cases. Every call ends as an :class:`Outcome` whose kind says **who acts next**:

=================  ====================================================================================
``delivered``      nobody: the business record exists
``handed-over``    nobody yet: technically accepted, the business receipt comes later (``expects``)
``transient``      the hub, later, by itself
``rejected``       the caseworker: the case is at fault
``configuration``  IT: settings, mapping or credentials are at fault
``unknown``        the hub looks into the target first; no blind repetition
``absent``         (lookup only) the target does not know the key
=================  ====================================================================================
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from connectors.declaration import Expects, Manifest, Operation, OutcomeKind, Repeat, Step

__all__ = [
    "Attachment",
    "ConnectorError",
    "Fault",
    "InboundDocument",
    "InboundEvent",
    "InboundRefused",
    "Instance",
    "Manifest",
    "ManifestError",
    "Message",
    "Operation",
    "Outcome",
    "OutcomeKind",
    "PlannedStep",
    "Repeat",
    "Step",
]

SUCCESS = frozenset({"delivered", "handed-over"})


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that travels with a message. ``open`` returns a fresh binary stream each time; it is read in pieces and
    never held in memory. ``digest`` is the SHA-256 in hex of the content."""

    id: str
    name: str
    media_type: str
    size: int
    digest: str
    title: str
    open: Callable[[], BinaryIO]

    def facts(self) -> dict[str, Any]:
        """What a mapping sees of it."""
        return {
            "id": self.id,
            "name": self.name,
            "media_type": self.media_type,
            "size": self.size,
            "digest": self.digest,
            "title": self.title,
        }


@dataclass(frozen=True, slots=True)
class Message:
    """Everything a mapping may read. ``key`` is the idempotency key of the delivery (the effect's id).

    ``saved`` holds what earlier steps of the same operation saved; the hub fills it from its ledger.
    Money and other exact numbers are decimals or strings, never binary floats.
    """

    key: str
    case: Mapping[str, Any]
    application: Mapping[str, Any]
    data: Mapping[str, Any] = field(default_factory=dict)
    saved: Mapping[str, Any] = field(default_factory=dict)
    input: Mapping[str, Any] = field(default_factory=dict)
    original: Attachment | None = None
    documents: Sequence[Attachment] = ()


@dataclass(frozen=True, slots=True)
class Instance:
    """One configured far system. ``settings`` are already checked and hold the secrets; immutable per ``version``."""

    id: str
    version: int
    manifest: Manifest
    settings: Mapping[str, Any]
    stage: str = "demo"
    timeout_s: float = 30.0

    def __repr__(self) -> str:
        """Without settings: they hold secrets and a repr ends up in logs."""
        return f"Instance({self.id!r}, version={self.version}, manifest={self.manifest.id!r}, stage={self.stage!r})"


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """One call of an operation, in order. The ledger row ``delivery_step`` is made from it."""

    operation: str
    id: str
    repeat: Repeat
    last: bool
    step: Step
    expects: Expects | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a call ended. ``say`` is German, for the person who acts; ``detail`` is for the operator. ``request`` and
    ``answer`` are shortened and hold structure, sizes and hashes, never personal data or secrets."""

    kind: OutcomeKind
    saved: dict[str, Any] = field(default_factory=dict)
    say: str = ""
    detail: str = ""
    request: str = ""
    answer: str = ""
    status: str | None = None

    @property
    def ok(self) -> bool:
        """Whether the next step may follow."""
        return self.kind in SUCCESS


@dataclass(frozen=True, slots=True)
class InboundDocument:
    """A file that came with an inbound message (a notice as PDF, for instance)."""

    name: str
    title: str
    media_type: str
    content: bytes


@dataclass(frozen=True, slots=True)
class InboundEvent:
    """What the far system told us. ``key`` is the sender's own unique id of the message (ignore a second one);
    ``match`` finds the case by any of its entries, for instance ``{"key": ..., "file_number": ...}``."""

    event: str
    key: str
    match: dict[str, str]
    payload: dict[str, Any]
    documents: tuple[InboundDocument, ...] = ()


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of a manifest or of settings: where, what, and what to do. The message is German."""

    file: str
    line: int | None
    place: str
    code: str
    message: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else self.file
        return f"{where}: {self.place}: {self.message}" if self.place else f"{where}: {self.message}"


class ConnectorError(Exception):
    """Base of the errors a caller may meet; calls themselves never raise, they end as an :class:`Outcome`."""


class ManifestError(ConnectorError):
    """Manifests (or settings) are at fault; ``faults`` holds all of them, not only the first."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(str(fault) for fault in self.faults))


class InboundRefused(ConnectorError):  # noqa: N818 - an expected answer, part of the contract
    """An inbound message was not accepted. ``code`` is stable (``signature.wrong``, ``signature.old``,
    ``body.unreadable``, ``event.unknown``)."""

    def __init__(self, code: str, say: str) -> None:
        self.code, self.say = code, say
        super().__init__(f"{code}: {say}")
