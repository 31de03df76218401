"""Reading connector folders: every fault of every manifest at once, each with file, line and what to do.

A folder is a connector when it holds ``connector.yaml``; its name is the id. There is no list to edit.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from connectors.contract import Fault, ManifestError
from connectors.declaration import Manifest
from connectors.rules import rule_faults

LIBRARY = Path(__file__).parent / "library"


class Registry:
    """The connectors of one or more folders, by id."""

    def __init__(self) -> None:
        self._manifests: dict[str, Manifest] = {}

    def add(self, manifest: Manifest) -> None:
        """Take one more connector; ValueError when the id is taken."""
        if manifest.id in self._manifests:
            raise ValueError(f"Der Konnektor {manifest.id!r} ist doppelt vorhanden.")
        self._manifests[manifest.id] = manifest

    def __getitem__(self, connector: str) -> Manifest:
        try:
            return self._manifests[connector]
        except KeyError:
            known = ", ".join(sorted(self._manifests))
            raise KeyError(f"Unbekannter Konnektor {connector!r}; bekannt sind: {known}") from None

    def __contains__(self, connector: object) -> bool:
        return connector in self._manifests

    def __iter__(self) -> Iterator[Manifest]:
        return iter(self._manifests.values())

    def __len__(self) -> int:
        return len(self._manifests)


def find(root: Path = LIBRARY) -> Registry:
    """Every connector below ``root``; raises :class:`ManifestError` with the faults of all of them."""
    registry, faults = Registry(), list[Fault]()
    for path in sorted(root.glob("*/connector.yaml")):
        try:
            registry.add(read(path))
        except ManifestError as error:
            faults += error.faults
    if faults:
        raise ManifestError(faults)
    return registry


def read(path: Path) -> Manifest:
    """One ``connector.yaml``; raises :class:`ManifestError` with all its faults."""
    shown = f"{path.parent.name}/{path.name}"
    try:
        text = path.read_text(encoding="utf-8")
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        raw = yaml.safe_load(text)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ManifestError([_unreadable(shown, error)]) from None
    if not isinstance(raw, dict):
        fault = Fault(shown, 1, "", "manifest.shape", "Das Manifest muss aus Schlüsseln und Werten bestehen.")
        raise ManifestError([fault])
    try:
        manifest = Manifest.model_validate({**raw, "folder": path.parent})
    except ValidationError as error:
        raise ManifestError([_fault(shown, node, entry) for entry in error.errors()]) from None
    faults = [
        Fault(shown, line_of(node, place), ".".join(str(part) for part in place), code, message)
        for place, code, message in rule_faults(manifest)
    ]
    if faults:
        raise ManifestError(faults)
    return manifest


def _unreadable(shown: str, error: Exception) -> Fault:
    mark = getattr(error, "problem_mark", None)
    line = mark.line + 1 if mark else None
    return Fault(shown, line, "", "manifest.unreadable", "Die Datei ist kein lesbares YAML in UTF-8.")


def line_of(node: yaml.Node | None, place: tuple[Any, ...]) -> int | None:
    """Line (from 1) of the entry at ``place``, or of the nearest entry above it that exists."""
    line = node.start_mark.line + 1 if node else None
    for part in place:
        found = _child(node, part)
        if found is None:
            break
        node = found[1]
        line = found[0].start_mark.line + 1
    return line


def _child(node: yaml.Node | None, part: Any) -> tuple[yaml.Node, yaml.Node] | None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == str(part):
                return key, value
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part], node.value[part]
    return None


def _fault(shown: str, node: yaml.Node | None, entry: Any) -> Fault:
    place = tuple(part for part in entry["loc"] if part != "[key]")
    return Fault(
        shown, line_of(node, place), ".".join(str(part) for part in place), f"manifest.{entry['type']}", _german(entry)
    )


def _german(entry: Any) -> str:
    context = entry.get("ctx", {})
    expected = context.get("expected") or context.get("pattern") or ""
    texts = {
        "missing": "Diese Angabe fehlt; bitte ergänzen.",
        "extra_forbidden": "Diesen Schlüssel gibt es nicht; bitte Schreibweise prüfen oder entfernen.",
        "literal_error": f"Der Wert ist nicht vorgesehen. Möglich sind: {str(expected).replace(' or ', ', ')}.",
        "string_pattern_mismatch": f"Die Schreibweise passt nicht; erwartet wird {expected}.",
        "too_short": "Hier muss mindestens ein Eintrag stehen.",
        "string_too_short": "Der Text darf nicht leer sein.",
    }
    wanted = {
        "string_type": "ein Text",
        "bool_type": "true oder false",
        "int_type": "eine ganze Zahl",
        "dict_type": "eine Liste von Schlüsseln und Werten",
        "list_type": "eine Liste",
        "model_type": "ein Block mit Schlüsseln und Werten",
    }
    kind = entry["type"]
    if kind in wanted:
        return f"Erwartet wird {wanted[kind]}; Texte mit Sonderzeichen oder Ziffern bitte in Anführungszeichen setzen."
    return texts.get(kind, f"Der Wert ist ungültig ({kind}).")
