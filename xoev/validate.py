"""Checking a document against the standard it claims to follow."""

from __future__ import annotations

import io
import re
import threading
from dataclasses import replace
from functools import cache
from typing import IO

from lxml import etree

from .identify import identify_json, identify_root, looks_like_json, title
from .packs import PackError, Standards, urn_of
from .report import Fault, Identity, Report
from .safe import Limits, UnsafeInput, inspect_pdf, line_of, open_zip, parse_json, parse_xml, sniff
from .schema_messages import faults_of

_DEFAULT = Limits()
_RECOGNISED = "Solche Dateien werden hier nur erkannt, nicht geprüft."
_NO_PACK = {
    "bpmn": "Prozessmodelle prüft „ozg-hub process check“.",
    "dmn": "Entscheidungen prüft „ozg-hub process check“.",
    **dict.fromkeys(("genericode", "wsdl", "soap", "xml-schema", "schematron"), _RECOGNISED),
}
_MESSAGE = re.compile(r"_[A-Za-z]+\.[A-Za-z]+\.\d{4}\.xml$")
_lock = threading.Lock()


@cache
def _bundled() -> Standards:
    return Standards()


def bundled_standards() -> Standards:
    """The packs that come with our dependencies, compiled once per process."""
    with _lock:
        return _bundled()


def validate(data: bytes, *, standards: Standards | None = None, limits: Limits = _DEFAULT) -> Report:
    """Identify and validate one document; every problem is a fault, nothing is raised.

    Without ``standards`` only the bundled invoice schemas are known.
    """
    known = standards or bundled_standards()
    try:
        kind = sniff(data[:4096])
        if kind == "application/pdf":
            return _pdf(data)
        if kind == "application/zip":
            return validate_package(io.BytesIO(data), standards=known, limits=limits)
        if kind not in ("application/xml", "application/json", "application/octet-stream", "text/plain"):
            return _refused(Fault(None, "", "input.type", f"Die Datei ist weder XML noch JSON, sondern {kind}."))
        if looks_like_json(data):
            return _json(data, known, limits)
        return validate_root(parse_xml(data, limits=limits), standards=known)
    except UnsafeInput as error:
        return _refused(error.fault)
    except (MemoryError, RecursionError):
        return _refused(Fault(None, "", "input.size", "Die Datei ist zu groß oder zu tief verschachtelt."))
    except Exception as error:
        # The promise is "never raises": an unforeseen document must not stop the intake of the next one.
        return _refused(
            Fault(None, "", "internal", f"Die Prüfung ist unerwartet abgebrochen ({type(error).__name__}).")
        )


def validate_root(root: etree._Element, *, standards: Standards | None = None) -> Report:
    """Like :func:`validate`, for XML that was already read safely."""
    known = standards or bundled_standards()
    name = etree.QName(root)
    identity = identify_root(root)
    if identity and identity.standard == "xdatenfelder":
        return _data_schema(root, identity)
    if identity and identity.standard == "fim":
        return _fim_data(root, identity, known)
    try:
        schema = known.schema_for(
            name.namespace or "",
            name.localname,
            standard=identity.standard if identity else None,
            version=identity.version if identity else None,
        )
    except PackError as error:
        return Report.of(identity, [Fault(None, "", "pack.broken", str(error))], validated=False)
    if schema is None:
        return Report.of(identity, [_no_schema(identity, root, known)], validated=False)
    if identity is None:
        identity = Identity(schema.pack.standard, schema.pack.version, name.localname, name.localname)
    return Report.of(identity, faults_of(schema.complaints(root), root), validated=True)


def _no_schema(identity: Identity | None, root: etree._Element, known: Standards) -> Fault:
    name = etree.QName(root)
    if identity is None:
        where = f"dem Namensraum „{name.namespace}“" if name.namespace else "keinem Namensraum"
        return Fault(
            line_of(root), f"/{name.localname}", "standard.unknown",
            f"Zu dieser Datei ist kein Standard bekannt: Sie beginnt mit „{name.localname}“ aus {where}.",
        )  # fmt: skip
    if any(name.namespace in pack.namespaces and pack.standard == identity.standard for pack in known.packs):
        return Fault(
            line_of(root),
            f"/{name.localname}",
            "schema.root",
            f"„{name.localname}“ ist keine Nachricht von {title(identity)}.",
        )
    if hint := _NO_PACK.get(identity.standard):
        return Fault(None, "", "standard.unchecked", f"Die Datei ist erkannt als {title(identity)}. {hint}")
    urn = urn_of(identity.standard) or f"das Schema-Paket von {title(identity)}"
    return Fault(
        None, "", "pack.missing",
        f"Die Datei ist erkannt als {title(identity)}, konnte aber nicht geprüft werden: Das Schema-Paket fehlt. "
        f"Bitte {urn} aus dem XRepository laden und mit „ozg-hub standards add“ einspielen.",
    )  # fmt: skip


