"""What a manifest must also keep beyond its shape: files exist, formulas compile, calls fit the transport."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import jsonschema_rs

from connectors import mapping
from connectors.declaration import CONTRACT_VERSIONS, RUNNABLE_TRANSPORTS, Answer, Lookup, Manifest, Operation, Step

RuleFault = tuple[tuple[Any, ...], str, str]

_REST_CALL = re.compile(r"^(GET|POST|PUT|PATCH|DELETE|HEAD) /\S*$")
_FILE_CALL = re.compile(r"^put [^/\s]\S*$")
_FIND_CALL = re.compile(r"^find [^/\s]\S*( [^/\s]\S*)*$")
_SOAP_CALL = re.compile(r"^[A-Za-z_]\w*$")
PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_BODIES = {
    "rest": {"none", "json", "xml", "original", "attachments", "package", "multipart"},
    "soap": {"soap"},
    "sftp": {"json", "xml", "original", "attachments", "package", "control-file"},
    "folder": {"json", "xml", "original", "attachments", "package", "control-file"},
}
_MAPPED = frozenset({"json", "xml", "soap", "multipart", "control-file"})


def rule_faults(manifest: Manifest) -> Iterator[RuleFault]:
    """(place, code, German message) of every broken rule."""
    yield from _identity(manifest)
    yield from _files(manifest)
    for name, operation in manifest.operations.items():
        yield from _operation(manifest, name, operation)
    yield from _listen(manifest)


def _identity(manifest: Manifest) -> Iterator[RuleFault]:
    if manifest.folder.name != manifest.id:
        message = f"Der Ordner heißt {manifest.folder.name!r}; er muss wie die id heißen: {manifest.id!r}."
        yield ("id",), "manifest.folder", message
    if manifest.contract not in CONTRACT_VERSIONS:
        yield ("contract",), "manifest.contract", f"Bekannt sind die Vertragsversionen {CONTRACT_VERSIONS}."
    known = {"type", "required", "properties"}
    for key in manifest.settings.keys() - known:
        yield ("settings", key), "settings.unknown", f"Unter settings sind nur {', '.join(sorted(known))} vorgesehen."
    try:
        jsonschema_rs.validator_for(manifest.settings_schema)
    except (jsonschema_rs.ValidationError, ValueError) as error:
        yield ("settings",), "settings.schema", f"settings ist kein gültiges JSON Schema: {type(error).__name__}."


def _files(manifest: Manifest) -> Iterator[RuleFault]:
    if manifest.transport == "soap" and manifest.wsdl is None:
        yield ("transport",), "wsdl.missing", "Für soap muss wsdl die WSDL-Datei im Ordner nennen."
    for key, name in (("wsdl", manifest.wsdl), ("schema", manifest.message_schema)):
        if name is not None and not (manifest.folder / name).is_file():
            yield (key,), "file.missing", f"Die Datei {name!r} fehlt im Ordner des Konnektors."
    if not (manifest.folder / "README.md").is_file():
        yield (), "readme.missing", "Die Seite README.md für die IT fehlt im Ordner des Konnektors."


def _operation(manifest: Manifest, name: str, operation: Operation) -> Iterator[RuleFault]:
    seen: set[str] = set()
    for index, step in enumerate(operation.steps):
        place = ("operations", name, "steps", index)
        if step.id in seen:
            yield (*place, "id"), "step.double", f"Der Schritt {step.id!r} kommt zweimal vor."
        seen.add(step.id)
        yield from _step(manifest, place, step)
    if operation.lookup is not None:
        yield from _lookup(manifest, ("operations", name, "lookup"), operation.lookup)
    elif any(step.repeat != "safe" for step in operation.steps):
        message = "Ohne lookup ließe sich ein unklarer Ausgang nicht aufklären; bitte angeben oder repeat: safe setzen."
        yield ("operations", name), "lookup.missing", message
    yield from _answers(("operations", name, "answers"), operation.answers)


def _step(manifest: Manifest, place: tuple[Any, ...], step: Step) -> Iterator[RuleFault]:
    transport = manifest.transport
    if transport in RUNNABLE_TRANSPORTS:
        yield from _call(transport, place, step.call, lookup=False)
        if step.body not in _BODIES[transport]:
            allowed = ", ".join(sorted(_BODIES[transport]))
            yield (*place, "body"), "body.transport", f"Über {transport} geht dieser Inhalt nicht; möglich: {allowed}."
    if step.body in _MAPPED and step.map is None:
        yield place, "map.missing", f"Für body: {step.body} muss map die Mapping-Datei nennen."
    yield from _map(manifest, place, step.map)
    yield from _formulas((*place, "saves"), step.saves)
    yield from _answers((*place, "answers"), step.answers)


def _lookup(manifest: Manifest, place: tuple[Any, ...], lookup: Lookup) -> Iterator[RuleFault]:
    if manifest.transport in RUNNABLE_TRANSPORTS:
        yield from _call(manifest.transport, place, lookup.call, lookup=True)
    yield from _map(manifest, place, lookup.map)
    yield from _formulas(place, {"found": lookup.found} if lookup.found else {})
    yield from _formulas((*place, "saves"), lookup.saves)
    yield from _answers((*place, "answers"), lookup.answers)


def _call(transport: str, place: tuple[Any, ...], call: str, *, lookup: bool) -> Iterator[RuleFault]:
    rules = {
        "rest": (_REST_CALL, "METHODE /pfad"),
        "soap": (_SOAP_CALL, "Name der Operation in der WSDL"),
        "sftp": (_FIND_CALL, "find <Datei> [<Datei> ...]") if lookup else (_FILE_CALL, "put <Ordner/Datei>"),
    }
    pattern, wanted = rules["sftp" if transport == "folder" else transport]
    bare = PLACEHOLDER.sub("x", call)
    if not pattern.match(bare) or ".." in bare:
        yield (*place, "call"), "call.form", f"Der Aufruf passt nicht zum Transport {transport}; erwartet: {wanted}."
    yield from _formulas((*place, "call"), {name: name for name in PLACEHOLDER.findall(call)})


def _map(manifest: Manifest, place: tuple[Any, ...], name: str | None) -> Iterator[RuleFault]:
    if name is None:
        return
    path = manifest.folder / name
    if not path.is_file():
        yield (*place, "map"), "map.file", f"Die Mapping-Datei {name!r} fehlt im Ordner des Konnektors."
    elif (fault := mapping.syntax_fault(path.read_text(encoding="utf-8"))) is not None:
        yield (*place, "map"), "map.syntax", f"{name}, Zeile {fault[0]}: {fault[1]}"


def _formulas(place: tuple[Any, ...], formulas: dict[str, str]) -> Iterator[RuleFault]:
    for name, source in formulas.items():
        if (fault := mapping.syntax_fault(source)) is not None:
            yield (*place, name), "formula.syntax", fault[1]


def _answers(place: tuple[Any, ...], answers: list[Answer]) -> Iterator[RuleFault]:
    for index, answer in enumerate(answers):
        said = {name: name for name in PLACEHOLDER.findall(answer.say)}
        yield from _formulas((*place, index), {"when": answer.when, **said})
        yield from _formulas((*place, index, "saves"), answer.saves)


def _listen(manifest: Manifest) -> Iterator[RuleFault]:
    for index, listen in enumerate(manifest.listen):
        place = ("listen", index)
        single = {"when": listen.when, "id": listen.id, "documents": listen.documents}
        yield from _formulas(place, {name: source for name, source in single.items() if source})
        yield from _formulas((*place, "match"), listen.match)
        yield from _formulas((*place, "payload"), listen.payload)
        yield from _map(manifest, place, listen.map)
        if listen.by == "folder" and listen.path is None:
            yield place, "listen.path", "Für by: folder muss path den Ordner nennen."
