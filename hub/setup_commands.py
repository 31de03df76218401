"""`ozg-hub setup …` and `process release`: what an operator configures in an installation of their own."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
import yaml

from hub.catalogue import service as catalogue
from hub.identity import service as identity
from hub.kit.database import Database
from hub.kit.settings import Stage, settings
from hub.library import service as library
from hub.library.process import ProfileError

setup_app = typer.Typer(no_args_is_help=True, help="Einrichten: Stadt, Zugänge, Personen")


@contextmanager
def _database() -> Iterator[Database]:
    from hub.worker import database

    db = database(settings())
    try:
        yield db
    finally:
        db.dispose()


@setup_app.command("city")
def city(file: Annotated[Path, typer.Argument(help="YAML: departments, competence, instances, bindings")]) -> None:
    """Take over departments, competence and connector instances; repeating it changes nothing."""
    told = yaml.safe_load(file.read_text(encoding="utf-8"))
    with _database() as db:
        try:
            with db.write() as session:
                catalogue.load_city(session, settings().tenant, told)
        except catalogue.NotConfiguredError as error:
            typer.echo(str(error), err=True)
            raise typer.Exit(1) from None
    typer.echo("Übernommen.")


@setup_app.command("client")
def client(
    client_id: Annotated[str, typer.Argument(help="Kennung des Portals")],
    title: Annotated[str, typer.Option(help="Bezeichnung")],
    service: Annotated[list[str] | None, typer.Option(help="LeiKa-ID oder Prozess; mehrfach; ohne: alle")] = None,
    reply_to: Annotated[str | None, typer.Option(help="Anbindung, über die geantwortet wird")] = None,
) -> None:
    """Register a portal and print its secret, once."""
    secret = secrets.token_urlsafe(32)
    with _database() as db, db.write() as session:
        identity.save_client(
            session,
            tenant=settings().tenant,
            client_id=client_id,
            title=title,
            secret=secret,
            services=service or ["*"],
            reply_to=reply_to,
        )
    typer.echo(f"client_id={client_id}\nclient_secret={secret}")


@setup_app.command("user")
def user(
    login: Annotated[str, typer.Argument(help="Anmeldename")],
    name: Annotated[str, typer.Option(help="Anzeigename (Funktion)")],
    role: Annotated[list[str], typer.Option(help="caseworker, process_owner, it, auditor; mehrfach")],
    department: Annotated[list[str] | None, typer.Option(help="Fachbereich; mehrfach")] = None,
    clearance: Annotated[list[str] | None, typer.Option(help="tax, social, youth, personnel, protected")] = None,
    password: Annotated[str, typer.Option(prompt=True, hide_input=True, confirmation_prompt=True)] = "",
) -> None:
    """Create a person's account or replace it; the password is asked for."""
    with _database() as db, db.write() as session:
        identity.save_user(
            session,
            tenant=settings().tenant,
            login=login.strip().casefold(),
            display_name=name,
            password=password,
            roles=role,
            departments=department or [],
            clearances=clearance or [],
        )
    typer.echo(f"Der Zugang „{login}“ ist eingerichtet.")


def release(
    folder: Annotated[Path, typer.Argument(help="Prozessordner")],
    by: Annotated[str, typer.Option(help="Wer freigibt (Funktion)")],
    reviewed_by: Annotated[str, typer.Option(help="Wer geprüft hat (Funktion); eine andere Person")],
) -> None:
    """Release a process folder: the gate is checked, running cases keep their version."""
    if settings().stage is Stage.PRODUCTION and by.strip() == reviewed_by.strip():
        typer.echo("Vier Augen: Freigabe und Prüfung müssen verschiedene Personen übernehmen.", err=True)
        raise typer.Exit(1)
    with _database() as db:
        try:
            with db.write() as session:
                library.install(session, settings().tenant, folder.resolve(), by=by, reviewed_by=reviewed_by)
        except ProfileError as error:
            typer.echo(str(error), err=True)
            raise typer.Exit(1) from None
    typer.echo(f"{folder.name} ist freigegeben.")
