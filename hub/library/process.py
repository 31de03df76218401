"""A process version ready for use: profile, model, data schema, forms and notices, read once and kept."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator, Mapping
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import TypeVar
from uuid import UUID

import yaml
from pydantic import ValidationError

import workflows
from hub.library.profile import Form, NoticeTemplate, Profile
from workflows import Model
from xoev import fim
from xoev.fim import DataSchema

T = TypeVar("T", Form, NoticeTemplate)

_EPOCH = (1980, 1, 1, 0, 0, 0)


class ProfileError(Exception):
    """`process.yaml`, a form or a notice is at fault; the text names file and place."""


class Process:
    """One version of one process. Reading happens once; everything is immutable afterwards."""

    def __init__(self, files: Mapping[str, bytes], version_id: UUID | None = None) -> None:
        self.files = dict(files)
        self.version_id = version_id
        try:
            self.profile = Profile.model_validate(_yaml(self.files["process.yaml"]))
        except KeyError:
            raise ProfileError("process.yaml fehlt") from None
        except (ValidationError, yaml.YAMLError) as error:
            raise ProfileError(f"process.yaml: {error}") from error

    @property
    def id(self) -> str:
        return self.profile.id

    @cached_property
    def model(self) -> Model:
        """The executable model. Raises workflows.ModelError."""
        return workflows.load({name: data for name, data in self.files.items() if name.endswith((".bpmn", ".dmn"))})

    @cached_property
    def schema(self) -> DataSchema | None:
        """The FIM data schema of the application, if the process has one of its own."""
        name = self.profile.intake.data_schema
        return fim.load(self.files[name]) if name else None

    def form(self, name: str) -> Form:
        """A caseworker's form. Raises ProfileError."""
        return self._forms(f"forms/{name}.yaml", Form)

    def notice(self, name: str) -> NoticeTemplate:
        """A notice template. Raises ProfileError."""
        return self._forms(f"notices/{name}.yaml", NoticeTemplate)

    def _forms(self, name: str, kind: type[T]) -> T:
        if name not in self.files:
            raise ProfileError(f"{name} fehlt im Prozess {self.id}")
        try:
            return kind.model_validate(_yaml(self.files[name]))
        except (ValidationError, yaml.YAMLError) as error:
            raise ProfileError(f"{name}: {error}") from error


def _yaml(data: bytes) -> object:
    return yaml.load(data, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - a safe loader either way


def read_folder(folder: Path) -> dict[str, bytes]:
    """All files of a process folder by their relative names."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith(".")
    }


def runtime_files(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """What a released version needs to run: scenarios and samples stay in the library folder."""
    return {name: data for name, data in files.items() if not name.startswith(("samples/", "scenarios/"))}


def pack(files: Mapping[str, bytes]) -> bytes:
    """The files as one archive; the same files always give the same bytes."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(files):
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), files[name], zipfile.ZIP_DEFLATED)
    return out.getvalue()


def unpack(archive: bytes) -> dict[str, bytes]:
    """The files of an archive made by `pack`."""
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


def digest(files: Mapping[str, bytes]) -> str:
    """SHA-256 over names and contents, hex."""
    sums = "".join(f"{name}\0{sha256(files[name]).hexdigest()}\n" for name in sorted(files))
    return sha256(sums.encode()).hexdigest()


def folders(root: Path) -> Iterator[Path]:
    """The process folders below the library's root."""
    return (path.parent for path in sorted(root.glob("*/process.yaml")))
