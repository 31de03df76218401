"""What an outcome means for the case: who acts next, what is remembered, what the engine is told."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, update
from sqlalchemy.orm import Session

from connectors import Attachment, Instance, Message, Outcome, PlannedStep
from hub.cases import content, events, rows, signals, troubles, vault
from hub.cases.model import Case, Effect
from hub.cases.numbers import NUMBER_NAMES
from hub.catalogue.service import Target
from hub.delivery import ledger
from hub.kit.clock import now
from hub.kit.keys import DataKey
from hub.kit.pipeline import later
from hub.library import service as library

TROUBLE_AFTER = 12  # of one delivery; a target that fails everybody is told of by its breaker
_DURATION = re.compile(r"^P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?$")


_EFFECT_DONE = later(
    update(Effect.__table__)  # type: ignore[arg-type]
    .where(Effect.id == bindparam("effect"))
    .values(state="done", done_at=bindparam("at"), outcome=bindparam("how"))
)


@dataclass(slots=True)
class Sent:
    """A delivery under way."""

    effect: Effect
    case: Case
    target: Target
    instance: Instance
    message: Message
    attachments: Sequence[Attachment]
    saved: dict[str, Any]
    tries: int
    last: bool
    ailing: bool


def case_key(session: Session, case: Case) -> DataKey:
    """The data key that seals the case's content."""
    return vault.key(session, case.data_key_id)


def duration(text: str) -> timedelta:
    """A day-time duration of ISO 8601 (`P3D`, `PT2H30M`)."""
    match = _DURATION.match(text)
    if not match:
        raise ValueError(text)
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)


def trouble_key(effect: Effect) -> str:
    return f"effect:{effect.id}"


def step_done(session: Session, sent: Sent, step: PlannedStep, outcome: Outcome, *, found: bool) -> bool:
    """Keep a step's result; after the last one finish the delivery. True when it was the last.

    A lookup that found the record speaks for the whole operation.
    """
    key = case_key(session, sent.case)
    ledger.mark_done(session, sent.effect.id, step.id, outcome.saved, key)
    sent.saved |= outcome.saved
    if not step.last and not found:
        return False
    _finish(session, sent, outcome, key)
    return True


def _finish(session: Session, sent: Sent, outcome: Outcome, key: DataKey) -> None:
    effect, case = sent.effect, sent.case
    expects = sent.instance.manifest.operation(effect.spec["operation"]).expects
    expected_by = now() + duration(expects.by) if outcome.kind == "handed-over" and expects else None
    ledger.close(session, effect.id, state=outcome.kind, outcome=outcome, expected_by=expected_by)
    ledger.remember_numbers(
        session, tenant=case.tenant_id, instance=sent.target.name, case_id=case.id, numbers=sent.saved
    )
    session.connection().execute(_EFFECT_DONE, {"effect": effect.id, "at": now(), "how": outcome.kind})
    events.record(
        session,
        tenant=case.tenant_id,
        case_id=case.id,
        kind=f"delivery.{outcome.kind}",
        element=effect.element,
        summary=f"{effect.name}: "
        + ("übergeben, Bestätigung steht aus" if outcome.kind == "handed-over" else "zugestellt")
        + f" an {sent.target.title}",
        detail={"delivery": str(effect.id), "instance": sent.target.name, "operation": effect.spec["operation"]},
    )
    troubles.settle(session, tenant=case.tenant_id, dedupe=trouble_key(effect), by="hub", solution="delivered")
    if effect.spec.get("quiet"):
        return
    _keep_numbers(session, sent, key)
    wanted = effect.spec.get("variables") or ()
    signals.send(
        session,
        tenant=case.tenant_id,
        case_id=case.id,
        key=key,
        kind="delivery",
        wait=effect.wait,
        body={"outcome": outcome.kind, "variables": {name: sent.saved[name] for name in wanted if name in sent.saved}},
    )


def _keep_numbers(session: Session, sent: Sent, key: DataKey) -> None:
    """Results go to the case's data; numbers the case is known by go to the case itself."""
    if not sent.saved:
        return
    case = sent.case
    content.put_data(
        session, tenant=case.tenant_id, case_id=case.id, key=key, name=sent.effect.element, value=sent.saved
    )
    # Deliveries of one case may end at the same moment: its numbers are read again under the case's lock.
    present = rows.case_of(session, case.id)
    assert present is not None
    profile = library.load(session, case.process_version_id).profile if case.process_version_id else None
    numbers = {k: v for k, v in sent.saved.items() if isinstance(v, str | list) and v}
    leads = {"dms": "dms"}.get(sent.effect.spec.get("connector", ""), "specialist-app")
    values: dict[str, Any] = {"foreign_numbers": (present.foreign_numbers or {}) | numbers}
    own = next((sent.saved[name] for name in NUMBER_NAMES if isinstance(sent.saved.get(name), str)), None)
    if own and profile and present.aktenzeichen is None and profile.filing.number == leads:
        values["aktenzeichen"] = str(own)
    rows.change_case(session, present, **values)