def _data_schema(root: etree._Element, identity: Identity) -> Report:
    """FIM data schemas have no public XSD; our reader checks all it needs to use them."""
    from .fim import SchemaError, load

    if not (identity.message or "").startswith("xdatenfelder.stammdatenschema."):
        fault = Fault(line_of(root), f"/{identity.message}", "standard.unchecked",
                      "Geprüft werden nur Stammdatenschemata; einzelne FIM-Bausteine werden nur erkannt.")  # fmt: skip
        return Report.of(identity, [fault], validated=False)
    try:
        load(etree.tostring(root.getroottree(), encoding="utf-8"))
    except SchemaError as error:
        return Report.of(identity, error.faults, validated=True)
    return Report.of(identity, [], validated=True)


def _fim_data(root: etree._Element, identity: Identity, known: Standards) -> Report:
    """Data of one of our own data schemas, as XML."""
    schema = known.data_schema(identity.version or "")
    if schema is None:
        return Report.of(identity, [_no_data_schema(identity)], validated=False)
    return Report.of(identity, schema.check_xml(root), validated=True)


def _json(data: bytes, known: Standards, limits: Limits) -> Report:
    value = parse_json(data, limits=limits)
    identity = identify_json(value)
    if identity is None:
        fault = Fault(1, "", "standard.unknown", "Das JSON ist lesbar, nennt aber kein Datenschema („$schema“).")
        return Report.of(None, [fault], validated=False)
    schema = known.data_schema(identity.version or "")
    if schema is None:
        return Report.of(identity, [_no_data_schema(identity)], validated=False)
    return Report.of(
        identity, schema.check({key: item for key, item in value.items() if key != "$schema"}), validated=True
    )


def _no_data_schema(identity: Identity) -> Fault:
    return Fault(None, "", "pack.missing", f"Das FIM-Datenschema {identity.version} ist nicht eingespielt.")


def validate_package(source: IO[bytes], *, standards: Standards | None = None, limits: Limits = _DEFAULT) -> Report:
    """Validate an xdomea package: its messages by the schema, and that every named file is inside.

    Paths of faults begin with the name of the message file. Raises :class:`UnsafeInput`
    when the archive itself is broken or dangerous.
    """
    with open_zip(source, limits=limits) as archive:
        messages = [name for name in archive.names if _MESSAGE.search(name)]
        if not messages:
            text = "Das ZIP-Archiv enthält keine xdomea-Nachricht (Name wie „<Kennung>_Aktion.Nachricht.0501.xml“)."
            return _refused(Fault(None, "", "package.message", text))
        inside = {entry.rpartition("/")[2] for entry in archive.names}
        faults: list[Fault] = []
        reports = []
        for name in messages:
            root = parse_xml(archive.read(name), limits=limits)
            report = validate_root(root, standards=standards)
            reports.append(report)
            faults += [replace(fault, path=name + fault.path) for fault in report.faults]
            faults += _missing_files(name, root, inside)
    validated = all(report.validated for report in reports)
    return replace(reports[0], ok=validated and not faults, validated=validated, faults=faults)


def _missing_files(name: str, root: etree._Element, inside: set[str]) -> list[Fault]:
    """Files a message names that the package does not hold."""
    return [
        Fault(line_of(element), name, "package.file",
              f"Die Nachricht nennt die Datei „{wanted}“; im Archiv ist sie nicht.")
        for element in root.iter("{*}Dateiname")
        if (wanted := (element.text or "").strip()) and wanted not in inside
    ]  # fmt: skip


def _pdf(data: bytes) -> Report:
    faults = inspect_pdf(data)
    faults.insert(0, Fault(None, "", "input.type", "Die Datei ist ein PDF, keine Nachricht eines Standards. "
                           "Enthält sie eine Rechnung (ZUGFeRD), bitte die XML-Datei daraus prüfen."))  # fmt: skip
    return Report.of(None, faults, validated=False)


def _refused(fault: Fault) -> Report:
    return Report.of(None, [fault], validated=False)
