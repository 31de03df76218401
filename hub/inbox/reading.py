"""Everything on the case page, opened and put into words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lxml import etree
from sqlalchemy import select
from sqlalchemy.orm import Session

import xoev
from hub.cases import content, deadlines, documents, vault, wording
from hub.cases.documents import Stored
from hub.cases.facts import facts
from hub.cases.model import Case, CaseEvent, Document, Effect, Submission, SubmissionCase, Trouble
from hub.cases.reading import reading_view
from hub.catalogue import service as catalogue
from hub.identity import people
from hub.identity.access import Actor
from hub.inbox import forms, service
from hub.inbox.schemas import Added, CaseView, Decision, Opened, Task
from hub.library.expressions import fill_known, german
from hub.library.process import Process
from hub.library.profile import Form
from xoev.safe import UnsafeInput
from xoev.view import Row, Section

_BPMN = "{http://www.omg.org/spec/BPMN/20100524/MODEL}"
_HUB = "{urn:ozg-hub:bpmn:1}"
KIND_TEXTS = {
    "initial": "Antrag",
    "supplement": "Nachgereicht",
    "amendment": "Änderung",
    "withdrawal": "Rücknahme",
    "objection": "Widerspruch",
    "duplicate": "Erneut eingereicht",
    "bundle": "Teil eines Bündels",
}
_NUMBER_TEXTS = {
    "kassenzeichen": "Kassenzeichen",
    "tag_numbers": "Hundemarken",
    "tag_number": "Hundemarke",
    "file_number": "Aktenzeichen des Fachverfahrens",
    "number": "Nummer des Fachverfahrens",
    "register_number": "Registernummer",
    "booking_number": "Buchungsnummer",
    "payment_reference": "Zahlungszeichen",
    "receipt_number": "Empfangsnummer",
    "dms_id": "Kennung in der E-Akte",
    "aktenzeichen": "Aktenzeichen des Fachverfahrens",
}
_WAIT_TEXTS = {
    "delivery": "Übergabe läuft",
    "notice": "Schreiben wird erstellt",
    "timer": "Wartet auf einen Zeitpunkt",
    "message-wait": "Wartet auf eine Meldung",
}
_QUIET = ("process.started", "process.step")


def case_view(session: Session, actor: Actor, opened: Opened) -> CaseView:
    """The whole case page. The caller has checked that the actor may read the case."""
    case, process = opened.case, opened.process
    key = vault.key(session, case.data_key_id)
    data = content.get_data(session, case.id, key)
    stored = documents.of_case(session, case.id, vault.key)
    titles = {str(item.id): item.title for item in stored}
    effects = list(
        session.scalars(select(Effect).where(Effect.case_id == case.id).order_by(Effect.created_at, Effect.id))
    )
    application, added = _submissions(session, case, process, stored)
    return CaseView(
        opened=opened,
        department=catalogue.department_title(session, case.tenant_id, case.department),
        application=application,
        added=added,
        documents=[item for item in stored if item.role != "package"],
        deadlines=deadlines.of_case(session, case.id),
        numbers=_numbers(case),
        story=story(session, case),
        waits=[
            f"{_WAIT_TEXTS[item.kind]}: {item.name}"
            for item in effects
            if item.state == "open" and item.kind in _WAIT_TEXTS
        ],
        tasks=[
            task(session, actor, case, process, item, data)
            for item in effects
            if item.kind == "user-task" and item.state == "open"
        ]
        if case.state != "closed"
        else [],
        decisions=_decisions(session, case, effects, titles),
        refusals=_refusals(effects, data),
        troubles=_troubles(session, case),
    )


def task(
    session: Session, actor: Actor, case: Case, process: Process | None, effect: Effect, data: Mapping[str, Any]
) -> Task:
    """An open task with its form and what the process has found out so far; `data` is what the case knows."""
    form = service.form_of(session, case, effect)
    names = people.names(session, actor.tenant, [effect.claimed_by])
    key = vault.key(session, case.data_key_id)
    variables = content.open_json(key, effect.body).get("variables", {}) if effect.body else {}
    return Task(
        effect=effect,
        form=form,
        claimed_name=names.get(effect.claimed_by or "", effect.claimed_by),
        mine=effect.claimed_by == actor.id,
        hindrance=service.hindrance(session, actor, effect),
        intro=_intro(case, form, variables, data),
        variables=_findings(process, variables),
        answers=forms.defaults(form),
    )


def _intro(case: Case, form: Form, variables: Mapping[str, Any], data: Mapping[str, Any]) -> str:
    """What the form says first, with its `{= FEEL }` places filled in from what a notice would know as well."""
    known = {name: value for name, value in data.items() if name != "application"}
    tables = {"application": data.get("application", {}), "case": facts(case), "data": known}
    return fill_known(form.intro or "", variables, tables)


# --- the application and what came later ---------------------------------------------------------------------------


def _submissions(
    session: Session, case: Case, process: Process | None, stored: Sequence[Stored]
) -> tuple[Sequence[Section], Sequence[Added]]:
    """The reading view of the application, and later submissions in the order they came."""
    rows = session.execute(
        select(Submission.id, SubmissionCase.kind, Submission.received_at, Document.id)
        .join(SubmissionCase, SubmissionCase.submission_id == Submission.id)
        .join(Document, (Document.submission_id == Submission.id) & (Document.role == "original"), isouter=True)
        .where(SubmissionCase.case_id == case.id)
        .order_by(Submission.id)
    ).all()
    originals = {item.id: item for item in stored if item.role == "original" and not item.flag}
    application: Sequence[Section] = ()
    added: list[Added] = []
    for position, (_, kind, received_at, original_id) in enumerate(rows):
        original = b""
        if original_id in originals:
            with vault.open_document(session, originals[original_id]) as stream:
                original = stream.read()
        sections = reading_view(process, original) if process and original else []
        if position == 0:
            application = sections or free_view(original)
        else:
            added.append(
                Added(KIND_TEXTS.get(kind, kind), received_at, _worth_reading(sections) or free_view(original))
            )
    return application, added


def _worth_reading(sections: Sequence[Section]) -> Sequence[Section]:
    """A supplement seldom follows the schema: a view without a single value is no view."""
    return sections if any(row.value for section in sections for row in _rows(section)) else ()


def _rows(section: Section) -> Iterator[Row]:
    yield from section.rows
    for inner in section.sections:
        yield from _rows(inner)


def free_view(original: bytes) -> list[Section]:
    """Data without a schema, for reading: names as labels, values beside them; never raw XML or JSON."""
    if not original:
        return []
    try:
        if original.lstrip()[:1] == b"<":
            root = xoev.safe.parse_xml(original)
            rows = tuple(_xml_rows(root))
        else:
            rows = tuple(_json_rows(xoev.safe.parse_json(original), "", ""))
    except (UnsafeInput, ValueError):
        return [
            Section(
                "Angaben", (Row("Inhalt", "Die Daten sind nicht lesbar. Das Original liegt bei den Dokumenten.", ""),)
            )
        ]
    return [Section("Angaben", rows)] if rows else []


def _label(name: str) -> str:
    text = name.replace("_", " ").replace("-", " ").strip()
    return text[:1].upper() + text[1:]


def _json_rows(value: Any, label: str, path: str) -> Iterator[Row]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            if not str(name).startswith("$"):
                yield from _json_rows(inner, _label(str(name)), f"{path}/{name}")
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield from _json_rows(inner, f"{label} {place + 1}".strip(), f"{path}/{place}")
    elif value not in (None, ""):
        yield Row(label or "Text", german(value), path)


def _xml_rows(root: Any) -> Iterator[Row]:
    for element in root.iter(etree.Element):
        text = (element.text or "").strip()
        if text and not len(element):
            yield Row(_label(etree.QName(element).localname), german(text), "")


# --- what the process found out, what people decided ----------------------------------------------------------------


def _findings(process: Process | None, variables: Mapping[str, Any]) -> list[tuple[str, list[str]]]:
    """Process variables in words: the label is the name of the element that found them out."""
    if not variables or process is None:
        return []
    labels, outputs = _result_names(process), _outputs(process)
    found = []
    for name, value in variables.items():
        lines = list(_lines(value, outputs))
        if lines and name in labels:
            found.append((labels[name], lines))
    return found


def _result_names(process: Process) -> dict[str, str]:
    """Variable to element name, for rules and scripts of the model that have a result."""
    names: dict[str, str] = {}
    for file, data in process.files.items():
        if not file.endswith(".bpmn"):
            continue
        for element in etree.fromstring(data, etree.XMLParser(resolve_entities=False, no_network=True)).iter(
            f"{_BPMN}businessRuleTask", f"{_BPMN}scriptTask"
        ):
            if result := element.get(f"{_HUB}result"):
                names.setdefault(result, element.get("name") or _label(result))
    return names


def _outputs(process: Process) -> dict[str, tuple[str, bool]]:
    """Label of every output of the decision tables, by name, and whether it is a number."""
    found: dict[str, tuple[str, bool]] = {}
    for file, data in process.files.items():
        if not file.endswith(".dmn"):
            continue
        for element in etree.fromstring(data, etree.XMLParser(resolve_entities=False, no_network=True)).iter(
            "{*}output"
        ):
            if name := element.get("name"):
                found.setdefault(name, (element.get("label") or _label(name), element.get("typeRef") == "number"))
    return found


def _named(name: str, value: Any, outputs: Mapping[str, tuple[str, bool]]) -> str:
    label, number = outputs.get(name, (_label(name), False))
    return f"{label}: {german(str(value).replace('.', ',') if number else value)}"


def _lines(value: Any, outputs: Mapping[str, tuple[str, bool]]) -> Iterator[str]:
    """A value as lines for reading: contexts as `name: value`, lists line by line; mere codes are left out there."""
    if isinstance(value, Mapping):
        parts = [
            _named(str(name), inner, outputs)
            for name, inner in value.items()
            if inner not in (None, "", []) and not isinstance(inner, Mapping | list) and not _is_code(inner)
        ]
        if parts:
            yield ", ".join(parts)
        for inner in value.values():
            if isinstance(inner, Mapping | list):
                yield from _lines(inner, outputs)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _lines(inner, outputs)
        if not value:
            yield "keine"
    elif value is not None:
        yield german(value)


def _is_code(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch(r"[a-z][a-z0-9_]*", value) is not None


def _decisions(session: Session, case: Case, effects: Sequence[Effect], titles: Mapping[str, str]) -> list[Decision]:
    """Completed tasks with their answers; the answers of every round are in the story, not only the last ones."""
    done = {
        str(item.id): item for item in effects if item.kind == "user-task" and item.state == "done" and item.done_by
    }
    if not done:
        return []
    key = vault.key(session, case.data_key_id)
    names = people.names(session, case.tenant_id, (item.done_by for item in done.values()))
    found = []
    for event in session.scalars(
        select(CaseEvent).where(CaseEvent.case_id == case.id, CaseEvent.kind == "task.done").order_by(CaseEvent.id)
    ):
        effect = done.get(str((event.detail or {}).get("task")))
        if effect is None:
            continue
        answers = content.open_json(key, event.body) if event.body else {}
        rows = forms.in_words(service.form_of(session, case, effect), answers, titles)
        found.append(Decision(effect.name, names.get(event.actor, event.actor), event.at, rows))
    return found


def _refusals(effects: Sequence[Effect], data: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The wording of refusals that a task now has to deal with: (what, why)."""
    open_tasks = [item for item in effects if item.kind == "user-task" and item.state == "open"]
    found = []
    for item in effects:
        answer = data.get(item.element)
        if item.kind == "delivery" and item.outcome == "rejected" and open_tasks and isinstance(answer, Mapping):
            latest = max(other.created_at for other in effects if other.element == item.element)
            if item.created_at == latest and answer.get("say"):
                found.append((item.name, str(answer["say"])))
    return found


