"""The demo city's simulated applications: each on a real socket with its real protocol, in a thread of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from connectors.twins import TWINS, Twin

INSTANCES = {
    "dog-tax": ("steuerverfahren", "Steuerverfahren (Hundesteuer)", "Kommunale Steuern"),
    "trade-register": ("gewerberegister", "Gewerberegister", "Gewerbe und Gaststätten"),
    "building-app": ("bauverfahren", "Bauverfahren", "Bauaufsicht"),
    "payment": ("bezahlplattform", "Bezahlplattform", "Finanzen"),
    "finance": ("finanzverfahren", "Finanzverfahren", "Finanzen"),
    "dms": ("e-akte", "E-Akte (DMS)", "Registratur"),
    "portal": ("demo-portal", "OZG-Portal", "IT"),
}


@contextmanager
def running(data: Path, callback_base: str) -> Iterator[dict[str, Twin]]:
    """All applications while the block runs; they keep what they received in `data` between starts."""
    with ExitStack() as stack:
        found: dict[str, Twin] = {}
        for name, make in TWINS.items():
            instance = INSTANCES[name][0] if name in INSTANCES else name
            twin = make(data / name, callback=f"{callback_base}/api/v1/inbound/{instance}")
            stack.enter_context(twin.running())
            found[name] = twin
        yield found


def instances(found: dict[str, Twin], data: Path) -> list[dict[str, Any]]:
    """The connector instances that reach the applications, and the folder the e-file watches."""
    made = [
        {
            "name": INSTANCES[name][0],
            "title": INSTANCES[name][1],
            "owner": INSTANCES[name][2],
            "connector": twin.connector,
            "settings": twin.instance_settings(),
            "limits": {"timeout_s": 20, "retry_longest_s": 30},
        }
        for name, twin in found.items()
        if name in INSTANCES
    ]
    folder = data / "dms-ordner"
    folder.mkdir(parents=True, exist_ok=True)
    made.append(
        {
            "name": "dms-ordner",
            "title": "E-Akte (überwachter Ordner)",
            "owner": "Registratur",
            "connector": "dms-xdomea-folder",
            "settings": {"folder": str(folder)},
            "limits": {},
        }
    )
    return made
