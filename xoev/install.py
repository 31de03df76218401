"""Installing a pack: copy, hash, and prove that it compiles without network."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import yaml

from .packs import Pack, PackError, Standards, read_pack, urn_of
from .report import Fault
from .safe import Limits, SafeZip, UnsafeInput, open_zip

_KEPT = (".xsd", ".wsdl", ".sch", ".xsl", ".xslt", ".gc", ".xml", ".json", ".yaml", ".txt", ".pdf", ".md")
_LIMITS = Limits(max_entries=20_000)


@dataclass(frozen=True)
class Installed:
    """The installed pack and what an operator should know about it."""

    pack: Pack
    entry_points: tuple[str, ...]
    digest: str
    faults: tuple[Fault, ...]


def add_pack(
    source: Path, target: Path, *, standards: Standards, standard: str | None = None, version: str | None = None
) -> Installed:
    """Install a pack from a folder or ZIP into ``target/<standard>/<version>``.

    Standard and version are read from the schemas unless given. Raises :class:`PackError`
    when there is nothing to install, it is already there with other content, or no file
    of it compiles offline; the target is then unchanged.
    """
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target, prefix=".neu-") as work:
        content = Path(work) / "inhalt"
        _copy(source, content)
        found = _describe(content, standard, version)
        hashes = _hashes(content)
        digest = hashlib.sha256("\n".join(f"{name} {value}" for name, value in hashes.items()).encode()).hexdigest()
        entry_points, faults = _compile_all(found, standards)
        if not entry_points:
            raise PackError(
                "Kein Schema des Pakets lässt sich laden. " + " ".join(fault.message for fault in faults[:3])
            )
        listing = {
            "standard": found.standard, "version": found.version, "urn": found.urn, "digest": digest,
            "entry_points": [Path(name).name for name in entry_points if _stem(name) == found.standard],
            "files": hashes,
        }  # fmt: skip
        (content / "pack.yaml").write_text(yaml.safe_dump(listing, sort_keys=False, allow_unicode=True), "utf-8")
        place = target / found.standard / found.version
        _move(content, place, digest)
    pack = read_pack(place)
    if pack is None:  # pragma: no cover - it was just written
        raise PackError("Das Paket ist nach dem Einspielen nicht lesbar.")
    return Installed(pack, tuple(entry_points), digest, tuple(faults))


def changed_files(pack: Pack) -> list[str]:
    """Names of files that no longer are what was installed; empty when the pack is intact or not installed by us."""
    listing = pack.folder / "pack.yaml"
    if not listing.is_file():
        return []
    known: dict[str, str] = yaml.safe_load(listing.read_text("utf-8"))["files"]
    actual = _hashes(pack.folder)
    return sorted(name for name in known.keys() | actual.keys() if known.get(name) != actual.get(name))


def _copy(source: Path, content: Path) -> None:
    if source.is_dir():
        shutil.copytree(
            source, content, ignore=lambda base, names: [name for name in names if not _wanted(Path(base, name))]
        )
        return
    try:
        with source.open("rb") as stream, open_zip(stream, limits=_LIMITS) as archive:
            _unpack(archive, content)
    except UnsafeInput as error:
        raise PackError(error.fault.message) from None
    except OSError as error:
        raise PackError(f"„{source}“ ist nicht lesbar ({error.strerror}).") from None


def _wanted(path: Path) -> bool:
    return not path.is_symlink() and (path.is_dir() or path.suffix.lower() in _KEPT)


def _unpack(archive: SafeZip, content: Path) -> None:
    for name in archive.names:
        if Path(name).suffix.lower() in _KEPT:
            place = content / name
            place.parent.mkdir(parents=True, exist_ok=True)
            with place.open("wb") as out:
                for piece in archive.chunks(name):
                    out.write(piece)


def _describe(content: Path, standard: str | None, version: str | None) -> Pack:
    pack = read_pack(content)
    if pack is None:
        raise PackError("Das Paket enthält keine Schema-Dateien (.xsd).")
    name, number = standard or pack.standard, version or pack.version
    if not name or not number:
        raise PackError(
            "Standard oder Version stehen nicht in den Schemas; bitte mit --standard und --version angeben."
        )
    return Pack(name, number, content, pack.urn or urn_of(name) or "")


def _compile_all(pack: Pack, standards: Standards) -> tuple[list[str], list[Fault]]:
    """Compile every schema of the standard that declares messages; faults for those that do not compile."""
    trial = Standards([pack.folder, *standards.folders])
    good, faults = [], []
    for path in pack.files:
        relative = path.relative_to(pack.folder).as_posix()
        try:
            trial.compile(path, pack)
        except PackError as error:
            faults.append(Fault(None, relative, "pack.broken", str(error)))
        else:
            good.append(relative)
    return good, faults


def _hashes(folder: Path) -> dict[str, str]:
    files = sorted(Path(base) / name for base, _, names in os.walk(folder) for name in names if name != "pack.yaml")
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def _move(content: Path, place: Path, digest: str) -> None:
    if place.exists():
        listing = place / "pack.yaml"
        if listing.is_file() and yaml.safe_load(listing.read_text("utf-8"))["digest"] == digest:
            return
        raise PackError(f"Unter „{place}“ liegt schon ein anderes Paket. Versionen werden nie überschrieben.")
    place.parent.mkdir(parents=True, exist_ok=True)
    content.rename(place)


def _stem(name: str) -> str:
    return Path(name).stem.casefold()


__all__ = ["Installed", "add_pack", "changed_files"]
