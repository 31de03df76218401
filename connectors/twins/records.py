"""The simulated e-file: takes xdomea packages, finds or creates the Akte, gives Aktenzeichen, counts."""

from __future__ import annotations

import os
import re
from io import BytesIO
from pathlib import Path
from typing import Any

import orjson

from connectors.twins.twin import Request, Response, Twin, answer
from xoev import Standards, xdomea
from xoev.safe import Limits, UnsafeInput

_LIMITS = Limits(max_entry_bytes=1 << 30, max_total_bytes=1 << 31)
_INVALID = "Das Paket ist ungültig: {}"


class BadPackageError(Exception):
    """The package is no xdomea package this e-file can read."""


class Dms(Twin):
    """``POST /api/pakete`` (ZIP), ``GET /api/pakete/{key}``, ``POST /api/akten/suche``, ``GET /api/status``.

    ``records`` counts stored 0605 packages (one a case); Akten are records of kind ``file``, 0604 of kind ``create``.
    """

    name = "dms"
    title = "E-Akte (DMS)"
    connector = "dms-xdomea-rest"
    kind = "package"

    def __init__(self, *args: Any, **values: Any) -> None:
        super().__init__(*args, **values)
        named = os.environ.get("HUB_STANDARDS", "").split(os.pathsep)
        self._standards = Standards([Path(part) for part in named if part])

    def handle(self, request: Request) -> Response:
        """One call."""
        if request.path == "/api/status":
            return answer(200, {"bereit": True})
        if request.path == "/api/akten/suche":
            return self._search(orjson.loads(request.body))
        if request.method == "GET":
            key = request.path.rpartition("/")[2]
            found = self.ledger.find(self.kind, key) or self.ledger.find("create", key)
            return answer(200, found["answer"]) if found else answer(404)
        try:
            return self._store(request)
        except BadPackageError as error:
            self.ledger.called(request.key, "store", "rejected")
            return answer(422, {"meldung": str(error)})

    def _search(self, asked: dict[str, Any]) -> Response:
        number = asked.get("aktenzeichen")
        found = self.ledger.by_number("file", str(number)) if number else None
        mark = str(asked.get("kennzeichen") or "")
        if found is None and mark:
            files = self.ledger.records("file").items()
            found = next(((key, known) for key, known in files if mark in str(known["title"])), None)
            number = found[1]["number"] if found else None
        self.ledger.called(str(number or ""), "search", "found" if found else "none")
        if found is None:
            return answer(200, {"akte": None})
        return answer(200, {"akte": {"id": found[1]["file_id"], "aktenzeichen": number}})

    def _store(self, request: Request) -> Response:
        key = request.key
        known = self.ledger.find(self.kind, key) or self.ledger.find("create", key)
        if known is not None:
            self.ledger.called(key, "store", "again")
            return answer(200, known["answer"])
        if self.faults.take("reject"):
            raise BadPackageError(self.faults.reject_text)
        package = _open(request.body)
        valid = _validated(request.body, self._standards)
        file_id, number = self._file(package)
        case = request.headers.get("x-vorgang", "")
        result = {"akte": {"id": file_id, "aktenzeichen": number}, "vorgang": {"id": f"V-{case or key}"}}
        body = {
            "title": " ".join([*package.messages, *_titles(package)]),
            "state": f"{len(package.documents)} Dokumente, {'geprüft' if valid else 'ohne Schemaprüfung'}",
            "answer": result,
            "case": case,
            "messages": package.messages,
            "validated": valid,
            "documents": [{"title": d.title, "size": d.size, "sha256": d.sha256} for d in package.documents],
        }
        self.ledger.record(self.kind if "0605" in package.messages else "create", key, number, body)
        self.ledger.called(key, "store", "created")
        if self.data is not None:
            place = self.data / "pakete"
            place.mkdir(exist_ok=True)
            (place / f"{re.sub('[^A-Za-z0-9-]', '_', key)}.zip").write_bytes(request.body)
        return answer(201, result)

    def _file(self, package: xdomea.ReadPackage) -> tuple[str, str]:
        """(id, Aktenzeichen) of the Akte the package creates, names as container, or began in an earlier message."""
        created = package.file or {}
        places = [created.get("id"), created.get("number"), (package.transaction or {}).get("container")]
        places += [document.container for document in package.documents]
        places.append(str(package.process_id))
        named = [f"object:{place}" for place in places if place]
        found = next((known for name in named if (known := self.ledger.find("object", name))), None)
        if found is None:
            number = created.get("number") or f"E-2026-{self.ledger.next('file'):05d}"
            found = {"number": number, "file_id": f"A-{self.ledger.next('file_id'):06d}"}
            title = created.get("title") or ""
            self.ledger.record("file", found["file_id"], number, {"title": title, "file_id": found["file_id"]})
        number, file_id = str(found["number"]), str(found["file_id"])
        transaction = (package.transaction or {}).get("id")
        known_as = {f"object:{name}" for name in (file_id, number, transaction) if name}
        for name in {*named, *known_as}:
            self.ledger.record("object", name, number, {"file_id": file_id})
        return file_id, number


def _open(raw: bytes) -> xdomea.ReadPackage:
    try:
        return xdomea.read_package(BytesIO(raw), limits=_LIMITS)
    except (UnsafeInput, xdomea.FilingError, ValueError) as error:
        raise BadPackageError(_INVALID.format(error)) from error


def _validated(raw: bytes, standards: Standards) -> bool:
    """Whether the package was checked against the schema; without the pack it is only read. Raises on a fault."""
    report = xdomea.validate_package(raw, standards, limits=_LIMITS)
    if report.validated and report.faults:
        raise BadPackageError(_INVALID.format(report.faults[0].message))
    return bool(report.validated)


def _titles(package: xdomea.ReadPackage) -> list[str]:
    return [str(record["title"]) for record in (package.file, package.transaction) if record and record["title"]]
