"""Documents that are withheld because they look dangerous: the reasons in words, and letting one go again.

A flagged document is shown to nobody, handed over to nobody and filed nowhere. Whoever is competent for the case may
release it (an encrypted PDF that turned out harmless); what a virus scanner has found stays where it is, for good.
"""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from hub.cases.model import Document

MALWARE = "malware"
UNSCANNED = "unscanned"
INFECTED = "attachment.malware"  # code of the clearing item; nothing of such a submission is ever released
SUSPICIOUS = "attachment.withheld"
TEXTS = {
    "pdf.javascript": "enthält JavaScript",
    "pdf.launch": "will beim Öffnen ein Programm starten",
    "pdf.encrypted": "ist verschlüsselt oder mit einem Kennwort geschützt",
    "pdf.truncated": "ist unvollständig, das Ende fehlt",
    MALWARE: "enthält nach dem Virenscanner Schadsoftware",
    UNSCANNED: "ist größer, als der Virenscanner prüft",
}


def reason(flag: str | None) -> str:
    """Why a document with this flag is withheld, as the end of a German sentence."""
    return TEXTS.get(flag or "", "wurde als auffällig erkannt")


def flags(session: Session, ids: Collection[UUID]) -> dict[UUID, str | None]:
    """The present flag of some documents; None: not withheld (any more)."""
    return {row.id: row.flag for row in session.execute(select(Document.id, Document.flag).where(Document.id.in_(ids)))}


def release(session: Session, case_id: UUID, ids: Collection[UUID]) -> dict[UUID, tuple[str, str]]:
    """Clear the flag of documents of a case; gives flag and SHA-256 of those that were withheld until now.

    What holds malware stays withheld, whoever asks. The caller has locked the case.
    """
    found = session.execute(
        select(Document.id, Document.flag, Document.sha256).where(
            Document.id.in_(ids), Document.case_id == case_id, Document.flag != MALWARE
        )
    ).all()
    freed = {row.id: (row.flag or "", row.sha256) for row in found}
    session.execute(update(Document).where(Document.id.in_(freed)).values(flag=None))
    return freed
