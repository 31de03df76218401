"""What expressions and mappings may know about a case: routing facts, nothing that was not asked for."""

from __future__ import annotations

from typing import Any

from hub.cases.model import Case
from hub.kit.clock import berlin_date


def facts(case: Case, *, deadlines: dict[str, str] | None = None) -> dict[str, Any]:
    """`case` in FEEL and mappings. Dates are ISO text of the legal day."""
    return {
        "id": str(case.id),
        "number": case.number,
        "process": case.process,
        "department": case.department,
        "secrecy": case.secrecy,
        "protected": case.protected_person,
        "received_on": berlin_date(case.received_at).isoformat(),
        "received_at": case.received_at.isoformat(),
        "aktenzeichen": case.aktenzeichen,
        "numbers": case.foreign_numbers or {},
        "duplicate_of": case.duplicate_of,
        "deadlines": deadlines or {},
    }
