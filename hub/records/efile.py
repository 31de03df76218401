"""Asking the e-file whether it already has an Akte, before one is created. Reading only, nothing is changed there."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.orm import Session

import connectors
from connectors import Message
from hub.cases.facts import facts
from hub.cases.model import Case, Effect
from hub.catalogue import service as catalogue
from hub.catalogue.service import NotConfiguredError
from hub.library.process import Process
from hub.library.profile import Filing

FIND = "find-file"


@dataclass(frozen=True, slots=True)
class Known:
    """An Akte the e-file has: its own id there and its Aktenzeichen."""

    far_id: str
    aktenzeichen: str


class NotNowError(Exception):
    """The e-file cannot be asked at present: filing waits, so that no second Akte comes about."""


def instance_of(session: Session, case: Case, process: Process, effect: Effect) -> connectors.Instance | None:
    """The e-file's instance if it can be asked for an Akte at all (not every e-file can)."""
    role = effect.spec["connector"]
    try:
        name = catalogue.bound_instance(
            session, case.tenant_id, case.process, role, process.profile.connectors[role].profile
        )
        instance = catalogue.instance(catalogue.target(session, case.tenant_id, name))
    except (NotConfiguredError, KeyError):
        return None  # delivery tells IT about it; here it only means that nobody can be asked
    return instance if FIND in instance.manifest.operations else None


def search(instance: connectors.Instance, case: Case, filing: Filing, marks: list[str]) -> Known | None:
    """The Akte that bears one of these marks (Kassenzeichen, plot, register number). Raises NotNowError."""
    step = connectors.plan(instance.manifest, FIND)[0]
    for mark in marks:
        asked = {"filing_plan": filing.plan, "file_number": mark, "find_by": mark}
        outcome = connectors.perform(
            step, instance, Message(key=f"{case.id}-find", case=facts(case), application={}, input=asked), ()
        )
        if not outcome.ok:
            raise NotNowError(outcome.detail or outcome.say)
        if outcome.saved.get("file_number"):
            return Known(str(outcome.saved.get("file_id") or ""), str(outcome.saved["file_number"]))
    return None
