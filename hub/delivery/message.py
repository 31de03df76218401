"""What a connector is given: the decrypted message and the documents that travel with it, opened only when read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, BinaryIO
from uuid import UUID

from sqlalchemy.orm import Session

from connectors import Attachment, Message
from hub.cases import content, deadlines, documents, vault
from hub.cases.facts import facts
from hub.cases.model import Case, Effect
from hub.catalogue import service as catalogue
from hub.catalogue.service import Target
from hub.kit.database import Database
from hub.library import service as library


def find_target(session: Session, case: Case, effect: Effect) -> Target:
    """The instance an effect goes to, as the catalogue remembers it. Raises NotConfiguredError."""
    if name := effect.spec.get("instance"):
        return catalogue.target(session, case.tenant_id, name)
    role = effect.spec["connector"]
    profile = None
    if case.process_version_id is not None:
        profile = library.load(session, case.process_version_id).profile.connectors.get(role)
    name = catalogue.bound_instance(session, case.tenant_id, case.process, role, profile.profile if profile else role)
    return catalogue.target(session, case.tenant_id, name)


def build(
    session: Session, db: Database, effect: Effect, case: Case, saved: dict[str, Any]
) -> tuple[Message, list[Attachment]]:
    """The message of an effect and its attachments."""
    key = vault.key(session, case.data_key_id)
    body = content.open_json(key, effect.body) if effect.body else {}
    data = content.get_data(session, case.id, key)
    wanted = {UUID(text) for text in effect.spec.get("documents", ())}
    none = "documents" in effect.spec and not wanted
    found = [] if none else documents.of_case(session, case.id, vault.key)
    travels = [
        item
        for item in found
        if (item.id in wanted if "documents" in effect.spec else item.role not in {"package", "summary"})
        and not item.flag
    ]
    attachments = {item.id: _attachment(db, item) for item in travels}
    original = next((attachments[item.id] for item in travels if item.role == "original"), None)
    rest = [attachments[item.id] for item in travels if item.role != "original"]
    due = {name: at.date().isoformat() for name, at in deadlines.instants(session, case.id).items()}
    case_facts = facts(case, deadlines=due) | {"variables": body.get("variables", {})}
    message = Message(
        key=str(effect.id),
        case=case_facts,
        application=data.pop("application", {}),
        data=data,
        saved=saved,
        input=body.get("input", {}),
        original=original,
        documents=rest,
    )
    return message, rest


def _attachment(db: Database, item: documents.Stored) -> Attachment:
    return Attachment(
        id=str(item.id),
        name=item.name,
        media_type=item.media_type,
        size=item.size,
        digest=item.sha256,
        title=item.title,
        open=_opener(db, item),
    )


def _opener(db: Database, item: documents.Stored) -> Callable[[], BinaryIO]:
    def open_it() -> BinaryIO:
        with db.read() as session:
            return vault.open_document(session, item)

    return open_it
