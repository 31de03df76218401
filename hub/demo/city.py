"""`ozg-hub run`: the embedded hub and the demo city, with sample applications, until Ctrl-C."""

from __future__ import annotations

import os
import signal
import socket
import threading
from pathlib import Path

from hub.demo.installation import CLIENT, PASSWORD, Installation, running
from hub.demo.once import follow, send_all
from hub.demo.samples import samples
from hub.kit.settings import settings

LEFT_FOR_VISITORS = {"company_car", "exemption", "cii-unassigned", "restaurant-residence-permit"}


def run_city(*, port: int, data: Path | None) -> int:
    """Start everything, print where to look, stay until Ctrl-C."""
    if data is not None:
        os.environ["HUB_DATA"] = str(data)
    port = _free(port)
    os.environ.setdefault("HUB_PUBLIC_URL", f"http://127.0.0.1:{port}")
    settings.cache_clear()
    stop = threading.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda *_: stop.set())
    print("Der Hub und die Demo-Stadt starten …", flush=True)
    with running(port) as city:
        plays = send_all(city, samples())
        print(f"{len(plays)} Musteranträge sind eingereicht und laufen.", flush=True)
        follow(city, [play for play in plays if play.sample.name not in LEFT_FOR_VISITORS], limit_s=60)
        _welcome(city)
        stop.wait()
        print("\nDer Hub hält an …", flush=True)
    return 0


def _free(port: int) -> int:
    """The port wanted, or a free one when somebody else has it."""
    for wanted in (port, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", wanted))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise SystemExit("Kein freier Port gefunden.")


def _welcome(city: Installation) -> None:
    users = "\n".join(f"    {user['login']:<24} {user['name']}" for user in city.city["users"])
    twins = "\n".join(f"    {twin.title:<34} {twin.address}" for twin in city.twins.values())
    print(
        f"""
Der Hub läuft.

  Posteingang der Sachbearbeitung   {city.address}/
  Programmierschnittstelle          {city.address}/api/docs

  Anmelden mit (Passwort überall: {PASSWORD})
{users}

  Die Fachverfahren der Demo-Stadt zeigen, was bei ihnen ankam:
{twins}

  Ansehen: Melden Sie sich als „steuern“ an; dort wartet ein Antrag auf Befreiung. Der Verlauf jedes Vorgangs zeigt
  jeden einzelnen Zustellversuch. Ein Zugriffstoken für die Schnittstelle:  .venv/bin/ozg-hub token --client {CLIENT}

Beenden mit Strg-C.
""",
        flush=True,
    )
