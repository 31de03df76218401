"""What sftp and folder share: which files a step puts, under which names, and what a lookup finds.

A file appears at its place whole or not at all (``.part``, then rename). Putting the same name again replaces it, so a
far system that reads by control file sees each key once; the key is part of every file name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import BinaryIO, Protocol

import orjson

from connectors import answers, mapping, redact, xmltree
from connectors.contract import Outcome
from connectors.declaration import Step
from connectors.transports import rest
from connectors.transports.call import Call, chosen, file_part


@dataclass(frozen=True, slots=True)
class Listed:
    """A file the far system left for us; ``acknowledge`` takes it away once its event is committed."""

    name: str
    raw: bytes
    acknowledge: Callable[[], None]


class Store(Protocol):
    """A place files can be put to; paths are relative to the instance's folder."""

    def put(self, path: str, content: BinaryIO) -> None:
        """Write ``content`` so that ``path`` appears whole or not at all."""

    def exists(self, path: str) -> bool:
        """Whether a file is there."""


def perform(call: Call, store: Store) -> Outcome:
    """Put the files of a step, or look for files. Raises what mappings and the store raise."""
    if not isinstance(call.declared, Step):
        return _look(call, store)
    shown: list[str] = []
    for path, content, description in _files(call, call.declared):
        store.put(path, content)
        shown.append(description)
    if not shown and not call.declared.optional:
        raise xmltree.TreeError("Für diesen Schritt ist keine passende Datei vorhanden.")
    values = answers.saved(call.declared.saves, {"status": "ok", "key": call.message.key}, call.place)
    return answers.outcome(
        "delivered",
        saved=values,
        request=redact.shorten("; ".join(shown)),
        status="ok",
        detail="" if shown else "skipped",
    )


def _look(call: Call, store: Store) -> Outcome:
    patterns = call.declared.call.removeprefix("find ").split(" ")
    paths = [call.address(pattern, escape=file_part) for pattern in patterns]
    found = [pattern for pattern, path in zip(patterns, paths, strict=True) if store.exists(path)]
    if not found:
        return answers.outcome("absent", request=call.declared.call, status="absent")
    values = answers.saved(call.declared.saves, {"status": "ok", "found": found, "key": call.message.key}, call.place)
    return answers.outcome("delivered", saved=values, request=call.declared.call, answer="; ".join(found), status="ok")


def _files(call: Call, step: Step) -> Iterator[tuple[str, BinaryIO, str]]:
    """(path, content, description) of every file of the step."""
    pattern = step.call.removeprefix("put ")
    if step.body in {"json", "xml", "control-file"}:
        content, shown = _rendered(call, step.body)
        yield call.address(pattern, escape=file_part), BytesIO(content), f"{step.body} {shown}"
        return
    files = [call.message.original] if step.body == "original" and call.message.original else []
    if step.body != "original":
        files = list(chosen(step.attachments if step.attachments != "none" else "all", call.attachments))
    for index, file in enumerate(files, start=1):
        path = call.address(pattern, escape=file_part, file=file.facts() | {"index": index})
        with file.open() as stream:
            yield path, stream, redact.files([file]).removeprefix(" + ")


def _rendered(call: Call, body: str) -> tuple[bytes, str]:
    if body != "control-file":
        content, _, shown = rest.encode(call, body)
        return content, shown
    value = call.mapped()
    if value is None:
        raise mapping.MappingError(call.place, "Das Mapping der Steuerdatei liefert nichts.")
    content = value.encode() if isinstance(value, str) else orjson.dumps(value, option=orjson.OPT_INDENT_2)
    return content, redact.fingerprint(content)
