"""libxml2's schema messages in German, with stable codes.

One row of the table is one kind of message: pattern over libxml2's text, code,
German text over the pattern's groups. ``{name}`` is the element the message is
about. libxml2 has no message catalogue, so the patterns follow its source
(xmlschemas.c) of version 2.14 and are tested one by one.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from lxml import etree

from .report import Fault

MAX_FAULTS = 100
_SHOWN = 60
_SHOWN_CHOICES = 6
_NAMESPACE = re.compile(r"\{[^{}]*\}")

_TYPES = {
    "date": "ein Datum in der Form JJJJ-MM-TT",
    "dateTime": "Datum und Uhrzeit in der Form JJJJ-MM-TTThh:mm:ss",
    "time": "eine Uhrzeit in der Form hh:mm:ss",
    "gYear": "ein Jahr mit vier Ziffern",
    "gYearMonth": "Jahr und Monat in der Form JJJJ-MM",
    "duration": "eine Dauer wie P3D",
    "decimal": "eine Zahl mit Punkt als Dezimalzeichen",
    "double": "eine Zahl mit Punkt als Dezimalzeichen",
    "float": "eine Zahl mit Punkt als Dezimalzeichen",
    "integer": "eine ganze Zahl",
    "int": "eine ganze Zahl",
    "long": "eine ganze Zahl",
    "short": "eine ganze Zahl",
    "nonNegativeInteger": "eine ganze Zahl ab 0",
    "positiveInteger": "eine ganze Zahl ab 1",
    "unsignedInt": "eine ganze Zahl ab 0",
    "boolean": "true oder false",
    "base64Binary": "ein Base64-Inhalt",
    "anyURI": "eine Adresse (URI)",
    "language": "ein Sprachkürzel wie de",
    "ID": "eine Kennung, die im Dokument nur einmal vorkommt",
    "IDREF": "ein Verweis auf eine Kennung im Dokument",
    "NCName": "ein XML-Name ohne Doppelpunkt",
    "token": "Text ohne Zeilenumbrüche und doppelte Leerzeichen",
}
_FACETS = {"pattern", "enumeration", "length", "number"}


def _text(value: str) -> str:
    value = " ".join(value.split())
    return f"„{value[:_SHOWN]}…“" if len(value) > _SHOWN else f"„{value}“"


def _names(listed: str) -> str:
    names = [_NAMESPACE.sub("", name).strip(" *") for name in listed.split(",")]
    names = [("ein weiteres Element" if name.startswith("##") or not name else f"„{name}“") for name in names]
    names = list(dict.fromkeys(names))
    shown = ", ".join(names[:_SHOWN_CHOICES])
    return shown + (f" und {len(names) - _SHOWN_CHOICES} weitere" if len(names) > _SHOWN_CHOICES else "")


def _values(listed: str) -> str:
    values = re.findall(r"'((?:[^']|'(?!,|$))*)'", listed)
    shown = ", ".join(_text(value) for value in values[:_SHOWN_CHOICES])
    return shown + (f" und {len(values) - _SHOWN_CHOICES} weitere" if len(values) > _SHOWN_CHOICES else "")


def _type(name: str) -> str:
    short = _NAMESPACE.sub("", name).removeprefix("xs:")
    return _TYPES.get(short, f"ein Wert vom Typ „{short}“")


_Row = tuple[str, str, str, tuple[Callable[[str], str], ...]]
_TABLE: tuple[_Row, ...] = (
    (r"\[facet 'pattern'\] The value '(.*?)' is not accepted by the pattern '(.*)'\.", "schema.pattern",
     "{name}: Der Wert {0} hat nicht die vorgeschriebene Form (Muster {1}).", (_text, _text)),
    (r"\[facet 'enumeration'\] The value '(.*?)' is not an element of the set \{(.*)\}\.", "schema.enumeration",
     "{name}: Der Wert {0} ist nicht zugelassen. Erlaubt: {1}.", (_text, _values)),
    (r"\[facet 'enumeration'\] The value '(.*?)' is not an element of the set", "schema.enumeration",
     "{name}: Der Wert {0} steht nicht in der Liste der zugelassenen Werte.", (_text,)),
    (r"\[facet 'minLength'\] The value .*?length of '(\d+)'; this underruns the allowed minimum length of '(\d+)'",
     "schema.length", "{name}: Der Wert ist zu kurz ({0} Zeichen; mindestens {1}).", ()),
    (r"\[facet 'maxLength'\] The value .*?has a length of '(\d+)'; this exceeds the allowed maximum length of '(\d+)'",
     "schema.length", "{name}: Der Wert ist zu lang ({0} Zeichen; höchstens {1}).", ()),
    (r"\[facet 'length'\] The value .*?has a length of '(\d+)'; this differs from the allowed length of '(\d+)'",
     "schema.length", "{name}: Der Wert hat {0} Zeichen; vorgeschrieben sind genau {1}.", ()),
    (r"\[facet 'minInclusive'\] The value '(.*?)' is less than the minimum value allowed \('(.*)'\)", "schema.range",
     "{name}: Der Wert {0} ist zu klein; mindestens {1}.", (_text,)),
    (r"\[facet 'maxInclusive'\] The value '(.*?)' is greater than the maximum value allowed \('(.*)'\)", "schema.range",
     "{name}: Der Wert {0} ist zu groß; höchstens {1}.", (_text,)),
    (r"\[facet 'minExclusive'\] The value '(.*?)' must be greater than '(.*)'", "schema.range",
     "{name}: Der Wert {0} muss größer als {1} sein.", (_text,)),
    (r"\[facet 'maxExclusive'\] The value '(.*?)' must be less than '(.*)'", "schema.range",
     "{name}: Der Wert {0} muss kleiner als {1} sein.", (_text,)),
    (r"\[facet 'totalDigits'\] The value '(.*?)' has more digits than are allowed \('(\d+)'\)", "schema.range",
     "{name}: Die Zahl {0} hat zu viele Stellen; erlaubt sind {1}.", (_text,)),
    (r"\[facet 'fractionDigits'\] The value '(.*?)' has more fractional digits than are allowed \('(\d+)'\)",
     "schema.range",
     "{name}: Die Zahl {0} hat zu viele Nachkommastellen; erlaubt sind {1}.", (_text,)),
    (r"The attribute '(.*?)' is required but missing", "schema.attribute", "{name}: Das Attribut „{0}“ fehlt.",
     (lambda text: _NAMESPACE.sub("", text),)),
    (r"The attribute '(.*?)' is not allowed", "schema.attribute", "{name}: Das Attribut „{0}“ ist hier nicht erlaubt.",
     (lambda text: _NAMESPACE.sub("", text),)),
    (r"attribute '(.*?)': '(.*?)' is not a valid value of the \w+ (?:atomic |list |union )?type '(.*?)'", "schema.type",
     "{name}: Das Attribut „{0}“ hat den Wert {1}; erwartet wird {2}.",
     (lambda text: _NAMESPACE.sub("", text), _text, _type)),
    (r"Missing child element\(s\)\. Expected is \( (.*) \)",
     "schema.missing", "{name} ist unvollständig: Es fehlt {0}.",
     (_names,)),
    (r"Missing child element\(s\)\. Expected is one of \( (.*) \)", "schema.missing",
     "{name} ist unvollständig: Es fehlt eines von {0}.", (_names,)),
    (r"Missing child element\(s\)", "schema.missing", "{name} ist unvollständig: Es fehlt ein Element.", ()),
    (r"This element is not expected\. Expected is \( (.*) \)", "schema.unexpected",
     "{name} ist an dieser Stelle nicht erlaubt; hier wird {0} erwartet. Fehlt es, oder stimmt die Reihenfolge nicht?",
     (_names,)),
    (r"This element is not expected\. Expected is one of \( (.*) \)", "schema.unexpected",
     "{name} ist an dieser Stelle nicht erlaubt; hier wird eines von {0} erwartet.", (_names,)),
    (r"This element is not expected", "schema.unexpected",
     "{name} ist an dieser Stelle nicht erlaubt (unbekannt, doppelt oder in falscher Reihenfolge).", ()),
    (r"No matching global declaration available for the validation root", "schema.root",
     "{name} ist keine Nachricht dieses Standards.", ()),
    (r"No matching global (?:element )?declaration available", "schema.unexpected",
     "{name} ist im Standard nicht vereinbart.", ()),
    (r"Character content (?:other than whitespace )?is not allowed", "schema.text",
     "{name} darf keinen Text enthalten, nur Elemente.", ()),
    (r"Element content is not allowed", "schema.unexpected", "{name} darf keine Elemente enthalten.", ()),
    (r"(?:The type definition is abstract|The element declaration is abstract)", "schema.abstract",
     "{name} ist nur ein Platzhalter; hier muss eine konkrete Ausprägung stehen.", ()),
    (r"does not resolve to a type definition", "schema.type", "{name} nennt mit xsi:type einen unbekannten Typ.", ()),
    (r"No match found for key-sequence \['?(.*?)'?\]", "schema.reference",
     "{name}: Der Verweis auf {0} führt ins Leere.", (_text,)),
    (r"Duplicate key-sequence \['?(.*?)'?\]",
     "schema.duplicate", "{name}: Der Schlüssel {0} kommt doppelt vor.", (_text,)),
    (r"Not all fields of key identity-constraint", "schema.missing", "{name}: Ein Schlüsselfeld fehlt.", ()),
    (r"(?:fixed value constraint|fixed value) '(.*?)'",
     "schema.fixed", "{name}: Vorgeschrieben ist der Wert {0}.", (_text,)),
    (r"nillable", "schema.missing", "{name} darf nicht leer (xsi:nil) sein.", ()),
    (r"^'(.*?)' is not a valid value of the atomic type 'xs:ID'", "schema.duplicate",
     "{name}: Die Kennung {0} kommt im Dokument schon vor (oder ist keine gültige Kennung).", (_text,)),
    (r"^'(.*?)' is not a valid value of the (?:atomic|local atomic) type '(.*?)'", "schema.type",
     "{name}: Der Wert {0} passt nicht; erwartet wird {1}.", (_text, _type)),
    (r"^'(.*?)' is not a valid value of the .*type",
     "schema.type", "{name}: Der Wert {0} hat nicht die vorgeschriebene Form.",
     (_text,)),
    (r"'(.*?)' is not a valid value of the", "schema.type", "{name}: Der Wert {0} hat nicht die vorgeschriebene Form.",
     (_text,)),
)  # fmt: skip
_COMPILED = tuple((re.compile(pattern, re.DOTALL), code, text, how) for pattern, code, text, how in _TABLE)
_ABOUT = re.compile(r"^Element '([^']*)'(?:, attribute '([^']*)')?: ", re.DOTALL)


def faults_of(entries: list[etree._LogEntry], root: etree._Element) -> list[Fault]:
    """Translate libxml2's messages; follow-up messages about the same value are left out."""
    faults: list[Fault] = []
    bad_values: set[tuple[str, int | None]] = set()
    for entry in entries:
        fault = _translate(entry, root)
        kind = fault.code.removeprefix("schema.")
        place = (fault.path, fault.line)
        if kind == "type" and place in bad_values:
            continue
        if kind in ("pattern", "enumeration", "length", "range"):
            bad_values.add(place)
        if faults and faults[-1] == fault:
            continue
        faults.append(fault)
        if len(faults) > MAX_FAULTS:
            faults[-1] = Fault(
                None, "", "schema.more", f"Es gibt mehr als {MAX_FAULTS} Fehler; die übrigen sind nicht aufgeführt."
            )
            break
    return faults


