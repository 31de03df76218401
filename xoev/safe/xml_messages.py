"""libxml2's parse errors in German, with stable codes."""

from __future__ import annotations

import re

from lxml import etree

from xoev.report import Fault

# libxml2's error name -> our code and text. ``{0}``... are the groups of the pattern over libxml2's own message.
_TABLE: dict[str, tuple[str, str, str]] = {
    "ERR_DOCUMENT_EMPTY": ("xml.syntax", "", "Die Datei ist kein XML: Sie beginnt nicht mit einem Element."),
    "ERR_DOCUMENT_END": ("xml.trailing", "", "Nach dem Ende des XML-Dokuments folgen weitere Zeichen."),
    "ERR_TAG_NAME_MISMATCH": (
        "xml.syntax",
        r"mismatch: (\S+) line (\d+) and (\S+)",
        "Das Element „{0}“ aus Zeile {1} wird durch „{2}“ geschlossen; erwartet wird „</{0}>“.",
    ),
    "ERR_TAG_NOT_FINISHED": (
        "xml.truncated",
        r"end of data in tag (\S+) line (\d+)",
        "Die Datei bricht ab: Das Element „{0}“ aus Zeile {1} wird nicht geschlossen.",
    ),
    "ERR_NAME_REQUIRED": ("xml.syntax", "", "Hier steht ein „<“ oder „&“, dem kein gültiger Name folgt."),
    "ERR_UNDECLARED_ENTITY": (
        "xml.entity",
        r"Entity '([^']+)'",
        "Die Entität „&{0};“ ist nicht erlaubt. Bitte das Zeichen selbst schreiben.",
    ),
    "ERR_ATTRIBUTE_REDEFINED": (
        "xml.syntax",
        r"Attribute (\S+) redefined",
        "Das Attribut „{0}“ steht doppelt am Element.",
    ),
    "NS_ERR_UNDEFINED_NAMESPACE": (
        "xml.namespace",
        r"prefix (\S+)",
        "Das Präfix „{0}“ ist nicht vereinbart (xmlns:{0} fehlt).",
    ),
    "ERR_INVALID_CHAR": ("xml.character", "", "Die Datei enthält ein Zeichen, das in XML nicht erlaubt ist."),
    "ERR_INVALID_CHARREF": (
        "xml.character",
        "",
        "Die Datei enthält einen Zeichenverweis, der in XML nicht erlaubt ist.",
    ),
    "ERR_INVALID_ENCODING": (
        "xml.encoding",
        "",
        "Die Zeichenkodierung stimmt nicht: Die Datei enthält Bytes, die nicht zur angegebenen Kodierung "
        "(meist UTF-8) gehören.",
    ),
    "ERR_UNSUPPORTED_ENCODING": ("xml.encoding", "", "Die angegebene Zeichenkodierung wird nicht angenommen."),
    "ERR_UNKNOWN_ENCODING": ("xml.encoding", "", "Die angegebene Zeichenkodierung wird nicht angenommen."),
    "ERR_ENTITY_LOOP": ("xml.entity", "", "Die Datei enthält Entitäten, die sich selbst enthalten."),
    "ERR_ATTRIBUTE_WITHOUT_VALUE": ("xml.syntax", r"attribute (\S+)", "Dem Attribut „{0}“ fehlt der Wert."),
    "ERR_ATTRIBUTE_NOT_STARTED": ("xml.syntax", "", "Ein Attributwert steht nicht in Anführungszeichen."),
    "ERR_LT_IN_ATTRIBUTE": ("xml.syntax", "", "In einem Attributwert steht ein „<“; es muss „&lt;“ heißen."),
    "ERR_XMLDECL_NOT_FINISHED": ("xml.syntax", "", "Die XML-Deklaration am Anfang ist unvollständig."),
    "ERR_GT_REQUIRED": (
        "xml.syntax",
        r"Start Tag (\S+) line (\d+)",
        "Das Element „{0}“ aus Zeile {1} ist nicht richtig geschrieben.",
    ),
    "ERR_MISPLACED_CDATA_END": ("xml.syntax", "", "Im Text steht „]]>“; das ist in XML nicht erlaubt."),
    "ERR_RESERVED_XML_NAME": (
        "xml.syntax",
        "",
        "Vor der XML-Deklaration stehen Zeichen; sie muss ganz am Anfang stehen.",
    ),
}
_BY_TEXT: tuple[tuple[str, str, str], ...] = (
    (r"Excessive depth", "xml.depth", "Die Elemente sind viel zu tief verschachtelt."),
    (
        r"too long|huge text|Huge input|Resource limit",
        "xml.text",
        "Ein einzelner Inhalt ist größer als 10 MB. Bitte Anlagen als eigene Dateien senden, nicht im XML eingebettet.",
    ),
    (r"not proper UTF-8|encod|input conversion", "xml.encoding", _TABLE["ERR_INVALID_ENCODING"][2]),
    (r"[Ee]ntity", "xml.entity", "Die Datei enthält Entitäten; sie sind nicht erlaubt."),
)
# Complaints that only mean "the rest is missing" when the file does not end with a tag.
_CUT_OFF = {
    "ERR_GT_REQUIRED",
    "ERR_TAG_NOT_FINISHED",
    "ERR_COMMENT_NOT_FINISHED",
    "ERR_CDATA_NOT_FINISHED",
    "ERR_PI_NOT_FINISHED",
    "ERR_ATTRIBUTE_NOT_FINISHED",
    "ERR_LTSLASH_REQUIRED",
    "ERR_NAME_REQUIRED",
    "ERR_XMLDECL_NOT_FINISHED",
}
_AT_THE_END = "Die Datei bricht mitten im XML ab."


def syntax_fault(parser: etree.XMLParser, data: bytes) -> Fault:
    """The fault for what stopped ``parser`` on ``data``."""
    entries = list(parser.error_log)  # the exception's own log also holds what earlier documents left behind
    # Namespace complaints come before the fatal one; the fatal one is what stopped the parser.
    entry = next((item for item in entries if item.level_name == "FATAL"), entries[0] if entries else None)
    if entry is None:
        return Fault(1, "", "xml.syntax", "Die Datei ist kein lesbares XML.")
    for pattern, code, text in _BY_TEXT[:2]:
        if re.search(pattern, entry.message):
            return Fault(entry.line, "", code, text)
    if entry.type_name in _CUT_OFF and not data.rstrip().endswith(b">"):
        return Fault(entry.line, "", "xml.truncated", _AT_THE_END)
    known = _TABLE.get(entry.type_name)
    if known:
        found = re.search(known[1], entry.message)
        if found:
            return Fault(entry.line, "", known[0], known[2].format(*found.groups()))
    for pattern, code, text in _BY_TEXT[2:]:
        if re.search(pattern, entry.message):
            return Fault(entry.line, "", code, text)
    return Fault(
        entry.line, "", "xml.syntax", f"Die Datei ist kein gültiges XML (Zeile {entry.line}, Spalte {entry.column})."
    )
