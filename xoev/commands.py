"""The commands ``ozg-hub xoev ...`` and ``ozg-hub standards ...``.

Needs no database. ``--json`` prints JSON Lines, one object an item.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from .identify import TITLES
from .install import add_pack, changed_files
from .packs import Pack, PackError, Standards, title_of
from .report import Fault, Report
from .safe import Limits, UnsafeInput, parse_json, sniff
from .safe.limits import readable_size
from .validate import validate, validate_package
from .view import Section

xoev_app = typer.Typer(help="Nachrichten und Datenschemata prüfen und ansehen.", no_args_is_help=True)
standards_app = typer.Typer(help="Schema-Pakete der Standards verwalten.", no_args_is_help=True)

_LIMITS = Limits(max_bytes=64 * 1024 * 1024, max_nodes=2_000_000)
Json = Annotated[bool, typer.Option("--json", help="JSON Lines statt Text.")]


class Form(StrEnum):
    """What ``xoev schema`` can turn a data schema into."""

    json_schema = "json-schema"
    form = "form"
    view = "view"


_places: dict[str, list[Path]] = {"installed": [], "own": []}


def look_in(*, installed: Path, own: Sequence[Path] = ()) -> None:
    """Let the program say where packs are installed and where its own data schemas lie."""
    _places.update(installed=[installed], own=list(own))


def standard_folders() -> list[Path]:
    """``HUB_STANDARDS`` (several folders with ``:``), the folder of installed packs, our own data schemas."""
    named = [Path(part) for part in os.environ.get("HUB_STANDARDS", "").split(os.pathsep) if part]
    return [*named, installed_folder(), *_places["own"]]


def installed_folder() -> Path:
    """Where ``standards add`` puts packs."""
    return next(iter(_places["installed"]), Path(os.environ.get("HUB_DATA", "data")) / "standards")


@xoev_app.command("validate")
def validate_files(
    files: Annotated[list[Path], typer.Argument(help="Dateien (XML, JSON, xdomea-ZIP).", show_default=False)],
    json: Json = False,
) -> None:
    """Dateien prüfen. Endet mit 1, wenn eine nicht in Ordnung ist."""
    known, all_ok = Standards(standard_folders()), True
    for path in files:
        report = check_file(path, known)
        all_ok &= report.ok
        if json:
            _emit({"file": str(path), **report.as_dict()})
        else:
            typer.echo("\n".join(_told(path, report)))
    raise typer.Exit(0 if all_ok else 1)


def check_file(path: Path, known: Standards) -> Report:
    """Validate one file; whatever is wrong with it, including not being readable, is a fault."""
    try:
        if path.is_dir():
            return _unreadable("file.folder", "Das ist ein Ordner, keine Datei.")
        if not path.exists():
            return _unreadable("file.missing", "Die Datei gibt es nicht.")
        if not path.is_file():
            return _unreadable("file.special", "Das ist keine gewöhnliche Datei.")
        with path.open("rb") as stream:
            if sniff(stream.read(4096), path.name) == "application/zip":
                return validate_package(stream, standards=known, limits=_LIMITS)
            if path.stat().st_size > _LIMITS.max_bytes:
                return _unreadable("input.size", f"Die Datei ist größer als {readable_size(_LIMITS.max_bytes)}.")
            stream.seek(0)
            return validate(stream.read(), standards=known, limits=_LIMITS)
    except UnsafeInput as error:
        return Report.of(None, [error.fault], validated=False)
    except OSError as error:
        return _unreadable("file.unreadable", f"Die Datei ist nicht lesbar ({error.strerror}).")


@xoev_app.command("schema")
def show_schema(
    file: Annotated[Path, typer.Argument(help="FIM-Datenschema (XDatenfelder).")],
    to: Annotated[Form, typer.Option("--to", help="Ziel: json-schema, form oder view.")] = Form.json_schema,
    data: Annotated[Path | None, typer.Option("--data", help="Antragsdaten (JSON) für --to view.")] = None,
) -> None:
    """Ein FIM-Datenschema als JSON-Schema, Formular oder Leseansicht ausgeben."""
    from .fim import SchemaError, load

    try:
        schema = load(file.read_bytes())
        if to is Form.json_schema:
            _emit(schema.json_schema(), pretty=True)
        elif to is Form.form:
            _emit(form_of(schema.json_schema()), pretty=True)
        else:
            instance = parse_json(data.read_bytes()) if data else {}
            typer.echo("\n".join(line for section in schema.view(instance) for line in _section_lines(section)))
    except SchemaError as error:
        typer.echo("\n".join(_fault_lines(error.faults)), err=True)
        raise typer.Exit(1) from None
    except (UnsafeInput, OSError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None


def form_of(schema: dict[str, Any]) -> dict[str, Any]:
    """A plain form out of a JSON Schema: groups and fields with label, kind, required and choices."""
    definitions = schema.get("$defs", {})

    def resolved(part: dict[str, Any]) -> dict[str, Any]:
        name = str(part.get("$ref", "")).rpartition("/")[2]
        return {**definitions[name], **part} if name in definitions else part

    def field(key: str, part: dict[str, Any], required: bool) -> dict[str, Any]:
        part = resolved(part)
        item = resolved(part["items"]) if part.get("type") == "array" and "items" in part else part
        found: dict[str, Any] = {
            "name": key,
            "label": part.get("title") or item.get("title") or key,
            "required": required,
        }
        if part is not item:
            found["many"] = True
        if "properties" in item:
            found["fields"] = fields(item)
            return found
        found["type"] = item.get("format") or item.get("type") or "string"
        choices = item.get("oneOf") or [{"const": value} for value in item.get("enum", ())]
        if choices:
            found["choices"] = [{"value": c.get("const"), "label": c.get("title", c.get("const"))} for c in choices]
        return found

    def fields(part: dict[str, Any]) -> list[dict[str, Any]]:
        required = set(part.get("required", ()))
        return [
            field(key, inner, key in required) for key, inner in part.get("properties", {}).items() if key[0] != "$"
        ]

    return {"title": schema.get("title", ""), "fields": fields(resolved(schema))}


@standards_app.command("list")
def list_standards(json: Json = False) -> None:
    """Eingespielte und mitgelieferte Schema-Pakete zeigen."""
    for pack in Standards(standard_folders()).packs:
        changed = changed_files(pack)
        if json:
            _emit({"standard": pack.standard, "version": pack.version, "urn": pack.urn or None,
                   "folder": str(pack.folder),
                   "bundled": pack.bundled, "files": len(pack.files), "changed": changed})  # fmt: skip
        else:
            origin = "mitgeliefert" if pack.bundled else str(pack.folder)
            typer.echo(f"{title_of(pack):28} {pack.urn or '-':52} {origin}" + ("  VERÄNDERT" if changed else ""))


@standards_app.command("add")
def add_standard(
    source: Annotated[Path, typer.Argument(help="ZIP-Datei oder Ordner aus dem XRepository.")],
    standard: Annotated[
        str | None, typer.Option(help="Name, falls er nicht in den Schemas steht, z. B. xplanung.")
    ] = None,
    version: Annotated[str | None, typer.Option(help="Version, falls sie nicht in den Schemas steht.")] = None,
    json: Json = False,
) -> None:
    """Ein Schema-Paket einspielen; geprüft wird, ob es ohne Netz vollständig ist."""
    try:
        done = add_pack(
            source, installed_folder(), standards=Standards(standard_folders()), standard=standard, version=version
        )
    except PackError as error:
        if json:
            _emit(
                {"ok": False, "source": str(source), "faults": [Fault(None, "", "pack.broken", str(error)).as_dict()]}
            )
        else:
            typer.echo(f"Nicht eingespielt: {error}", err=True)
        raise typer.Exit(1) from None
    if json:
        _emit({"ok": True, "source": str(source), **_described(done.pack), "digest": done.digest,
               "entry_points": len(done.entry_points),
               "faults": [fault.as_dict() for fault in done.faults]})  # fmt: skip
        return
    typer.echo(
        f"Eingespielt: {title_of(done.pack)} ({len(done.entry_points)} Schemas geladen, sha256 {done.digest[:16]}…)"
    )
    for fault in done.faults:
        typer.echo(f"  Hinweis: {fault.message}")


def _described(pack: Pack) -> dict[str, Any]:
    return {"standard": pack.standard, "version": pack.version, "urn": pack.urn or None, "folder": str(pack.folder)}


def _unreadable(code: str, message: str) -> Report:
    return Report.of(None, [Fault(None, "", code, message)], validated=False)


def _emit(value: Any, *, pretty: bool = False) -> None:
    typer.echo(orjson.dumps(value, option=orjson.OPT_INDENT_2 if pretty else 0).decode())


def _told(path: Path, report: Report) -> Iterator[str]:
    """The report for people."""
    what = (
        f"{TITLES.get(report.standard, report.standard)} {report.version or ''}".strip()
        if report.standard
        else "nicht erkannt"
    )
    if report.message:
        what += f", {report.message}"
    verdict = "in Ordnung" if report.ok else "nicht in Ordnung" if report.validated else "nicht geprüft"
    yield f"{path}: {verdict} ({what})"
    yield from _fault_lines(report.faults)


def _fault_lines(faults: list[Fault]) -> Iterator[str]:
    for fault in faults:
        place = f"Zeile {fault.line}: " if fault.line and not fault.message.startswith("Zeile ") else ""
        yield f"  {place}{fault.message} [{fault.code}]"
        if fault.path:
            yield f"      bei {fault.path}"


def _section_lines(section: Section, depth: int = 0) -> Iterator[str]:
    yield "  " * depth + section.title
    for row in section.rows:
        yield "  " * depth + f"  {row.label}: {row.value}"
    for inner in section.sections:
        yield from _section_lines(inner, depth + 1)