def _translate(entry: etree._LogEntry, root: etree._Element) -> Fault:
    about = _ABOUT.match(entry.message)
    name = f"„{_NAMESPACE.sub('', about[1])}“" if about else "Das Dokument"
    message = entry.message[about.end() :] if about else entry.message
    if about and about[2]:
        name = f"{name}, Attribut „{_NAMESPACE.sub('', about[2])}“"
    path = path_of(entry, root)
    for pattern, code, text, readers in _COMPILED:
        if found := pattern.search(message):
            groups = [reader(group) for reader, group in zip(readers, found.groups(), strict=False)]
            groups += list(found.groups())[len(readers) :]
            return Fault(entry.line, path, code, text.format(*groups, name=name))
    return Fault(
        entry.line, path, "schema.invalid", f"{name} entspricht nicht dem Standard ({_NAMESPACE.sub('', message)})"
    )


def path_of(entry: etree._LogEntry, root: etree._Element) -> str:
    """``/Invoice/InvoiceLine[2]/ID``: local names, positions only where a name repeats."""
    element = _element_at(entry.path, root)
    if element is None:
        return re.sub(r"(?<=/)[\w.-]+:", "", entry.path or "")
    steps: list[str] = []
    while element is not None:
        steps.append(_step(element))
        element = element.getparent()
    return "/" + "/".join(reversed(steps))


def _element_at(path: str | None, root: etree._Element) -> etree._Element | None:
    """Follow libxml2's path, whose prefixes may mean different things in different places."""
    position = root
    steps = (path or "").split("/")[2:]
    for step in steps:
        if step.startswith("@"):
            break
        found = re.fullmatch(r"([^\[]+)(?:\[(\d+)\])?", step)
        if not found:
            return None
        tag = found[1].rpartition(":")[2]
        prefix = found[1].rpartition(":")[0]
        children = [
            child
            for child in position.iterchildren(tag=etree.Element)
            if tag == "*" or (etree.QName(child).localname == tag and (child.prefix or "") == prefix)
        ]
        index = int(found[2] or 1) - 1
        if index >= len(children):
            return None
        position = children[index]
    return position if path else None


def _step(element: etree._Element) -> str:
    name = etree.QName(element).localname
    parent = element.getparent()
    if parent is None:
        return name
    same = list(parent.iterchildren(tag=element.tag))
    return f"{name}[{same.index(element) + 1}]" if len(same) > 1 else name
