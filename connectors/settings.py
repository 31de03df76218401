"""Settings of an instance: the schema of each transport plus what a manifest adds, and their check.

A setting marked ``writeOnly`` is a secret: the hub stores it by reference and injects it only for a call.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import jsonschema_rs
import orjson

from connectors.contract import Fault

if TYPE_CHECKING:
    from connectors.declaration import Manifest

_TIMES: dict[str, Any] = {
    "timeout_s": {"type": "number", "minimum": 0.1, "maximum": 600, "title": "Höchste Wartezeit auf eine Antwort"},
    "connect_timeout_s": {"type": "number", "minimum": 0.1, "maximum": 60, "title": "Höchste Wartezeit beim Verbinden"},
}
_HTTP: dict[str, Any] = _TIMES | {
    "endpoint": {"type": "string", "pattern": "^https?://[^/?#@]+", "title": "Adresse der Schnittstelle"},
    "token": {"type": "string", "writeOnly": True, "title": "Zugangstoken (Bearer)"},
    "user": {"type": "string", "title": "Benutzer"},
    "password": {"type": "string", "writeOnly": True, "title": "Kennwort"},
    "ca_file": {"type": "string", "title": "Datei mit dem Zertifikat der ausstellenden Stelle"},
    "webhook_secret": {"type": "string", "writeOnly": True, "title": "Gemeinsames Geheimnis der Meldungen"},
}
_BY_TRANSPORT: dict[str, tuple[dict[str, Any], list[str]]] = {
    "rest": (_HTTP, ["endpoint"]),
    "soap": (_HTTP, ["endpoint"]),
    "sftp": (
        _TIMES
        | {
            "host": {"type": "string", "minLength": 1, "title": "Rechnername"},
            "port": {"type": "integer", "minimum": 1, "maximum": 65535, "title": "Port"},
            "user": {"type": "string", "minLength": 1, "title": "Benutzer"},
            "password": {"type": "string", "writeOnly": True, "title": "Kennwort"},
            "private_key": {"type": "string", "writeOnly": True, "title": "Privater Schlüssel (OpenSSH)"},
            "host_key": {
                "type": "string",
                "pattern": "^(ssh|ecdsa)-[a-z0-9-]+ [A-Za-z0-9+/=]+",
                "title": "Öffentlicher Schlüssel des Rechners",
            },
            "folder": {"type": "string", "title": "Ordner auf dem Rechner"},
        },
        ["host", "port", "user", "host_key"],
    ),
    "folder": ({"folder": {"type": "string", "minLength": 1, "title": "Ordner"}}, ["folder"]),
}


def settings_schema(manifest: Manifest) -> dict[str, Any]:
    """JSON Schema of the settings an instance of ``manifest`` needs; unknown settings are refused."""
    properties, required = _BY_TRANSPORT.get(manifest.transport, ({}, []))
    own = manifest.settings
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": manifest.title,
        "type": "object",
        "properties": properties | dict(own.get("properties", {})),
        "required": required + [name for name in own.get("required", []) if name not in required],
        "additionalProperties": False,
    }


@lru_cache(maxsize=512)
def _validator(schema: bytes) -> Any:
    return jsonschema_rs.validator_for(orjson.loads(schema))


def settings_faults(manifest: Manifest, settings: Mapping[str, Any]) -> list[Fault]:
    """Every fault of ``settings``; values are never quoted, since they may be secrets."""
    schema = settings_schema(manifest)
    validator = _validator(orjson.dumps(schema, option=orjson.OPT_SORT_KEYS))
    return [
        Fault(
            file=f"{manifest.id} (Einstellungen)",
            line=None,
            place="/".join(str(part) for part in error.instance_path),
            code="settings.invalid",
            message=_say(schema, error),
        )
        for error in validator.iter_errors(dict(settings))
    ]


def _say(schema: dict[str, Any], error: Any) -> str:
    kind = type(error.kind).__name__.rsplit("_", 1)[-1]
    if kind == "Required":
        return f"Die Einstellung {error.kind.property!r} fehlt. Bitte tragen Sie sie ein."
    if kind == "AdditionalProperties":
        known = ", ".join(sorted(schema["properties"]))
        return f"Unbekannte Einstellung: {', '.join(error.kind.unexpected)}. Bekannt sind: {known}."
    name = str(error.instance_path[0]) if error.instance_path else ""
    rule = {
        k: v
        for k, v in schema["properties"].get(name, {}).items()
        if k in {"type", "pattern", "enum", "minimum", "maximum", "minLength", "format"}
    }
    return f"Der Wert passt nicht; erwartet wird: {rule}."
