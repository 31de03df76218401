"""Housekeeping of the audit trail."""

from __future__ import annotations

from hub.audit.service import seal
from hub.jobs import Recurring
from hub.kit.database import Database


def _seal(db: Database) -> None:
    seal(db)


SEAL = Recurring("audit.seal", _seal, every_s=5)
