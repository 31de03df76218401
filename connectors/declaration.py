"""What ``connector.yaml`` may say: the declared half of the connector contract.

A manifest describes a product or a standard profile. It never holds an address, a credential or Python; those belong to
an *instance* (``connectors.contract.Instance``). Reading and checking happens in ``connectors.manifest``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

CONTRACT_VERSIONS = (1,)

Kind = Literal["specialist-app", "dms", "reply", "payment", "register", "seal"]
Transport = Literal[
    "rest", "soap", "sftp", "folder", "sql", "amqp", "smtp", "xta", "cmis", "webdav", "fit-connect", "manual"
]
RUNNABLE_TRANSPORTS = frozenset({"rest", "soap", "sftp", "folder"})

Repeat = Literal["never", "same-key", "safe"]
Body = Literal["none", "json", "xml", "soap", "original", "attachments", "package", "multipart", "control-file"]
EventKind = Literal[
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
]
OutcomeKind = Literal["delivered", "handed-over", "transient", "rejected", "configuration", "unknown", "absent"]

Slug = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$", max_length=80)]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=60)]
Period = Annotated[str, StringConstraints(pattern=r"^P(\d+D|(\d+D)?T(\d+H)?(\d+M)?\d+[HMS])$")]
Text = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]


class Declared(BaseModel):
    """Base of everything in a manifest: unknown keys are faults, values never change after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, strict=True)


class Answer(Declared):
    """What one answer of the far system means. ``when`` and the ``{...}`` in ``say`` are JSONata over the answer
    ``{status, headers, body, fault}``; the first entry that holds decides."""

    when: Text
    outcome: Literal["delivered", "transient", "rejected", "configuration", "unknown", "absent"]
    say: Text
    saves: dict[Name, Text] = {}


class Step(Declared):
    """One call. ``repeat`` says what a second call does: ``safe`` (nothing), ``same-key`` (the far system recognises
    the idempotency key), ``never`` (it would act twice; an unknown outcome must be looked up first)."""

    id: Slug
    call: Text
    repeat: Repeat
    map: str | None = None
    body: Body = "none"
    attachments: str = "none"
    optional: bool = False
    saves: dict[Name, Text] = {}
    headers: dict[str, str] = {}
    sign: bool = False
    answers: list[Answer] = []


class Lookup(Declared):
    """How to find out whether an earlier call arrived. ``found`` is JSONata over the answer."""

    call: Text
    by: Text = "idempotency-key"
    map: str | None = None
    found: str | None = None
    saves: dict[Name, Text] = {}
    answers: list[Answer] = []


class Expects(Declared):
    """A business receipt that comes later by ``listen``; overdue after ``by`` (ISO 8601 duration)."""

    by: Period
    event: EventKind | None = None
    match: dict[str, str] = {}


class Operation(Declared):
    """One outgoing verb of a connector. ``collect`` is part of the contract but is refused at run time for now."""

    title: str | None = None
    steps: Annotated[list[Step], Field(min_length=1)]
    lookup: Lookup | None = None
    expects: Expects | None = None
    collect: Literal["nightly", "hourly"] | None = None
    answers: list[Answer] = []

    def step(self, step_id: str) -> Step:
        """The step called ``step_id``; KeyError when there is none."""
        for step in self.steps:
            if step.id == step_id:
                return step
        raise KeyError(step_id)


class Listen(Declared):
    """One kind of message the far system sends on its own. All expressions are JSONata over the parsed message."""

    event: EventKind
    by: Literal["webhook", "folder", "poll", "xta", "sql"]
    when: str | None = None
    id: Text
    match: Annotated[dict[Name, Text], Field(min_length=1)]
    map: str | None = None
    payload: dict[Name, Text] = {}
    documents: str | None = None
    path: str | None = None
    pattern: str = "*"


class Evidence(Declared):
    """How far the interface has been proven, when, and where that is written down."""

    level: Literal["none", "twin", "sandbox", "production"]
    date: str | None = None
    source: Text


class PersonalData(Declared):
    """What the register of processing (Art. 30 DSGVO) needs to know about this hand-over."""

    fields: Annotated[list[Text], Field(min_length=1)]
    purpose: Text
    legal_basis: Text
    retention: Text
    secrecy: Literal["general", "tax", "social", "youth", "personnel"]


class Speaks(Declared):
    """The standard or product interface and its version."""

    standard: Text
    version: Text


class Signature(Declared):
    """HMAC-SHA256 over ``<unix seconds>.<body>``, hex, in ``header``; the time in ``timestamp_header``."""

    secret: Name = "webhook_secret"  # noqa: S105 - the name of a setting, not its value
    header: str = "Webhook-Signature"
    timestamp_header: str = "Webhook-Timestamp"
    prefix: str = "sha256="
    tolerance_s: int = 300


class Manifest(Declared):
    """A whole ``connector.yaml``; ``folder`` is where it was read."""

    id: Slug
    title: Text
    contract: int
    kind: Kind
    transport: Transport
    domain: Text
    summary: str = ""
    profile: str | None = None
    products: list[str] = []
    evidence: Evidence
    speaks: Speaks
    settings: dict[str, Any] = {}
    personal_data: PersonalData
    namespaces: dict[str, str] = {}
    message_schema: str | None = Field(default=None, alias="schema")
    wsdl: str | None = None
    port: str | None = None
    signature: Signature = Signature()
    check: str | None = None
    retry: list[Period] = ["PT2S", "PT5S", "PT15S", "PT1M", "PT5M", "PT15M"]
    operations: Annotated[dict[Slug, Operation], Field(min_length=1)]
    listen: list[Listen] = []
    samples: str = "samples/*.json"
    folder: Path = Field(default=Path(), exclude=True)

    @property
    def settings_schema(self) -> dict[str, Any]:
        """JSON Schema (2020-12) of an instance's settings: those of the transport plus the manifest's own."""
        from connectors.settings import settings_schema

        return settings_schema(self)

    @property
    def secret_settings(self) -> frozenset[str]:
        """Names of settings that are secrets (``writeOnly``): stored by reference, injected by the hub, never shown."""
        return frozenset(n for n, p in self.settings_schema["properties"].items() if p.get("writeOnly"))

    def operation(self, name: str) -> Operation:
        """The operation ``name``; KeyError with the known names when there is none."""
        try:
            return self.operations[name]
        except KeyError:
            known = ", ".join(sorted(self.operations))
            raise KeyError(f"{self.id} kennt keine Operation {name!r}; bekannt: {known}") from None
