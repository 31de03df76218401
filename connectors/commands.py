"""``ozg-hub connector list|check|new|try``."""

from __future__ import annotations

import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from connectors import conformance, golden, scaffold
from connectors.contract import Manifest, ManifestError
from connectors.manifest import LIBRARY, Registry, find
from connectors.twins import TWINS

connector_app = typer.Typer(help="Konnektoren ansehen, prüfen, anlegen und ausprobieren.", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="Ein JSON-Objekt je Zeile.")]
Library = Annotated[Path, typer.Option(help="Ordner mit den Konnektoren.")]


def _found(library: Path) -> Registry:
    try:
        return find(library)
    except ManifestError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None


def _line(value: dict[str, Any]) -> None:
    typer.echo(orjson.dumps(value).decode())


def _facts(manifest: Manifest, report: conformance.Report | None) -> dict[str, Any]:
    return {
        "id": manifest.id,
        "title": manifest.title,
        "profile": manifest.profile,
        "kind": manifest.kind,
        "transport": manifest.transport,
        "operations": sorted(manifest.operations),
        "grade": report.grade if report else None,
        "evidence": manifest.evidence.level,
        "source": manifest.evidence.source,
    }


@connector_app.command("list")
def list_connectors(
    as_json: Json = False,
    grade: Annotated[bool, typer.Option(help="Auch die Note ermitteln (startet die simulierten Gegenstellen).")] = True,
    library: Library = LIBRARY,
) -> None:
    """Alle Konnektoren mit Transport, Note und Nachweis."""
    for manifest in _found(library):
        facts = _facts(manifest, conformance.check(manifest) if grade else None)
        if as_json:
            _line(facts)
        else:
            typer.echo(f"{facts['id']:24} {facts['transport']:8} {facts['grade'] or '-'}  {facts['title']}")


@connector_app.command("check")
def check_connectors(
    ids: Annotated[list[str] | None, typer.Argument(help="Kennungen; ohne Angabe alle.")] = None,
    as_json: Json = False,
    library: Library = LIBRARY,
) -> None:
    """Manifest, Beispiele und Verhalten gegen die simulierte Gegenstelle prüfen; Ende 1, wenn eine Note unter C ist."""
    registry, failed = _found(library), False
    for connector in ids or [manifest.id for manifest in registry]:
        if connector not in registry:
            typer.echo(f"Unbekannter Konnektor: {connector}", err=True)
            raise typer.Exit(2)
        report = conformance.check(registry[connector])
        failed = failed or report.grade in {"D", "E"}
        if as_json:
            _line(asdict(report))
            continue
        typer.echo(f"{report.id}: Note {report.grade}")
        for done in report.checks:
            mark = {True: "in Ordnung", False: "FEHLER", None: "nicht prüfbar"}[done.ok]
            typer.echo(f"  {done.name}: {mark}" + (f" ({done.reason})" if done.reason else ""))
    raise typer.Exit(1 if failed else 0)


@connector_app.command("new")
def new_connector(
    connector: Annotated[str, typer.Argument(help="Kennung, zugleich Ordnername, z. B. fischerei-rest.")],
    title: Annotated[str, typer.Option(prompt="Titel")],
    domain: Annotated[str, typer.Option(prompt="Fachgebiet")],
    transport: Annotated[str, typer.Option(help="rest oder folder")] = "rest",
    library: Library = LIBRARY,
) -> None:
    """Einen Ordner anlegen, der seine eigenen Prüfungen besteht."""
    try:
        manifest = scaffold.new(library, connector, title, domain, transport)
    except (ValueError, ManifestError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
    typer.echo(f"Angelegt: {manifest.folder}. Als Nächstes: connector.yaml und das Mapping anpassen, dann prüfen.")


@connector_app.command("try")
def try_connector(
    connector: str,
    sample: Annotated[str | None, typer.Option(help="Name des Beispiels.")] = None,
    library: Library = LIBRARY,
) -> None:
    """Ein Beispiel an die simulierte Gegenstelle senden und zeigen, was geschah."""
    registry = _found(library)
    manifest = next((known for known in registry if known.id == connector), None)
    kind = next((twin for twin in TWINS.values() if twin.connector == connector), None)
    chosen = [s for s in golden.samples(manifest) if s.operation and sample in {None, s.name}] if manifest else []
    if manifest is None or kind is None or not chosen:
        typer.echo("Dafür gibt es keine simulierte Gegenstelle oder kein Beispiel.", err=True)
        raise typer.Exit(2)
    with tempfile.TemporaryDirectory() as folder:
        twin = kind(Path(folder))
        with twin.running():
            done = conformance.deliver(manifest, chosen[0], conformance.instance_of(manifest, twin))
    _line(asdict(done))
    raise typer.Exit(0 if done.ok else 1)
