"""What is checked before a submission is accepted: hostile content is refused, faulty content becomes a Klärfall."""

from __future__ import annotations

from collections.abc import Sequence

from lxml import etree

from hub.intake.incoming import KINDS, MAX_ORIGINAL, Incoming, Upload
from hub.kit.problems import Problem
from hub.library.process import Process
from xoev.report import Fault
from xoev.safe import UnsafeInput, parse_json, parse_xml
from xoev.validate import validate_root

_OWN_SCHEMA = "urn:fim:"


def check_kind(incoming: Incoming) -> None:
    """What must hold before the service is looked up. Raises Problem 400."""
    if incoming.kind not in KINDS:
        raise _metadata_problem(
            "kind.unknown", "Art der Einreichung unbekannt", "/kind", f"Erlaubt sind: {', '.join(sorted(KINDS))}."
        )
    if incoming.kind == "initial" and not incoming.service:
        raise _metadata_problem(
            "service.missing",
            "Leistung fehlt",
            "/service",
            "Geben Sie in den Metadaten unter „service“ die LeiKa-ID (14 Ziffern) oder die Kennung des Prozesses an.",
        )
    if incoming.kind != "initial" and not incoming.refers_to:
        raise _metadata_problem(
            "case.missing",
            "Bezug fehlt",
            "/case",
            "Nachreichung, Änderung, Rücknahme und Widerspruch brauchen unter „case“ die Vorgangsnummer.",
        )


def check(process: Process, incoming: Incoming) -> list[Fault]:
    """Faults that make a Klärfall. Raises Problem for what is refused: 400, 413, 415, 422 (retired schema)."""
    media_type = incoming.media_type.split(";")[0].strip().lower()
    initial = incoming.kind == "initial"
    if initial and media_type not in _accepted(process.profile.intake.media_types):
        wanted = ", ".join(process.profile.intake.media_types)
        raise Problem(
            415,
            "media-type.unsupported",
            "Datenformat nicht unterstützt",
            f"Diese Leistung nimmt {wanted} an, gesendet wurde „{media_type[:60] or 'nichts'}“.",
            accepted=list(process.profile.intake.media_types),
        )
    if not incoming.original and (initial or not incoming.uploads):
        raise Problem(400, "body.empty", "Leere Einreichung", "Der Antrag enthält keine Daten (0 Byte).")
    if len(incoming.original) > MAX_ORIGINAL:
        raise Problem(
            413,
            "body.too-large",
            "Zu groß",
            f"Der Antrag darf höchstens {MAX_ORIGINAL // 2**20} MB groß sein; Anlagen bitte als Anlagen senden.",
        )
    _check_uploads(process, incoming.uploads)
    _check_declared(process, incoming.declared_schema)
    if not incoming.original:
        return []
    try:
        return _content_faults(process, media_type, incoming.original, initial=initial)
    except UnsafeInput as error:
        raise Problem(
            413 if error.fault.code == "input.size" else 400,
            error.fault.code,
            "Antrag nicht lesbar",
            error.fault.message,
            faults=[error.fault.as_dict()],
        ) from None


def _check_uploads(process: Process, uploads: Sequence[Upload]) -> None:
    rules = process.profile.intake.attachments
    if len(uploads) > rules.max_count:
        raise Problem(413, "attachment.too-many", "Zu viele Anlagen", f"Höchstens {rules.max_count} sind möglich.")
    for number, upload in enumerate(uploads):
        place = f"/attachments/{number}"
        if upload.faults:
            fault = upload.faults[0]
            raise Problem(
                400,
                fault.code,
                "Anlage abgelehnt",
                fault.message,
                faults=[fault.as_dict() | {"path": place} for fault in upload.faults],
            )
        if upload.media_type not in rules.media_types:
            raise _attachment_problem(
                415,
                "attachment.media-type",
                "Anlage in nicht zugelassenem Format",
                place,
                f"„{upload.title}“ ist {upload.media_type}; zugelassen sind {', '.join(rules.media_types)}.",
            )
        if upload.blob.size > rules.max_megabytes * 2**20:
            raise _attachment_problem(
                413,
                "attachment.too-large",
                "Anlage zu groß",
                place,
                f"„{upload.title}“ überschreitet {rules.max_megabytes} MB.",
            )


def _accepted(media_types: Sequence[str]) -> set[str]:
    """Both names of XML (RFC 7303) where one is accepted."""
    xml = {"application/xml", "text/xml"}
    return set(media_types) | (xml if xml & set(media_types) else set())


def _content_faults(process: Process, media_type: str, original: bytes, *, initial: bool) -> list[Fault]:
    """Schema faults of the content. Raises UnsafeInput for hostile or unreadable bytes.

    Follow-up submissions (supplement, withdrawal …) are free text or documents: only safety is checked.
    """
    if media_type.endswith("json"):
        instance = parse_json(original)
        return _json_faults(process, instance) if initial else []
    if media_type.endswith("xml"):
        root = parse_xml(original)
        return _xml_faults(process, root) if initial else []
    return []


def _json_faults(process: Process, instance: object) -> list[Fault]:
    if process.schema is None:
        return []
    if not isinstance(instance, dict):
        return [Fault(1, "", "schema.type", "Der Antrag muss ein JSON-Objekt sein.")]
    declared = instance.get("$schema")
    if isinstance(declared, str):
        _check_declared(process, declared)
    faults = process.schema.check({name: value for name, value in instance.items() if name != "$schema"})
    if isinstance(declared, str) and declared.startswith(_OWN_SCHEMA) and declared != process.schema.uri:
        faults.insert(
            0,
            Fault(
                1,
                "/$schema",
                "schema.unknown",
                f"Der Antrag nennt das Datenschema {declared[:120]}; diese Leistung verwendet {process.schema.uri}.",
            ),
        )
    return faults


def _xml_faults(process: Process, root: etree._Element) -> list[Fault]:
    if process.profile.intake.standard == "xrechnung":
        return list(validate_root(root).faults)
    if process.schema is None:
        return []
    _check_declared(process, etree.QName(root).namespace)
    return process.schema.check_xml(root)


def _check_declared(process: Process, declared: str | None) -> None:
    """A schema that was retired is refused: the sender can correct it at once, a caseworker could not."""
    if declared and declared in process.profile.intake.retired_schemas:
        current = process.schema.uri if process.schema else None
        message = f"Das Datenschema {declared} wird nicht mehr angenommen; aktuell ist {current}."
        raise Problem(
            422,
            "schema.retired",
            "Veraltetes Datenschema",
            message,
            current=current,
            faults=[Fault(1, "/$schema", "schema.retired", message).as_dict()],
        )


def _metadata_problem(code: str, title: str, path: str, message: str) -> Problem:
    return Problem(400, code, title, message, faults=[Fault(None, path, code, message).as_dict()])


def _attachment_problem(status: int, code: str, title: str, path: str, message: str) -> Problem:
    return Problem(status, code, title, message, faults=[Fault(None, path, code, message).as_dict()])