def try_later(session: Session, sent: Sent, step: PlannedStep, outcome: Outcome) -> datetime:
    """The target cannot take it now: when to try again, by the connector's own schedule.

    After some tries IT is told; the last pause repeats without end, so that everything drains after recovery.
    """
    ledger.close(session, sent.effect.id, state="waiting", outcome=outcome)
    if sent.tries + 1 >= TROUBLE_AFTER:
        _stoerung(
            session,
            sent,
            "delivery.transient",
            f"{sent.target.title} ist nicht erreichbar",
            f"Seit {sent.tries + 1} Versuchen: {outcome.say or outcome.detail}. Der Hub versucht es von selbst weiter.",
            ("retry",),
        )
    # A wide spread (by case) keeps a thousand waiting deliveries from arriving in one second after recovery.
    spread = (sent.effect.id.int % 1000) / 1000
    pauses = sent.instance.manifest.retry
    pause = duration(pauses[min(sent.tries, len(pauses) - 1)]).total_seconds()
    longest = float(sent.target.limits.get("retry_longest_s", pause))
    return now() + timedelta(seconds=min(pause, longest) * (1 + spread / 2))


def unknown(session: Session, sent: Sent, step: PlannedStep, outcome: Outcome, *, asked: bool) -> datetime | None:
    """Sent, no answer seen: look into the target first, repeat only where that is harmless; else a person looks."""
    manifest = sent.instance.manifest
    can_ask = manifest.operation(step.operation).lookup is not None
    if can_ask or step.repeat in {"safe", "same-key"}:
        return try_later(session, sent, step, outcome)
    ledger.close(session, sent.effect.id, state="waiting", outcome=outcome)
    ask_person(session, sent, step)
    return None


def ask_person(session: Session, sent: Sent, step: PlannedStep) -> None:
    """Nobody but a person can find out whether the call arrived."""
    troubles.open_trouble(
        session,
        tenant=sent.case.tenant_id,
        kind=troubles.KLAERFALL,
        code="delivery.unknown",
        title=f"Ausgang unbekannt: {sent.effect.name}",
        message=f"Bitte sehen Sie in „{sent.target.title}“ nach, ob der Vorgang {sent.case.number} dort angelegt ist.",
        dedupe=trouble_key(sent.effect),
        choices=("delivered", "repeat"),
        case_id=sent.case.id,
        effect_id=sent.effect.id,
        department=sent.case.department,
        detail={"step": step.id},
    )


def rejected(session: Session, sent: Sent, outcome: Outcome) -> None:
    """The case is at fault: the process catches it where it can, otherwise a Klärfall."""
    ledger.close(session, sent.effect.id, state="failed", outcome=outcome)
    events.record(
        session,
        tenant=sent.case.tenant_id,
        case_id=sent.case.id,
        kind="delivery.rejected",
        element=sent.effect.element,
        summary=f"{sent.target.title} hat abgelehnt: {outcome.say}",
        detail={"delivery": str(sent.effect.id), "instance": sent.target.name},
    )
    case = sent.case
    process = library.load(session, case.process_version_id) if case.process_version_id else None
    if process and not sent.effect.spec.get("quiet") and process.model.catches(sent.effect.element, "rejected"):
        key = case_key(session, case)
        content.put_data(
            session,
            tenant=case.tenant_id,
            case_id=case.id,
            key=key,
            name=sent.effect.element,
            value={"outcome": "rejected", "say": outcome.say} | outcome.saved,
        )
        session.execute(
            update(Effect).where(Effect.id == sent.effect.id).values(state="done", done_at=now(), outcome="rejected")
        )
        signals.send(
            session,
            tenant=case.tenant_id,
            case_id=case.id,
            key=key,
            kind="delivery",
            wait=sent.effect.wait,
            body={"outcome": "rejected", "variables": {}},
        )
        return
    troubles.open_trouble(
        session,
        tenant=case.tenant_id,
        kind=troubles.KLAERFALL,
        code="delivery.rejected",
        title=f"Abgelehnt: {sent.effect.name}",
        message=f"{sent.target.title}: {outcome.say}",
        dedupe=trouble_key(sent.effect),
        choices=("retry", "delivered"),
        case_id=case.id,
        effect_id=sent.effect.id,
        department=case.department,
    )


def configuration(session: Session, sent: Sent, outcome: Outcome) -> None:
    """Settings, credentials or mapping are at fault: IT acts."""
    ledger.close(session, sent.effect.id, state="waiting", outcome=outcome)
    _stoerung(
        session,
        sent,
        "delivery.configuration",
        f"Anbindung falsch eingerichtet: {sent.target.title}",
        f"{outcome.say} {outcome.detail}".strip(),
        ("retry",),
    )


def not_configured(session: Session, effect: Effect, case: Case, reason: str) -> None:
    """There is nothing to call: the role has no instance or its settings are unfit."""
    troubles.open_trouble(
        session,
        tenant=case.tenant_id,
        kind=troubles.STOERUNG,
        code="delivery.not-configured",
        title=f"Keine Anbindung für „{effect.name}“",
        message=reason,
        dedupe=trouble_key(effect),
        choices=("retry",),
        case_id=case.id,
        effect_id=effect.id,
        department=case.department,
    )


def _stoerung(session: Session, sent: Sent, code: str, title: str, text: str, choices: Sequence[str]) -> None:
    troubles.open_trouble(
        session,
        tenant=sent.case.tenant_id,
        kind=troubles.STOERUNG,
        code=code,
        title=title,
        message=text,
        dedupe=trouble_key(sent.effect),
        choices=choices,
        case_id=sent.case.id,
        effect_id=sent.effect.id,
        department=sent.case.department,
        detail={"instance": sent.target.name},
    )
