"""``connector new``: a folder with manifest, mapping, sample, expected message and page; it passes its own checks."""

from __future__ import annotations

import re
import shutil
from datetime import date
from pathlib import Path

import orjson
import yaml

from connectors.contract import Manifest
from connectors.golden import write_expected
from connectors.manifest import read

_STEPS = {
    "rest": {
        "id": "create",
        "call": "POST /api/vorgaenge",
        "body": "json",
        "map": "create-case.jsonata",
        "repeat": "same-key",
        "saves": {"file_number": "body.nummer"},
        "answers": [{"when": "status = 422", "outcome": "rejected", "say": "Abgelehnt: {body.meldung}"}],
    },
    "folder": {
        "id": "create",
        "call": "put {key}.json",
        "body": "json",
        "map": "create-case.jsonata",
        "repeat": "safe",
    },
}
_LOOKUPS = {
    "rest": {"call": "GET /api/vorgaenge/{key}", "saves": {"file_number": "body.nummer"}},
    "folder": {"call": "find {key}.json"},
}
_README = """# {title}

- **Wofür:** bitte in einem Satz beschreiben, was übergeben wird und was zurückkommt.
- **Einzustellen:** siehe `settings` im Manifest; Adresse und Zugang gehören in die Instanz, nie in diesen Ordner.
- **Wenn etwas hängt:** was IT und Fachabteilung jeweils tun können.
"""


def new(library: Path, connector: str, title: str, domain: str, transport: str) -> Manifest:
    """Create the folder; ValueError when the id is taken or malformed, or the transport has no template."""
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", connector):
        raise ValueError("Die Kennung besteht aus Kleinbuchstaben, Ziffern und Bindestrichen.")
    if transport not in _STEPS:
        raise ValueError(f"Vorlagen gibt es für: {', '.join(_STEPS)}.")
    folder = library / connector
    if folder.exists():
        raise ValueError(f"Den Ordner {connector!r} gibt es schon.")
    (folder / "samples").mkdir(parents=True)
    try:
        return _write(folder, _manifest(connector, title, domain, transport), title)
    except Exception:
        shutil.rmtree(folder)
        raise


def _write(folder: Path, declared: dict[str, object], title: str) -> Manifest:
    text = yaml.safe_dump(declared, allow_unicode=True, sort_keys=False, width=110)
    (folder / "connector.yaml").write_text(text, encoding="utf-8")
    mapping = '{ "schluessel": key, "vorgang": case.number, "eingang": case.received_on }\n'
    (folder / "create-case.jsonata").write_text(mapping, encoding="utf-8")
    (folder / "README.md").write_text(_README.format(title=title), encoding="utf-8")
    message = {"case": {"number": "2026-000042", "received_on": "2026-11-23"}}
    sample = {"operation": "create-case", "message": message}
    (folder / "samples" / "create-case.json").write_bytes(orjson.dumps(sample, option=orjson.OPT_INDENT_2) + b"\n")
    manifest = read(folder / "connector.yaml")
    write_expected(manifest)
    return manifest


def _manifest(connector: str, title: str, domain: str, transport: str) -> dict[str, object]:
    todo = "bitte ergänzen"
    return {
        "id": connector,
        "title": title,
        "contract": 1,
        "kind": "specialist-app",
        "domain": domain,
        "transport": transport,
        "evidence": {"level": "none", "date": date.today().isoformat(), "source": todo},
        "speaks": {"standard": todo, "version": "1"},
        "personal_data": {
            "fields": [todo],
            "purpose": todo,
            "legal_basis": todo,
            "retention": todo,
            "secrecy": "general",
        },
        "operations": {"create-case": {"steps": [_STEPS[transport]], "lookup": _LOOKUPS[transport]}},
    }
