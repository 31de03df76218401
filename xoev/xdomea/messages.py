"""Build the XML of the FVDaten messages 0604, 0605, 0629 and 0630 of xdomea 3.1.0.

Source: xdomea-Nachrichten-FachverfahrensdatenAustauschen.xsd and its types. 0604 creates what is new (Akte,
Vorgang), 0605 files documents into the Vorgang. Objects refer to each other by ``IDContainer``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime
from uuid import UUID

from lxml import etree

from xoev.xdomea.model import (
    DocumentRecord,
    ExistingRecord,
    FileRecord,
    FilingOrder,
    Party,
    Period,
    Record,
    Retention,
    System,
    TransactionRecord,
)
from xoev.xdomea.names import OTHER_FORMAT, document_name, extension_of, format_code

NAMESPACE = "urn:xoev-de:xdomea:schema:3.1.0"
CREATE, FILE, RECEIVED, IMPORTED = "0604", "0605", "0629", "0630"
NAMES = {
    CREATE: "FVDaten.SGOErstellen",
    FILE: "FVDaten.SGOAblegen",
    RECEIVED: "FVDaten.EmpfangBestaetigen",
    IMPORTED: "FVDaten.ImportBestaetigen",
}
SUCCESS = "0000000"
_LIST = "urn:xoev-de:xdomea:codeliste:"
_PREFIX = f"{{{NAMESPACE}}}"
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")


def numbers(order: FilingOrder) -> tuple[str, ...]:
    """The messages an order needs: 0604 unless the Vorgang exists, 0605 when there are documents."""
    create = (CREATE,) if isinstance(order.transaction, TransactionRecord) else ()
    return create + ((FILE,) if order.documents else ())


def create_message(order: FilingOrder) -> bytes:
    """0604: the new Akte, if any, and the new Vorgang inside it."""
    if not isinstance(order.transaction, TransactionRecord):
        raise ValueError("nothing to create")
    records: list[tuple[Record, str | None]] = []
    if isinstance(order.file, FileRecord):
        records.append((order.file, None))
    records.append((order.transaction, str(order.file.id)))
    root = _message(order, CREATE, len(records))
    for place, (record, container) in enumerate(records, start=1):
        node = _object(root, "SchriftgutobjektZumErstellen", record, container, place, len(records))
        if isinstance(record, FileRecord):
            _file(node, record)
        elif isinstance(record, TransactionRecord):
            _transaction(node, record, order.file)
    return _bytes(root)


def file_message(order: FilingOrder) -> bytes:
    """0605: every document, filed into the Vorgang."""
    root = _message(order, FILE, len(order.documents))
    for place, document in enumerate(order.documents, start=1):
        container = str(order.transaction.id)
        node = _object(root, "SchriftgutobjektZumAblegen", document, container, place, len(order.documents))
        _document(node, document)
    return _bytes(root)


def received_message(process_id: UUID, at: datetime, sender: Party, receiver: Party) -> bytes:
    """0629: the package arrived."""
    root = _root(RECEIVED)
    _head(root, process_id, RECEIVED, at, sender, receiver, None, None)
    return _bytes(root)


def imported_message(
    process_id: UUID,
    at: datetime,
    sender: Party,
    receiver: Party,
    *,
    session: str = "-",
    created: Sequence[tuple[UUID, str]] = (),
    failure: str | None = None,
) -> bytes:
    """0630: the import went well (``created``: our id and the receiver's reference) or failed with ``failure``."""
    root = _root(IMPORTED)
    head = _head(root, process_id, IMPORTED, at, sender, receiver, None, None)
    _add(head, "FVSessionID", session)
    result = _add(root, "ErfolgOderMisserfolg")
    answer = _add(result, "Rueckmeldung")
    if failure is None:
        _code(answer, "AllgemeineRueckmeldung", "allgemeinerueckmeldung", "1.1", SUCCESS)
    else:
        _add(answer, "SonstigeFehlermeldung", failure)
    for place, (own_id, reference) in enumerate(created, start=1):
        item = _add(result, "Rueckgabeparameter")
        _add(item, "NummerImStapel", str(place))
        _add(item, "IDSGO", str(own_id))
        _add(_add(item, "Parameter"), "Ablageort", reference)
        _add(item, "Erfolgreich", "true")
    return _bytes(root)


# -- head


def _message(order: FilingOrder, number: str, objects: int) -> etree._Element:
    root = _root(number)
    head = _head(
        root, order.process_id, number, order.created_at, order.sender, order.receiver, order.sending_system, order.note
    )
    if order.receiving_system:
        _system(head, "EmpfangendesSystem", order.receiving_system)
    _add(head, "Empfangsbestaetigung", "1" if order.wants_receipt else "0")
    _add(head, "Importbestaetigung", "1")
    _add(head, "Erstellerkennung", order.creator)
    _add(head, "Stapel", "1" if objects > 1 else "0")
    if objects > 1:
        _add(head, "Stapellaenge", str(objects))
    return root


def _root(number: str) -> etree._Element:
    return etree.Element(f"{_PREFIX}{NAMES[number]}.{number}", nsmap={"xdomea": NAMESPACE})


def _head(
    root: etree._Element,
    process_id: UUID,
    number: str,
    at: datetime,
    sender: Party,
    receiver: Party,
    system: System | None,
    note: str | None,
) -> etree._Element:
    head = _add(root, "Kopf")
    _add(head, "ProzessID", str(process_id))
    _code(head, "Nachrichtentyp", "nachrichtentyp", "2.0", number, NAMES[number])
    _add(head, "Erstellungszeitpunkt", f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}")
    _party(head, "Absender", sender)
    _party(head, "Empfaenger", receiver)
    if system:
        _system(head, "SendendesSystem", system)
    _text(head, "Hinweis", note)
    return head


def _party(parent: etree._Element, tag: str, party: Party) -> None:
    node = _add(parent, tag)
    _add(_add(node, "Institution"), "Name", party.authority)
    if party.unit:
        _add(_add(node, "Organisationseinheit"), "Name", party.unit)


def _system(parent: etree._Element, tag: str, system: System) -> None:
    node = _add(parent, tag)
    _text(node, "InstanzID", system.instance)
    _text(node, "Produktname", system.product)
    _text(node, "Version", system.version)


# -- records


def _object(
    root: etree._Element, tag: str, record: Record, container: str | None, place: int, objects: int
) -> etree._Element:
    node = _add(root, tag)
    if objects > 1:
        _add(node, "NummerImStapel", str(place))
    _add(node, "FachverfahrenObjektID", str(record.id))
    _text(node, "IDContainer", container)
    return _add(node, "Schriftgutobjekt")


def _common(node: etree._Element, record: Record) -> None:
    _add(_add(node, "Identifikation"), "ID", str(record.id))
    data = _add(node, "AllgemeineMetadaten")
    _add(data, "Betreff", record.title)
    _text(data, "Kennzeichen", record.number)
    _text(data, "Federfuehrung", record.lead)
    _code(data, "Vertraulichkeitsstufe", "vertraulichkeitsstufe", "1.0", record.confidentiality.value)
    _text(data, "Bemerkung", record.remark)
    _code(data, "Medium", "medium", "1.0", "001")
    if record.plan:
        plan = _add(data, "Aktenplaneinheit")
        _add(plan, "Kennzeichen", record.plan.number)
        _text(plan, "Inhaltsangabe", record.plan.title)


def _retention(node: etree._Element, retention: Retention | None) -> None:
    if retention is None:
        return
    data = _add(node, "ArchivspezifischeMetadaten")
    duration = _add(data, "Aufbewahrungsdauer")
    if retention.years is None:
        _add(duration, "Unbefristet", "1")
    else:
        _add(duration, "AnzahlJahre", str(retention.years))
    _code(_add(data, "Aussonderungsart"), "Aussonderungsart", "aussonderungsart", "1.0", retention.disposal.value)


def _period(node: etree._Element, period: Period) -> None:
    if period.begin or period.end:
        item = _add(node, "Laufzeit")
        _date(item, "Beginn", period.begin)
        _date(item, "Ende", period.end)


def _file(parent: etree._Element, record: FileRecord) -> None:
    node = _add(parent, "Akte")
    _common(node, record)
    _retention(node, record.retention)
    _text(node, "Typ", record.kind)
    _period(node, record.period)


def _transaction(parent: etree._Element, record: TransactionRecord, file: FileRecord | ExistingRecord) -> None:
    node = _add(parent, "Vorgang")
    _common(node, record)
    _retention(node, record.retention)
    _text(node, "Aktenbetreff", file.title if isinstance(file, FileRecord) else None)
    _text(node, "Typ", record.kind)
    if record.closed_on:
        _add(node, "ZdA", "1")
        _date(node, "ZdADatum", record.closed_on)
    _period(node, record.period)
    if isinstance(file, ExistingRecord) and file.number:
        link = _add(node, "Verweis")
        _code(link, "SGOTyp", "schriftgutobjekttyp", "1.0", "001")
        _add(link, "SGOKennzeichen", file.number)


def _document(parent: etree._Element, record: DocumentRecord) -> None:
    node = _add(parent, "Dokument")
    _common(node, record)
    _date(node, "Posteingangsdatum", record.received_on)
    _date(node, "Postausgangsdatum", record.sent_on)
    _date(node, "DatumDesSchreibens", record.dated_on)
    _text(node, "Typ", record.kind)
    version = _add(node, "Version")
    _add(version, "Nummer", record.version)
    form = _add(version, "Format")
    code = format_code(record)
    _code(form, "Name", "dateiformat", "1.0", code)
    if code == OTHER_FORMAT:
        _add(form, "SonstigerName", extension_of(record))
    _add(form, "Version", record.format_version)
    primary = _add(form, "Primaerdokument")
    _add(primary, "Dateiname", document_name(record))
    _add(primary, "DateinameOriginal", record.name)
    _text(primary, "Ersteller", record.author)


# -- nodes


def _add(parent: etree._Element, tag: str, text: str | None = None) -> etree._Element:
    node = etree.SubElement(parent, _PREFIX + tag)
    if text is not None:
        node.text = _CONTROL.sub("", text)
    return node


def _text(parent: etree._Element, tag: str, text: str | None) -> None:
    if text:
        _add(parent, tag, text)


def _date(parent: etree._Element, tag: str, day: date | None) -> None:
    if day:
        _add(parent, tag, day.isoformat())


def _code(parent: etree._Element, tag: str, code_list: str, version: str, code: str, name: str | None = None) -> None:
    node = _add(parent, tag)
    node.set("listURI", _LIST + code_list)
    node.set("listVersionID", version)
    etree.SubElement(node, "code").text = code  # without namespace: form="unqualified" in the standard
    if name:
        etree.SubElement(node, "name").text = name


def _bytes(root: etree._Element) -> bytes:
    return etree.tostring(root, encoding="UTF-8", xml_declaration=True, pretty_print=True)
