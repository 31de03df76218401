"""`ozg-hub`: assembly of every command. `--json` prints JSON Lines, one object an item."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from connectors.commands import connector_app
from hub.kit import paths
from hub.kit.settings import settings
from hub.setup_commands import release, setup_app
from workflows import commands as process_commands
from workflows.commands import process_app
from xoev import commands as xoev_commands
from xoev.commands import standards_app, xoev_app

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Die Drehscheibe zwischen OZG-Portal und Fachverfahren.",
    pretty_exceptions_enable=False,
)
db_app = typer.Typer(no_args_is_help=True, help="Datenbank")
case_app = typer.Typer(no_args_is_help=True, help="Vorgänge")
audit_app = typer.Typer(no_args_is_help=True, help="Protokoll")
for name, part in {
    "xoev": xoev_app,
    "standards": standards_app,
    "process": process_app,
    "connector": connector_app,
    "db": db_app,
    "case": case_app,
    "audit": audit_app,
    "setup": setup_app,
}.items():
    app.add_typer(part, name=name)

process_app.command("release")(release)

Json = Annotated[bool, typer.Option("--json", help="JSON Lines statt Text")]


def _print(value: Any) -> None:
    sys.stdout.buffer.write(orjson.dumps(value, default=str) + b"\n")
    sys.stdout.buffer.flush()


@app.command()
def run(
    port: Annotated[int, typer.Option(help="Port der Seiten und der API")] = 8000,
    data: Annotated[Path | None, typer.Option(help="Datenordner (Vorgabe: HUB_DATA)")] = None,
) -> None:
    """Start the embedded hub with a demo city and sample applications, until Ctrl-C."""
    from hub.demo.city import run_city

    raise typer.Exit(run_city(port=port, data=data))


@app.command()
def demo(
    json: Json = False,
    once: Annotated[bool, typer.Option("--once", help="Alle Musteranträge durchlaufen lassen und enden")] = False,
    port: Annotated[int, typer.Option(help="Port der Seiten und der API (0: ein freier)")] = 0,
) -> None:
    """Play the sample applications through; exit code 0 only if every one was delivered and filed."""
    from hub.demo.city import run_city
    from hub.demo.once import run_once

    raise typer.Exit(run_once(as_json=json) if once else run_city(port=port, data=None))


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="Adresse")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port")] = 8000,
    workers: Annotated[int, typer.Option(help="Prozesse; mehr als einer nur mit Broker")] = 1,
) -> None:
    """Serve API and pages; without BROKER_URL the jobs run inside this process."""
    import uvicorn

    if workers > 1 and settings().embedded:
        raise typer.BadParameter("Mehrere Prozesse brauchen BROKER_URL.")
    _need_current()
    uvicorn.run(
        "hub.app:create",
        factory=True,
        host=host,
        port=port,
        workers=workers,
        log_level="warning",
        access_log=False,
        proxy_headers=True,
        server_header=False,
        timeout_graceful_shutdown=10,
    )


def _need_current() -> None:
    from hub import upgrade
    from hub.worker import database

    db = database(settings())
    current = upgrade.is_current(db)
    db.dispose()
    if not current:
        typer.echo("Die Datenbank hat nicht den Stand dieser Version. Bitte zuerst: ozg-hub db upgrade", err=True)
        raise typer.Exit(2)


@app.command()
def worker(
    processes: Annotated[int | None, typer.Option(help="Prozesse (Vorgabe: HUB_WORKER_PROCESSES)")] = None,
) -> None:
    """Run jobs from RabbitMQ until SIGTERM."""
    from hub.worker import run_worker

    _need_current()
    raise typer.Exit(run_worker(processes=processes))


@app.command()
def beat() -> None:
    """Announce due and lost jobs until SIGTERM; several may run."""
    from hub.worker import run_beat

    _need_current()
    raise typer.Exit(run_beat())


@app.command()
def token(client: Annotated[str, typer.Option(help="Kennung des Zugangs, z. B. demo-portal")]) -> None:
    """Print an access token for a registered client (for operators on the host of the hub)."""
    from hub.cases import vault
    from hub.identity import service
    from hub.worker import database

    db = database(settings())
    with db.read() as session:
        known = service.client(session, settings().tenant, client)
    db.dispose()
    if known is None:
        typer.echo(f"Den Zugang „{client}“ gibt es nicht. „ozg-hub run“ legt „demo-portal“ an.", err=True)
        raise typer.Exit(1)
    key = vault.ring().derived("oauth access token")
    typer.echo(service.issue_token(key, settings().tenant, client, issuer=settings().public_url))


@db_app.command("upgrade")
def db_upgrade() -> None:
    """Create or upgrade all tables."""
    from hub import upgrade
    from hub.worker import database

    settings().data.mkdir(parents=True, exist_ok=True)
    db = database(settings())
    upgrade.upgrade(db)
    db.dispose()
    typer.echo("Die Datenbank ist auf dem Stand dieser Version.")


@case_app.command("trace")
def case_trace(
    case: Annotated[str, typer.Argument(help="Vorgangsnummer, Aktenzeichen oder Kennung")], json: Json = False
) -> None:
    """Everything that happened to a case, with every delivery attempt; no content."""
    from hub.insight import service as insight
    from hub.worker import database

    db = database(settings())
    with db.read() as session:
        found = insight.find(session, settings().tenant, case)
        if found is None:
            typer.echo(f"Den Vorgang „{case}“ gibt es nicht.", err=True)
            raise typer.Exit(1)
        story = insight.trace(session, found)
    db.dispose()
    if json:
        _print(story)
    else:
        typer.echo(insight.as_text(story))


@case_app.command("show")
def case_show(case: Annotated[str, typer.Argument(help="Vorgangsnummer, Aktenzeichen oder Kennung")]) -> None:
    """Where a case stands, without its content."""
    from hub.insight import service as insight
    from hub.worker import database

    db = database(settings())
    with db.read() as session:
        found = insight.find(session, settings().tenant, case)
        if found is None:
            typer.echo(f"Den Vorgang „{case}“ gibt es nicht.", err=True)
            raise typer.Exit(1)
        story = insight.trace(session, found)
    db.dispose()
    _print(story["case"])


@audit_app.command("verify")
def audit_verify(json: Json = False) -> None:
    """Prove the audit chain; exit code 1 if it is broken."""
    from hub import audit
    from hub.worker import database

    db = database(settings())
    audit.seal(db)
    verdict = audit.verify(db)
    db.dispose()
    if json:
        _print(
            {
                "ok": verdict.ok,
                "sealed": verdict.sealed,
                "unsealed": verdict.unsealed,
                "first_break": verdict.first_break,
                "heads": dict(verdict.heads),
            }
        )
    elif verdict.ok:
        typer.echo(
            f"Das Protokoll ist unverändert: {verdict.sealed} Einträge verkettet, {verdict.unsealed} noch offen."
        )
    else:
        typer.echo(f"Das Protokoll ist verletzt: {verdict.first_break}", err=True)
    if not verdict.ok:
        raise typer.Exit(1)


def main() -> None:
    """Entry point of the console script."""
    from hub.library.process import Process, read_folder
    from hub.library.samples import read_application

    def reader(folder: Path) -> Any:
        process = Process(read_folder(folder))
        return lambda path: read_application(process, path.read_bytes())

    process_commands.read_samples_with(reader)
    xoev_commands.look_in(installed=settings().data / "standards", own=[paths.process_library()])
    try:
        app()
    except BrokenPipeError:
        os._exit(1)


if __name__ == "__main__":
    main()
