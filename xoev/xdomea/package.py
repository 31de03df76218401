"""Write and read the ZIP that carries the messages and documents of one case.

One package per case holds both messages (0604, then 0605, with the same ProzessID) and the documents beside
them: the receiver gets all or nothing, and 0605 refers to the Vorgang that 0604 creates. The XSD forbids one
message for both (0604 knows no delivery of documents to an existing place, 0605 creates no Vorgang with its own
id). Receivers that want one ZIP a message get it by `write_message_package`.
"""

from __future__ import annotations

import hashlib
import zipfile
from typing import BinaryIO, NamedTuple
from uuid import UUID

from lxml import etree

from xoev.safe import Limits, SafeZip, open_zip, parse_xml
from xoev.xdomea.messages import CREATE, FILE, NAMES, NAMESPACE, create_message, file_message, numbers
from xoev.xdomea.model import DocumentRecord, FilingError, FilingOrder, PackagedFile, PackagedMessage, PackageInfo
from xoev.xdomea.names import document_name, message_name

_CHUNK = 256 * 1024
_ZIP64_FROM = 2**31 - 1
_COMPRESSED = frozenset({"xml", "json", "txt", "csv", "html"})
_WRITERS = {CREATE: create_message, FILE: file_message}
_NS = {"x": NAMESPACE}


def package_name(order: FilingOrder) -> str:
    """The name to store the package under."""
    return f"{order.process_id}_FVDaten.zip"


def write_package(order: FilingOrder, out: BinaryIO) -> PackageInfo:
    """Write the package of ``order`` to ``out`` (seekable for the widest readability).

    Documents are streamed in 256 KiB steps and checked against their ``size`` and ``sha256``; a difference raises
    `FilingError`, and what was written so far must be thrown away. Equal orders give equal bytes.
    """
    return _write(order, numbers(order), package_name(order), out)


def write_message_package(order: FilingOrder, number: str, out: BinaryIO) -> PackageInfo:
    """Write one message (``0604`` or ``0605``) as a ZIP of its own, named like the message."""
    if number not in numbers(order):
        raise FilingError(f"Der Auftrag enthält keine Nachricht {number}.")
    return _write(order, (number,), f"{message_name(order.process_id, NAMES[number], number)}.zip", out)


def _write(order: FilingOrder, wanted: tuple[str, ...], name: str, out: BinaryIO) -> PackageInfo:
    files: list[PackagedFile] = []
    messages: list[PackagedMessage] = []
    moment = order.created_at.utctimetuple()[:6]
    with zipfile.ZipFile(out, "w", allowZip64=True) as archive:
        for number in wanted:
            entry = f"{message_name(order.process_id, NAMES[number], number)}.xml"
            data = _WRITERS[number](order)
            archive.writestr(_info(entry, moment, zipfile.ZIP_DEFLATED), data)
            files.append(PackagedFile(entry, len(data), hashlib.sha256(data).hexdigest()))
            messages.append(PackagedMessage(number, NAMES[number], entry))
        for document in order.documents if FILE in wanted else ():
            files.append(_document(archive, document, moment))
    return PackageInfo(name, tuple(files), tuple(messages))


def _info(name: str, moment: tuple[int, ...], compression: int) -> zipfile.ZipInfo:
    year, month, day, hour, minute, second = moment
    info = zipfile.ZipInfo(name, (max(year, 1980), month, day, hour, minute, second))
    info.compress_type = compression
    info.create_system = 3  # Unix, whatever system writes: the bytes must not depend on it
    info.external_attr = 0o600 << 16
    return info


def _document(archive: zipfile.ZipFile, document: DocumentRecord, moment: tuple[int, ...]) -> PackagedFile:
    name = document_name(document)
    compress = name.rpartition(".")[2] in _COMPRESSED
    info = _info(name, moment, zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED)
    big = document.size is None or document.size >= _ZIP64_FROM
    digest, size = hashlib.sha256(), 0
    with document.open() as source, archive.open(info, "w", force_zip64=big) as target:
        while chunk := source.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
            target.write(chunk)
    if document.size not in (None, size) or document.sha256 not in (None, digest.hexdigest()):
        raise FilingError(f"Das Dokument „{document.name}“ stimmt nicht mit seiner Prüfsumme überein.")
    return PackagedFile(name, size, digest.hexdigest(), document.id)


