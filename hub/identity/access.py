"""Who may do what to which case: role, department, tenant, secrecy class and protected persons decide every access.

Sources: §30 AO (tax secrecy), §35 SGB I (social secrecy), §51 BMG (Auskunftssperre), §1758 BGB (adoption),
Art. 5 and 32 DSGVO (need to know).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Action = Literal["case.read", "case.work", "case.trace", "case.list", "trouble.clear", "operations.read"]

CASEWORKER = "caseworker"
PROCESS_OWNER = "process_owner"
IT = "it"
AUDITOR = "auditor"
PROTECTED = "protected"


@dataclass(frozen=True, slots=True)
class Actor:
    """Whoever acts: a person, a portal or the hub itself."""

    id: str
    kind: Literal["user", "client", "system"]
    name: str
    tenant: str
    roles: frozenset[str] = field(default_factory=frozenset)
    departments: frozenset[str] = field(default_factory=frozenset)
    clearances: frozenset[str] = field(default_factory=frozenset)


@dataclass(frozen=True, slots=True)
class CaseFacts:
    """What an access decision needs to know about a case."""

    tenant: str
    department: str
    secrecy: str
    protected: bool


def may(actor: Actor, action: Action, facts: CaseFacts) -> bool:
    """Whether the actor may do this. Everything that is not allowed here is forbidden.

    Content (`case.read`, `case.work`, `case.list`) is for caseworkers of the competent department who are cleared for
    the secrecy class, and for protected persons only with an own release. IT and auditors see the trace without
    content, IT sees and clears Störungen; neither ever sees a protected person's case.
    """
    if actor.tenant != facts.tenant:
        return False
    if actor.kind == "system":
        return True
    if facts.protected and PROTECTED not in actor.clearances:
        return False
    cleared = facts.secrecy == "general" or facts.secrecy in actor.clearances
    works_there = CASEWORKER in actor.roles and facts.department in actor.departments and cleared
    match action:
        case "case.read" | "case.work" | "case.list":
            return works_there
        case "case.trace":
            return works_there or bool(actor.roles & {IT, AUDITOR})
        case "trouble.clear":
            return works_there or IT in actor.roles
        case "operations.read":
            return bool(actor.roles & {IT, AUDITOR})


def readable_classes(actor: Actor) -> frozenset[str]:
    """The secrecy classes whose cases may appear in the actor's lists."""
    return frozenset({"general"}) | (actor.clearances - {PROTECTED})
