"""Any BPMN or DMN file in the world, valid or not: what it is and what stands against running it. Never raises."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lxml import etree

from workflows import check, dialect, dmn, document
from workflows.contract import ModelError, ModelFault
from workflows.dmn.reader import is_dmn


@dataclass(frozen=True)
class Inspection:
    dialect: str
    version: str | None
    message: str
    faults: tuple[ModelFault, ...]

    @property
    def ok(self) -> bool:
        return not self.faults


def inspect(path: Path) -> Inspection:
    """Check one file; decisions of DMN files in the same folder are known to a BPMN file."""
    try:
        data = path.read_bytes()
    except OSError as error:
        return _failed("unknown", ModelFault("", None, "file.unreadable", f"Nicht lesbar: {error.strerror}"))
    try:
        root = document.read_xml(data, path.name)
        if is_dmn(root):
            return _dmn(path, data)
        return _bpmn(path, data)
    except ModelError as error:
        return _failed("unknown", *error.faults)
    except (RecursionError, MemoryError, etree.LxmlError) as error:
        text = f"Die Datei überfordert die Prüfung ({type(error).__name__})."
        return _failed("unknown", ModelFault("", None, "file.too-large", text))


def _failed(name: str, *faults: ModelFault) -> Inspection:
    return Inspection(name, None, f"{len(faults)} Fehler", faults)


def _dmn(path: Path, data: bytes) -> Inspection:
    _, faults = dmn.read({path.name: data})
    return Inspection("dmn", None, "in Ordnung" if not faults else f"{len(faults)} Fehler", tuple(faults))


def _bpmn(path: Path, data: bytes) -> Inspection:
    doc = document.read(data, path.name)
    beside = {other.name: other.read_bytes() for other in path.parent.glob("*.dmn")} if _asks_rules(doc) else {}
    decisions, _ = dmn.read(beside)
    faults = tuple(check.faults(doc, decisions))
    message = "in Ordnung" if not faults else f"{len(faults)} Fehler"
    return Inspection(_dialect(doc), "2.0", message, faults)


def _asks_rules(doc: document.Document) -> bool:
    return any(element.hub("decision") for element in doc.elements())


def _dialect(doc: document.Document) -> str:
    used = {etree.QName(name).namespace for node in doc.root.iter("*") for name in (node.tag, *node.attrib)}
    if dialect.HUB in used:
        return "ozg-hub"
    return next((name for space, name in dialect.FOREIGN.items() if space in used), "bpmn")