class ReadDocument(NamedTuple):
    """One document of a read package."""

    id: str
    container: str | None
    title: str
    file_name: str
    original_name: str
    size: int
    sha256: str


class ReadPackage(NamedTuple):
    """What a receiver needs to know. ``file`` and ``transaction`` are None unless the package creates them.

    Both are dicts with ``id``, ``number``, ``title``, ``plan``, ``container``.
    """

    process_id: UUID
    messages: tuple[str, ...]
    sender: str
    file: dict[str, str | None] | None
    transaction: dict[str, str | None] | None
    documents: tuple[ReadDocument, ...]


def read_package(source: BinaryIO, *, limits: Limits | None = None) -> ReadPackage:
    """Read a package: references, new records, documents with their digests.

    Raises `UnsafeInput` for a dangerous ZIP and `FilingError` for one without usable messages.
    """
    with open_zip(source, limits=limits) if limits else open_zip(source) as archive:
        roots = {number: root for name in archive.names if (number := _number(name)) for root in [_xml(archive, name)]}
        if not roots:
            raise FilingError("Das Paket enthält keine Nachricht 0604 oder 0605.")
        created = _created(roots.get(CREATE))
        documents = tuple(_read_document(archive, node) for node in _objects(roots.get(FILE)))
    first = next(iter(roots.values()))
    return ReadPackage(
        UUID(first.findtext("x:Kopf/x:ProzessID", "", _NS)),
        tuple(sorted(roots)),
        first.findtext("x:Kopf/x:Absender/x:Institution/x:Name", "", _NS),
        created.get("Akte"),
        created.get("Vorgang"),
        documents,
    )


def _number(name: str) -> str | None:
    return next((number for number in (CREATE, FILE) if name.endswith(f"_{NAMES[number]}.{number}.xml")), None)


def _xml(archive: SafeZip, name: str) -> etree._Element:
    return parse_xml(archive.read(name))


def _objects(root: etree._Element | None) -> list[etree._Element]:
    if root is None:
        return []
    return root.findall("x:SchriftgutobjektZumErstellen", _NS) or root.findall("x:SchriftgutobjektZumAblegen", _NS)


def _created(root: etree._Element | None) -> dict[str, dict[str, str | None]]:
    found: dict[str, dict[str, str | None]] = {}
    for node in _objects(root):
        for kind in ("Akte", "Vorgang"):
            record = node.find(f"x:Schriftgutobjekt/x:{kind}", _NS)
            if record is not None:
                found[kind] = {
                    "id": record.findtext("x:Identifikation/x:ID", None, _NS),
                    "number": record.findtext("x:AllgemeineMetadaten/x:Kennzeichen", None, _NS),
                    "title": record.findtext("x:AllgemeineMetadaten/x:Betreff", None, _NS),
                    "plan": record.findtext("x:AllgemeineMetadaten/x:Aktenplaneinheit/x:Kennzeichen", None, _NS),
                    "container": node.findtext("x:IDContainer", None, _NS),
                }
    return found


def _read_document(archive: SafeZip, node: etree._Element) -> ReadDocument:
    record = node.find("x:Schriftgutobjekt/x:Dokument", _NS)
    primary = None if record is None else record.find("x:Version/x:Format/x:Primaerdokument", _NS)
    if record is None or primary is None:
        raise FilingError("Ein abzulegendes Dokument hat kein Primärdokument.")
    name = primary.findtext("x:Dateiname", "", _NS)
    if name not in archive.names:
        raise FilingError(f"Das Primärdokument „{name}“ fehlt im Paket.")
    digest, size = hashlib.sha256(), 0
    for chunk in archive.chunks(name):
        digest.update(chunk)
        size += len(chunk)
    return ReadDocument(
        record.findtext("x:Identifikation/x:ID", "", _NS),
        node.findtext("x:IDContainer", None, _NS),
        record.findtext("x:AllgemeineMetadaten/x:Betreff", "", _NS),
        name,
        primary.findtext("x:DateinameOriginal", name, _NS),
        size,
        digest.hexdigest(),
    )
