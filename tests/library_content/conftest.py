"""Every service below `process-library/` is a parameter: a new folder is covered without touching these tests."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from hub.library.process import Process, read_folder
from workflows.document import Document, Element

LIBRARY = Path(__file__).resolve().parents[2] / "process-library"
FOLDERS = sorted(path.parent for path in LIBRARY.glob("*/process.yaml"))


@dataclass(frozen=True)
class Service:
    """One folder of the library, read as the hub reads it."""

    folder: Path
    process: Process

    @property
    def document(self) -> Document:
        return self.process.model.document

    def of(self, tag: str) -> list[Element]:
        """All elements of one BPMN kind, those of subprocesses included."""
        return [element for element in self.document.elements() if element.tag == tag]

    def yaml_files(self, part: str) -> dict[str, Any]:
        """Contents of `<part>/*.yaml` by file name without suffix."""
        return {path.stem: yaml.safe_load(path.read_text()) for path in sorted((self.folder / part).glob("*.yaml"))}


@pytest.fixture(scope="session", params=FOLDERS, ids=lambda path: path.name)
def service(request: pytest.FixtureRequest) -> Service:
    folder: Path = request.param
    return Service(folder, Process(read_folder(folder)))
