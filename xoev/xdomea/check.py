"""Validate a written package: every message against the official schema, every named document present."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from pathlib import Path
from typing import IO

from xoev.packs import Standards
from xoev.report import Fault, Report
from xoev.safe import Limits, SafeZip, UnsafeInput, line_of, open_zip, parse_xml
from xoev.validate import validate_root

_MESSAGE = re.compile(r"_[A-Za-z]+\.[A-Za-z]+\.\d{4}\.xml$")


def validate_package(
    source: bytes | Path | IO[bytes], standards: Standards | None = None, *, limits: Limits | None = None
) -> Report:
    """The verdict on a package with one or several messages of one process.

    Without the pack ``validated`` is False and a fault names it; a dangerous ZIP is a fault too.
    Paths of faults begin with the name of the message file.
    """
    if isinstance(source, Path):
        with source.open("rb") as opened:
            return validate_package(opened, standards, limits=limits)
    stream: IO[bytes] = io.BytesIO(source) if isinstance(source, bytes) else source
    try:
        with open_zip(stream, limits=limits or Limits()) as archive:
            return _validate(archive, standards)
    except UnsafeInput as unsafe:
        return Report.of(None, [unsafe.fault], validated=False)


def _validate(archive: SafeZip, standards: Standards | None) -> Report:
    reports = [_message(archive, name, standards) for name in archive.names if _MESSAGE.search(name)]
    if not reports:
        fault = Fault(None, "", "package.message", "Das ZIP enthält keine Nachricht.")
        return Report.of(None, [fault], validated=False)
    faults = [fault for report in reports for fault in report.faults]
    validated = all(report.validated for report in reports)
    names = " + ".join(report.message or "?" for report in reports)
    return replace(reports[0], ok=validated and not faults, validated=validated, message=names, faults=faults)


def _message(archive: SafeZip, name: str, standards: Standards | None) -> Report:
    root = parse_xml(archive.read(name))
    report = validate_root(root, standards=standards)
    faults = [replace(fault, path=name + fault.path) for fault in report.faults]
    for node in root.iter("{*}Dateiname"):
        wanted = (node.text or "").strip()
        if wanted not in archive.names:
            message = f"Die Nachricht nennt die Datei „{wanted}“; im Archiv ist sie nicht."
            faults.append(Fault(line_of(node), name, "package.file", message))
    return replace(report, ok=report.validated and not faults, faults=faults)
