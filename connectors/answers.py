"""What an answer of a far system means: the manifest's table first, then the rule of the transport.

An *answer* is ``{status, headers, body, fault}``. The table of the step comes before that of the operation; the first
entry whose ``when`` holds decides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from connectors import mapping
from connectors.contract import Outcome, OutcomeKind
from connectors.declaration import Answer
from connectors.rules import PLACEHOLDER

_SAY: dict[str, str] = {
    "delivered": "Übernommen.",
    "handed-over": "Übergeben; die fachliche Bestätigung folgt.",
    "transient": "Die Fachanwendung ist gerade nicht erreichbar. Der Hub versucht es von selbst erneut.",
    "rejected": "Die Fachanwendung hat den Vorgang abgelehnt.",
    "configuration": "Die Anbindung ist falsch eingestellt. Die IT ist zuständig.",
    "unknown": "Es ist unklar, ob der Vorgang angekommen ist. Der Hub sieht zuerst im Zielsystem nach.",
    "absent": "Das Zielsystem kennt den Vorgang nicht.",
}


def outcome(kind: OutcomeKind, *, say: str = "", **rest: Any) -> Outcome:
    """An :class:`Outcome` with the standing German text of its kind unless ``say`` is given."""
    return Outcome(kind=kind, say=say or _SAY[kind], **rest)


def from_table(answers: Sequence[Answer], answer: Mapping[str, Any], place: str) -> Outcome | None:
    """The outcome of the first matching entry, or None. Raises ``MappingError``."""
    for index, entry in enumerate(answers):
        where = f"{place}: answers[{index}]"
        if mapping.evaluate(entry.when, answer, place=where) is True:
            say = PLACEHOLDER.sub(lambda match: _shown(match.group(1), answer, where), entry.say)  # noqa: B023
            return outcome(entry.outcome, say=say[:500], saved=saved(entry.saves, answer, where))
    return None


def _shown(source: str, answer: Mapping[str, Any], place: str) -> str:
    value = mapping.evaluate(source, answer, place=place)
    if isinstance(value, list):
        return ", ".join(str(entry) for entry in value)
    return "" if value is None else str(value)


def saved(saves: Mapping[str, str], answer: Mapping[str, Any], place: str) -> dict[str, Any]:
    """The values a step saves from an answer; what the answer lacks is left out."""
    values = {name: mapping.evaluate(source, answer, place=f"{place}: saves.{name}") for name, source in saves.items()}
    return {name: value for name, value in values.items() if value is not None}


def http_kind(status: int) -> OutcomeKind:
    """The rule for an HTTP status without an entry in the table.

    429 and 503 say "not processed"; 500, 502 and 504 leave open whether the record was made.
    """
    if 200 <= status < 300:
        return "delivered"
    if status in {425, 429, 503}:
        return "transient"
    if status in {400, 422}:
        return "rejected"
    if status in {408, 409} or status >= 500:
        return "unknown"
    return "configuration"
