"""Elements that are refused, and what each of ours must carry. One small rule per element kind."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from workflows.contract import ModelFault
from workflows.dialect import BPMN, READ_ONLY
from workflows.dmn import Decisions
from workflows.document import Document, Element, Trigger

_REFUSED: dict[str, tuple[str, str, str]] = {
    "complexGateway": ("bpmn.complex-gateway", "Komplexe Gateways werden nicht ausgeführt.",
                       "Durch exklusive und parallele Gateways ersetzen."),
    "callActivity": ("bpmn.call-activity", "Aufrufaktivitäten werden noch nicht ausgeführt.",
                     "Den aufgerufenen Ablauf als eingebetteten Teilprozess zeichnen."),
    "transaction": ("bpmn.transaction", "Transaktionen werden nicht ausgeführt.", "Als Teilprozess zeichnen."),
    "adHocSubProcess": ("bpmn.ad-hoc", "Ad-hoc-Teilprozesse werden nicht ausgeführt.", "Als Teilprozess zeichnen."),
}  # fmt: skip

_TRIGGERS: dict[str, set[str]] = {
    "startEvent": {"message"},
    "endEvent": {"terminate", "error"},
    "intermediateCatchEvent": {"message", "timer"},
    "intermediateThrowEvent": set(),
    "boundaryEvent": {"message", "timer", "error"},
}
_TRIGGER_NAMES = {"link": "Verknüpfungsereignisse", "compensate": "Kompensation", "signal": "Signale",
                  "escalation": "Eskalationen", "conditional": "Bedingungsereignisse", "cancel": "Abbruchereignisse",
                  "timer": "Zeitereignisse", "message": "Nachrichtenereignisse", "error": "Fehlerereignisse",
                  "terminate": "Terminierungen"}  # fmt: skip


def refusals(document: Document, element: Element, decisions: Decisions) -> Iterator[ModelFault]:
    """Every reason to refuse this element."""
    if element.tag in _REFUSED:
        yield _fault(element, *_REFUSED[element.tag])
        return
    yield from _markers(element)
    if element.tag in _TRIGGERS:
        yield from _event(document, element)
    rule = _RULES.get(element.tag)
    if rule is not None:
        yield from rule(document, element, decisions)
    for name in READ_ONLY.intersection((*element.words("variables"), element.hub("result"))):
        yield _fault(element, "hub.read-only", f"Die Variable „{name}“ gehört dem Hub und darf nicht gesetzt werden.",
                     "Einen anderen Namen wählen.")  # fmt: skip


def _markers(element: Element) -> Iterator[ModelFault]:
    for child in element.node.iterchildren(f"{{{BPMN}}}*"):
        name = str(child.tag).rsplit("}", 1)[-1]
        if name in ("multiInstanceLoopCharacteristics", "standardLoopCharacteristics"):
            yield _fault(element, "bpmn.loop", "Mehrfach- und Schleifenausführung wird noch nicht ausgeführt.",
                         "Die Wiederholung mit Gateways zeichnen oder in einem Formular erfassen.")  # fmt: skip
        if name in ("dataInputAssociation", "dataOutputAssociation"):
            yield _fault(element, "bpmn.data-association", "Datenverknüpfungen werden nicht ausgeführt.",
                         "Werte mit hub:variables oder hub:input benennen.")  # fmt: skip
    if element.node.get("isForCompensation") == "true":
        yield _fault(element, "bpmn.compensation", "Kompensation wird noch nicht ausgeführt.",
                     "Den Rückweg als eigenen Weg zeichnen.")  # fmt: skip
    if element.tag == "subProcess" and element.node.get("triggeredByEvent") == "true":
        yield _fault(element, "bpmn.event-subprocess", "Ereignis-Teilprozesse werden noch nicht ausgeführt.",
                     "Ein angeheftetes Ereignis verwenden.")  # fmt: skip


def _event(document: Document, element: Element) -> Iterator[ModelFault]:
    if len(element.triggers) > 1:
        yield _fault(element, "bpmn.multiple-events", "Das Ereignis hat mehrere Auslöser.",
                     "Je Auslöser ein Ereignis zeichnen.")  # fmt: skip
    nested = document.scopes[element.scope].parent is not None
    for trigger in element.triggers:
        if trigger.kind not in _TRIGGERS[element.tag] or (element.tag == "startEvent" and nested):
            name = _TRIGGER_NAMES.get(trigger.kind, f"„{trigger.kind}“")
            yield _fault(element, f"bpmn.{element.tag}.{trigger.kind}",
                         f"{name} werden an dieser Stelle nicht ausgeführt.",
                         "Den Ablauf mit Gateways, Aufgaben oder angehefteten Ereignissen zeichnen.")  # fmt: skip
        elif trigger.kind == "timer":
            yield from _timer(element, trigger)
        elif trigger.kind == "message" and not trigger.reference and element.tag != "startEvent":
            yield _fault(element, "bpmn.message", "Die Nachricht ist nicht benannt.",
                         "messageRef auf ein <message name=…> setzen.")  # fmt: skip
        elif trigger.kind == "error" and element.tag == "endEvent":
            yield from _error_end(document, element, trigger)
    if not element.triggers and element.tag in ("intermediateCatchEvent", "boundaryEvent"):
        yield _fault(element, "bpmn.no-trigger", "Das Ereignis hat keinen Auslöser.", "Zeit oder Nachricht festlegen.")
    if element.tag == "boundaryEvent" and not element.interrupting:
        for trigger in element.triggers:
            if trigger.kind == "error":
                yield _fault(element, "bpmn.error-boundary", "Ein Fehler unterbricht immer.",
                             "Das Ereignis als unterbrechend zeichnen.")  # fmt: skip


def _timer(element: Element, trigger: Trigger) -> Iterator[ModelFault]:
    if trigger.form == "timeCycle":
        yield _fault(element, "bpmn.timer-cycle", "Wiederkehrende Zeiten werden noch nicht ausgeführt.",
                     "Eine Dauer (timeDuration) und eine Schleife verwenden.")  # fmt: skip
    elif not trigger.text:
        yield _fault(element, "bpmn.timer", "Die Zeit fehlt.",
                     "timeDuration (P3D), timeDate oder hub:deadline angeben.")  # fmt: skip


def _error_end(document: Document, element: Element, trigger: Trigger) -> Iterator[ModelFault]:
    around = document.find(element.scope)
    while around is not None:
        for boundary in around.boundaries:
            if (
                boundary.trigger
                and boundary.trigger.kind == "error"
                and (boundary.trigger.reference in ("", trigger.reference))
            ):
                return
        around = document.find(around.scope)
    yield _fault(element, "bpmn.error-end", "Der Fehler wird von keinem Teilprozess darum aufgefangen.",
                 "Am Teilprozess ein Fehlerereignis mit demselben Code anheften.")  # fmt: skip


# --- what each of ours must carry ---

Rule = Callable[[Document, Element, Decisions], Iterator[ModelFault]]


def _needs(element: Element, *names: str) -> Iterator[ModelFault]:
    for name in names:
        if not element.hub(name):
            yield _fault(element, "hub.missing", f"Die Angabe hub:{name} fehlt.", f"hub:{name} am Element eintragen.")


def _user_task(document: Document, element: Element, _decisions: Decisions) -> Iterator[ModelFault]:
    yield from _needs(element, "form", "role")
    for other in element.words("notBy"):
        found = document.find(other)
        if found is None or found.tag != "userTask":
            yield _fault(element, "hub.not-by", f"hub:notBy nennt „{other}“; das ist keine Benutzeraufgabe.",
                         "Die Kennung einer Benutzeraufgabe eintragen.")  # fmt: skip


def _service_task(_document: Document, element: Element, _decisions: Decisions) -> Iterator[ModelFault]:
    yield from _needs(element, "connector", "operation")


def _send_task(_document: Document, element: Element, _decisions: Decisions) -> Iterator[ModelFault]:
    yield from _needs(element, "notice")
    if element.hub("document") not in ("", "true", "false"):
        yield _fault(element, "hub.document", "hub:document ist weder true noch false.", "true oder false eintragen.")


def _receive_task(_document: Document, element: Element, _decisions: Decisions) -> Iterator[ModelFault]:
    if not element.trigger or not element.trigger.reference:
        yield _fault(element, "bpmn.message", "Die Nachricht ist nicht benannt.",
                     "messageRef auf ein <message name=…> setzen.")  # fmt: skip


def _rule_task(_document: Document, element: Element, decisions: Decisions) -> Iterator[ModelFault]:
    yield from _needs(element, "decision")
    decision = element.hub("decision")
    if decision and decision not in decisions:
        yield _fault(element, "dmn.missing", f"Die Entscheidung „{decision}“ gibt es in den DMN-Dateien nicht.",
                     "Die Kennung der Entscheidung prüfen.")  # fmt: skip


def _script_task(_document: Document, element: Element, _decisions: Decisions) -> Iterator[ModelFault]:
    language = str(element.node.get("scriptFormat", "")).strip().lower()
    if language != "feel":
        yield _fault(element, "bpmn.script-language", f"Skripte in „{language or 'unbenannter Sprache'}“ werden nie "
                     "ausgeführt.", "scriptFormat=\"feel\" setzen und einen FEEL-Ausdruck schreiben.")  # fmt: skip
    if not element.script():
        yield _fault(element, "bpmn.script", "Das Skript ist leer.", "Einen FEEL-Ausdruck schreiben.")


def _event_gateway(document: Document, element: Element, _decisions: Decisions) -> Iterator[ModelFault]:
    scope = document.scopes[element.scope]
    for flow in element.outgoing:
        target = scope.elements.get(flow.target)
        if target is not None and (target.tag not in ("intermediateCatchEvent", "receiveTask") or target.boundaries):
            yield _fault(element, "bpmn.event-gateway", f"Hinter dem Ereignis-Gateway steht „{target.id}“.",
                         "Direkt dahinter dürfen nur Zeit- und Nachrichtenereignisse stehen.")  # fmt: skip


_RULES: dict[str, Rule] = {
    "userTask": _user_task, "serviceTask": _service_task, "sendTask": _send_task, "receiveTask": _receive_task,
    "businessRuleTask": _rule_task, "scriptTask": _script_task, "eventBasedGateway": _event_gateway,
}  # fmt: skip


def _fault(element: Element, code: str, message: str, remedy: str) -> ModelFault:
    return ModelFault(element.id, element.line, code, message, remedy)