def _numbers(case: Case) -> list[tuple[str, str]]:
    rows = [("Vorgangsnummer", case.number)]
    if case.aktenzeichen:
        rows.append(("Aktenzeichen", case.aktenzeichen))
    for name, value in (case.foreign_numbers or {}).items():
        if value and value != case.aktenzeichen and name in _NUMBER_TEXTS:
            rows.append((_NUMBER_TEXTS[name], german(value)))
    if case.duplicate_of:
        rows.append(("Möglicherweise doppelt zu", case.duplicate_of))
    return rows


def story(session: Session, case: Case, limit: int = 200) -> list[dict[str, Any]]:
    """The course of a case in plain words, newest first; the engine's own steps are left to the trace."""
    rows = session.execute(
        select(CaseEvent.at, CaseEvent.kind, CaseEvent.actor, CaseEvent.summary, CaseEvent.body, CaseEvent.public)
        .where(CaseEvent.case_id == case.id, CaseEvent.kind.not_in(_QUIET))
        .order_by(CaseEvent.id.desc())
        .limit(limit)
    ).all()
    names = people.names(session, case.tenant_id, (row.actor for row in rows))
    return [
        {
            "at": row.at,
            "kind": row.kind,
            "by": names.get(row.actor, "" if row.actor == "hub" else row.actor),
            "text": row.summary,
            "wording": wording.of_event(session, case.data_key_id, row.kind, row.body),
            "public": row.public,
        }
        for row in rows
    ]


def _troubles(session: Session, case: Case) -> list[dict[str, Any]]:
    rows = session.scalars(
        select(Trouble).where(Trouble.case_id == case.id, Trouble.state == "open").order_by(Trouble.created_at)
    )
    return [{"id": row.id, "kind": row.kind, "title": row.title, "message": row.message} for row in rows]
