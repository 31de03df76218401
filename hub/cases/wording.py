"""What a person wrote about a case, in the own words: sealed in the body of the event, never in its summary.

The summary of an event goes into lists, traces and logs; the wording may name people and is opened only for those who
may read the case, and for the applicant it was written to. Shape of the body: `{"text": "..."}`.
"""

from __future__ import annotations

from uuid import UUID

from sqlalchemy.orm import Session

from hub.cases import content, vault

LONGEST = 2000
KINDS = frozenset({"returned", "document.released"})
"""Kinds of events whose body is such a wording; other bodies hold answers of forms and texts of notices."""


def seal(session: Session, key_id: UUID, text: str) -> bytes:
    """The body of an event, sealed with the case's data key."""
    return content.seal_json(vault.key(session, key_id), {"text": text.strip()[:LONGEST]})


def of_event(session: Session, key_id: UUID, kind: str, body: bytes | None) -> str | None:
    """The wording of an event, opened. Only for those who may read the case."""
    if body is None or kind not in KINDS:
        return None
    text = content.open_json(vault.key(session, key_id), body).get("text")
    return text if isinstance(text, str) else None
