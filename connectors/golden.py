"""Golden messages: the samples of a connector folder and what must come out of them.

``samples/<name>.json`` holds ``{"operation", "message", "attachments"}`` or ``{"inbound": <raw text or object>}``;
``expected/<name>.<step>.(json|xml|txt)`` or ``expected/<name>.events.json`` holds the result.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import orjson
from lxml import etree

from connectors import inbound, xmltree
from connectors.calls import plan
from connectors.contract import Attachment, Instance, Manifest, Message
from connectors.declaration import Step
from connectors.mapping import context
from connectors.transports import wsdl
from connectors.transports.call import Call


@dataclass(frozen=True, slots=True)
class Sample:
    """One sample of a connector folder."""

    name: str
    operation: str | None
    message: Message
    attachments: tuple[Attachment, ...]
    inbound: bytes | None


def samples(manifest: Manifest) -> list[Sample]:
    """All samples of a manifest, by name."""
    return [_sample(path) for path in sorted(manifest.folder.glob(manifest.samples))]


def _sample(path: Path) -> Sample:
    raw = orjson.loads(path.read_bytes())
    said = raw.get("message", {})
    files = tuple(file(**entry) for entry in raw.get("attachments", []))
    original = file(**said.pop("original")) if said.get("original") else None
    documents = [file(**entry) for entry in said.pop("documents", [])]
    message = Message(
        **{
            "key": "0198c0de-0000-7000-8000-000000000001",
            "case": {},
            "application": {},
            **said,
            "original": original,
            "documents": documents,
        }
    )
    text = raw.get("inbound")
    came = None if text is None else text.encode() if isinstance(text, str) else orjson.dumps(text)
    return Sample(path.stem, raw.get("operation"), message, files, came)


def file(
    name: str,
    media_type: str = "application/pdf",
    text: str | None = None,
    size: int = 2000,
    entries: dict[str, str] | None = None,
) -> Attachment:
    """An attachment with made-up content: a text, a ZIP of ``entries``, or filler of ``size`` bytes."""
    content = text.encode() if text is not None else (f"%PDF-1.4 {name} ".encode() * size)[:size]
    if entries is not None:
        content = _zipped(entries)
    digest = hashlib.sha256(content).hexdigest()
    return Attachment(f"att-{digest[:12]}", name, media_type, len(content), digest, name, lambda: BytesIO(content))


def _zipped(entries: dict[str, str]) -> bytes:
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, text in entries.items():
            archive.writestr(zipfile.ZipInfo(name), text)
    return packed.getvalue()


def rendered(manifest: Manifest, sample: Sample) -> Iterator[tuple[str, bytes]]:
    """(file name in ``expected``, content) of what a sample becomes; raises what mappings raise."""
    if sample.inbound is not None:
        events = [asdict(event) for event in inbound.match_event(manifest, sample.inbound, {})]
        for event in events:
            for document in event["documents"]:
                document["content"] = hashlib.sha256(document["content"]).hexdigest()
        yield f"{sample.name}.events.json", orjson.dumps(events, option=orjson.OPT_INDENT_2)
        return
    instance = Instance("muster", 1, manifest, {})
    values = context(instance, sample.message, sample.attachments)
    for planned in plan(manifest, str(sample.operation)):
        if planned.step.map is not None:
            call = Call(instance, sample.message, planned.step, [], sample.attachments, values, planned.id)
            yield _one(call, planned.step, f"{sample.name}.{planned.id}")


def _one(call: Call, step: Step, name: str) -> tuple[str, bytes]:
    manifest, tree = call.instance.manifest, call.mapped()
    if step.body not in {"xml", "soap"}:
        text = tree.encode() if isinstance(tree, str) else orjson.dumps(tree, option=orjson.OPT_INDENT_2)
        return f"{name}.{'txt' if isinstance(tree, str) else 'json'}", text
    root = xmltree.build(tree, manifest.namespaces)
    if step.body == "soap":
        xmltree.check_with(root, wsdl.load(manifest.folder / str(manifest.wsdl)).schema)
    elif manifest.message_schema:
        xmltree.check(root, manifest.folder / manifest.message_schema)
    return f"{name}.xml", etree.tostring(root, pretty_print=True, xml_declaration=True, encoding="UTF-8")


def differences(manifest: Manifest, sample: Sample) -> list[str]:
    """The expected files a sample does not produce as written; German."""
    found = []
    for name, content in rendered(manifest, sample):
        path = manifest.folder / "expected" / name
        if not path.is_file():
            found.append(f"expected/{name} fehlt")
        elif _canonical(path.read_bytes()) != _canonical(content):
            found.append(f"expected/{name} weicht ab")
    return found


def _canonical(content: bytes) -> Any:
    if content.lstrip()[:1] == b"<":
        parser = etree.XMLParser(remove_blank_text=True, resolve_entities=False, no_network=True)
        return etree.tostring(etree.fromstring(content, parser), method="c14n")
    return orjson.loads(content) if content.lstrip()[:1] in (b"{", b"[") else content


def write_expected(manifest: Manifest) -> list[str]:
    """Write all expected files anew; the author reads them before they are kept."""
    folder, names = manifest.folder / "expected", []
    folder.mkdir(exist_ok=True)
    for sample in samples(manifest):
        for name, content in rendered(manifest, sample):
            (folder / name).write_bytes(content.rstrip() + b"\n")
            names.append(name)
    return names
