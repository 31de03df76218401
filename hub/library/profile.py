"""The process profile (Prozesssteckbrief): what `process.yaml` may say, checked on reading.

Every process has a named owner, a deputy and a digital guide (functions, never persons' names), says who leads
which part of the case, and carries its deadlines as data with legal basis and period of validity.
"""

from __future__ import annotations

from datetime import date
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Lead = Literal["hub", "specialist-app", "dms"]
Secrecy = Literal["general", "tax", "social", "youth", "personnel"]


class Part(BaseModel):
    """Base of every part of a profile: unknown keys are faults, values are immutable."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Responsible(Part):
    """A function in a department, for example the head of the tax office; never a person's name."""

    function: str
    department: str
    note: str | None = None


class Leads(Part):
    """Who leads which part of the case (DESIGN: who leads?)."""

    case: Lead
    deadline: Lead
    notice: Lead
    fee: Lead
    file_number: Lead
    file: Lead


class LegalBasis(Part):
    law: str
    source: str | None = None
    note: str | None = None


class AttachmentRules(Part):
    media_types: tuple[str, ...] = ("application/pdf", "image/jpeg", "image/png")
    max_megabytes: int = 20
    max_count: int = 50


class Applicant(Part):
    """Where the applicant's name is found and what marks a protected person; FEEL over `application`."""

    name: str | None = None
    protected: str | None = None


class Intake(Part):
    """What this process accepts: a FIM data schema of its own, or a standard the hub knows."""

    data_schema: str | None = Field(default=None, alias="schema")
    retired_schemas: tuple[str, ...] = ()
    standard: str | None = None
    media_types: tuple[str, ...] = ("application/json",)
    attachments: AttachmentRules = AttachmentRules()
    applicant: Applicant = Applicant()
    subject: str | None = None


class ConnectorRole(Part):
    """A role of the process (tax, dms, reply) and the connector profile that fills it."""

    profile: str
    operations: tuple[str, ...] = ()


class DeadlineRule(Part):
    """One deadline as data: legal basis, validity, what starts it, how long it runs."""

    id: str
    title: str
    legal_basis: str
    valid_from: date
    valid_to: date | None = None
    starts: str = "received"
    period: str | None = None
    due: str | None = None
    unit: Literal["calendar", "working-days"] = "calendar"
    end_shift: bool = True
    warn: tuple[Any, ...] = ()
    extendable: str | None = None
    fiction: bool = False
    note: str | None = None


class FilePolicy(Part):
    """How the Akte is found before one is created (find first, create only where this says so)."""

    find_by: tuple[str, ...] = ()
    create: bool = True
    keys: dict[str, str] = {}
    title: str
    note: str | None = None


class TransactionPolicy(Part):
    title: str


class Filing(Part):
    plan: str
    plan_title: str
    file: FilePolicy
    transaction: TransactionPolicy
    number: Lead = "hub"
    note: str | None = None


class Retention(Part):
    period: str
    legal_basis: str
    disposal: Literal["judge", "destroy", "archive"] = "judge"
    note: str | None = None


class Change(Part):
    version: str
    date: date
    change: str


class Profile(Part):
    """A process profile as `process.yaml` states it."""

    id: str
    leika: str | None = Field(default=None, pattern=r"^99\d{12}$")
    title: str
    version: str
    summary: str
    owner: Responsible
    deputy: Responsible
    guide: Responsible
    leads: Leads
    legal_basis: tuple[LegalBasis, ...]
    law_branch: Literal["general", "social", "tax"]
    secrecy: Secrecy
    department: str
    competence: dict[str, Any] | None = None
    intake: Intake
    connectors: dict[str, ConnectorRole]
    deadlines: tuple[DeadlineRule, ...] = ()
    filing: Filing
    retention: Retention
    review_on: date
    stammprozess: dict[str, Any] | None = None
    changelog: tuple[Change, ...] = ()
    to_confirm: tuple[str, ...] = ()
    guide_notes: str | None = None


class FormField(Part):
    """One question of a caseworker's form."""

    name: str
    label: str
    type: Literal["choice", "text", "longtext", "date", "integer", "money", "boolean", "documents"] = "text"
    choices: tuple[dict[str, Any], ...] = ()
    required: bool = False
    help: str | None = None
    show_when: str | None = None
    default: Any = None


class Action(Part):
    """A button of a form. `needs` names fields that must be filled in when it is pressed."""

    value: str
    label: str
    style: str = "primary"
    help: str | None = None
    needs: tuple[str, ...] = ()


class Submit(Part):
    name: str = "decision"
    actions: tuple[Action, ...] = ()


class Form(Part):
    """`forms/<id>.yaml`: what a caseworker is asked at a user task."""

    title: str
    intro: str | None = None
    fields: tuple[FormField, ...] = ()
    submit: Submit = Submit(actions=(Action(value="done", label="Erledigt"),))

    @model_validator(mode="after")
    def _needs_fields(self) -> Form:
        names = {field.name for field in self.fields}
        for action in self.submit.actions:
            if unknown := sorted(set(action.needs) - names):
                raise ValueError(f"„{action.label}“ braucht Felder, die es nicht gibt: {', '.join(unknown)}")
        return self


class NoticeTemplate(Part):
    """`notices/<id>.yaml`: a message to the applicant, as short text and, if wanted, as a document."""

    title: str
    channel: Literal["reply"] = "reply"
    document: bool = False
    appeal_notice: bool = False
    paragraphs: tuple[str, ...] = ()
    fields: tuple[dict[str, Any], ...] = ()
    kind: str = "notice"
