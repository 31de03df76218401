"""What a check found: the small records that every part of the room hands out.

Codes are stable and meant for machines (``xml.entity``, ``schema.missing``);
messages are German and meant for the person who has to act on them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault in a document.

    ``line`` is counted from 1 (``None`` where lines mean nothing), ``path`` is a
    JSON Pointer or an XPath without prefixes, ``""`` for the document itself.
    """

    line: int | None
    path: str
    code: str
    message: str

    def as_dict(self) -> dict[str, Any]:
        """The JSON form of the command line and of problem documents."""
        return {"line": self.line, "path": self.path, "code": self.code, "message": self.message}


@dataclass(frozen=True, slots=True)
class Identity:
    """Which standard, version and message a document claims to be.

    ``version`` and ``message`` are ``None`` where the document does not say.
    """

    standard: str
    version: str | None
    message: str | None
    root: str


@dataclass(frozen=True, slots=True)
class Report:
    """The verdict on one document.

    ``validated`` is true only when a schema was really applied; a document whose
    pack is missing has ``ok=False``, ``validated=False`` and a fault that says so.
    """

    ok: bool
    standard: str | None
    version: str | None
    message: str | None
    validated: bool
    faults: list[Fault]

    @classmethod
    def of(cls, identity: Identity | None, faults: Iterable[Fault], *, validated: bool) -> Report:
        """Build the verdict: ok means validated and free of faults."""
        found = list(faults)
        return cls(
            ok=validated and not found,
            standard=identity.standard if identity else None,
            version=identity.version if identity else None,
            message=identity.message if identity else None,
            validated=validated,
            faults=found,
        )

    def as_dict(self) -> dict[str, Any]:
        """The JSON form of the command line (without the file name)."""
        return {
            "ok": self.ok,
            "standard": self.standard,
            "version": self.version,
            "message": self.message,
            "validated": self.validated,
            "faults": [fault.as_dict() for fault in self.faults],
        }
