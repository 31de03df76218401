"""Reading XML that strangers sent.

The parser never loads a DTD, never resolves an entity and never touches the
network. What lxml accepts although it can hurt is refused by us: any document
type declaration, lying encodings, too many nodes or attributes, too deep
nesting. The counts are taken on the bytes before the tree is built, because the
tree of ten megabytes of ``<a/>`` takes hundreds.
"""

from __future__ import annotations

import codecs
import re
from functools import cache

from lxml import etree

from .limits import Limits, UnsafeInput, check_size, readable_size, refuse
from .xml_messages import syntax_fault

_DEFAULT = Limits()
_DECLARATION = re.compile(rb"""<\?xml\s[^>]*?encoding\s*=\s*["']([A-Za-z0-9._:-]{1,40})["']""")
_PROLOG = re.compile(rb"(?:\s++|<!--.*?-->|<\?.*?\?>)*+", re.DOTALL)
# Possessive quantifiers and "no < inside a tag" keep this linear on any input.
_MARKUP = re.compile(
    rb"<(?:!--.*?-->|!\[CDATA\[.*?\]\]>|\?.*?\?>|(?P<end>/)[^<>]*+>"
    rb"""|(?P<start>[^!?/<>])(?:[^"'<>]++|"[^"<]*+"|'[^'<]*+')*+>)""",
    re.DOTALL,
)
# The BOM says which UTF-16; a document in it never survives a byte scan, so it is transcoded first.
_UTF16 = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
_ENCODINGS = {"utf-8", "utf-16", "utf-16-le", "utf-16-be", "ascii", "iso8859-1", "iso8859-15", "cp1252"}


def parse_xml(data: bytes, *, limits: Limits = _DEFAULT) -> etree._Element:
    """Return the root element, or raise :class:`UnsafeInput` with line and reason."""
    check_size(data, limits)
    text, encoding = _as_declared(data)
    _refuse_document_type(text)
    _check_counts(text, limits)
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, encoding=encoding
    )
    try:
        root = etree.fromstring(text, parser)
    except etree.XMLSyntaxError:
        raise UnsafeInput(syntax_fault(parser, text)) from None
    except (ValueError, LookupError) as error:
        raise refuse("xml.syntax", f"Die Datei ist kein lesbares XML ({error}).") from None
    if root is None:  # pragma: no cover - libxml2 raises instead
        raise refuse("xml.syntax", "Die Datei enthält kein XML-Element.")
    if root.getroottree().docinfo.internalDTD is not None:
        raise _document_type(None)
    _check_tree(root, limits)
    return root


def _as_declared(data: bytes) -> tuple[bytes, str | None]:
    """Settle the encoding: the bytes to parse and, where we transcoded, their encoding."""
    if data.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE, b"\x00\x00\x00<", b"<\x00\x00\x00")):
        raise refuse("xml.encoding", "Die Zeichenkodierung UTF-32 wird nicht angenommen. Bitte in UTF-8 speichern.")
    wide = next((name for mark, name in _UTF16.items() if data.startswith(mark)), None)
    if wide is None and data[:2] in (b"<\x00", b"\x00<"):
        wide = "utf-16-le" if data[0:1] == b"<" else "utf-16-be"
    if wide:
        return _from_utf16(data, wide), "utf-8"
    declared = _declared(data[:200])
    if declared is None:
        return data, None
    if declared.startswith("utf-16"):
        raise refuse(
            "xml.encoding", "Die Datei nennt UTF-16 als Zeichenkodierung, ist aber nicht so gespeichert.", line=1
        )
    if declared != "utf-8" and data.startswith(codecs.BOM_UTF8):
        raise refuse(
            "xml.encoding",
            f"Die Datei ist in UTF-8 gespeichert, nennt aber {declared.upper()} als Zeichenkodierung.",
            line=1,
        )
    if declared not in ("utf-8", "ascii") and _is_utf8_beyond_ascii(data):
        # libxml2 would read "Müller" as "MÃ¼ller" and nobody would notice until the notice is printed.
        raise refuse(
            "xml.encoding",
            f"Die Datei nennt {declared.upper()} als Zeichenkodierung, ist aber in UTF-8 gespeichert.",
            line=1,
        )
    return data, None


def _declared(head: bytes) -> str | None:
    """Python's name of the declared encoding; raise when we do not accept it."""
    found = _DECLARATION.match(head.removeprefix(codecs.BOM_UTF8))
    if not found:
        return None
    name = found[1].decode("ascii")
    try:
        known = codecs.lookup(name).name
    except LookupError:
        known = ""
    if known not in _ENCODINGS:
        raise refuse(
            "xml.encoding", f"Die Zeichenkodierung „{name}“ wird nicht angenommen. Bitte in UTF-8 speichern.", line=1
        )
    return known


def _from_utf16(data: bytes, encoding: str) -> bytes:
    try:
        text = data.decode(encoding).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise refuse("xml.encoding", f"Die UTF-16-Kodierung ist ab Byte {error.start} beschädigt.") from None
    declared = _declared(text[:200].encode("utf-8", "replace"))
    if declared and not declared.startswith("utf-16"):
        raise refuse(
            "xml.encoding",
            f"Die Datei ist in UTF-16 gespeichert, nennt aber {declared.upper()} als Zeichenkodierung.",
            line=1,
        )
    return text.encode("utf-8", "replace")


def _is_utf8_beyond_ascii(data: bytes) -> bool:
    if data.isascii():
        return False
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _refuse_document_type(data: bytes) -> None:
    """Raise ``xml.dtd`` before libxml2 sees a single declaration."""
    start = 3 if data.startswith(codecs.BOM_UTF8) else 0
    prolog = _PROLOG.match(data, start)
    end = prolog.end() if prolog else start
    if data[end : end + 9].upper() == b"<!DOCTYPE":
        raise _document_type(data.count(b"\n", 0, end) + 1)


def _document_type(line: int | None) -> UnsafeInput:
    return refuse(
        "xml.dtd",
        "Die Datei enthält eine Dokumenttyp-Definition (DOCTYPE). Solche Dateien werden aus Sicherheitsgründen nicht "
        "gelesen. Bitte ohne DOCTYPE und ohne eigene Entitäten senden.",
        line=line,
    )


def _check_counts(data: bytes, limits: Limits) -> None:
    """Refuse too large trees. Cheap upper bounds first; only what exceeds them is counted exactly."""
    tags = data.count(b"<") - data.count(b"</")
    equals = data.count(b"=")
    suspicious = tags + equals > limits.max_nodes or data.count(b"xmlns") > limits.max_attributes
    if not suspicious and equals <= limits.max_attributes and len(data) <= limits.max_text:
        return
    if suspicious or len(data) > limits.max_text or equals > 20 * max(tags, 50):
        _scan(data, limits)


def _scan(data: bytes, limits: Limits) -> None:
    """Count elements, attributes and text lengths over the bytes in constant memory."""
    nodes, text_from = 0, 0
    for match in _MARKUP.finditer(data):
        begin, end = match.span()
        if begin - text_from > limits.max_text:
            raise _text_too_long(data, text_from, limits)
        text_from = end
        if match["end"]:
            continue
        if not match["start"]:
            if end - begin > limits.max_text:
                raise _text_too_long(data, begin, limits)
            continue
        attributes = (data.count(b'"', begin, end) + data.count(b"'", begin, end)) // 2
        if attributes > limits.max_attributes:
            raise _too_many_attributes(data.count(b"\n", 0, begin) + 1, limits)
        if end - begin > limits.max_text:
            raise _text_too_long(data, begin, limits)
        nodes += 1 + attributes
        if nodes > limits.max_nodes:
            raise refuse(
                "xml.nodes",
                f"Die Datei enthält mehr als {limits.max_nodes:,} Elemente und Attribute.".replace(",", "."),
                line=data.count(b"\n", 0, begin) + 1,
            )
    if len(data) - text_from > limits.max_text:
        raise _text_too_long(data, text_from, limits)


def _text_too_long(data: bytes, position: int, limits: Limits) -> UnsafeInput:
    return refuse(
        "xml.text",
        f"Ein einzelner Inhalt ist größer als {readable_size(limits.max_text)}. "
        "Bitte Anlagen als eigene Dateien senden, nicht im XML eingebettet.",
        line=data.count(b"\n", 0, position) + 1,
    )


def _too_many_attributes(line: int | None, limits: Limits) -> UnsafeInput:
    return refuse("xml.attributes", f"Ein Element trägt mehr als {limits.max_attributes} Attribute.", line=line)


@cache
def _deeper_than(depth: int) -> etree.XPath:
    return etree.XPath("/*" * (depth + 1) + "[1]")


@cache
def _attributes_over(count: int) -> etree.XPath:
    return etree.XPath(f"(//*[@*[{count + 1}]])[1]")


def _check_tree(root: etree._Element, limits: Limits) -> None:
    if (deep := _first(_deeper_than(limits.max_depth), root)) is not None:
        message = f"Die Elemente sind tiefer als {limits.max_depth} Ebenen verschachtelt."
        raise refuse("xml.depth", message, line=line_of(deep))
    if (wide := _first(_attributes_over(limits.max_attributes), root)) is not None:
        raise _too_many_attributes(line_of(wide), limits)


def _first(path: etree.XPath, root: etree._Element) -> etree._Element | None:
    found = path(root)
    return found[0] if isinstance(found, list) and found and isinstance(found[0], etree._Element) else None


def line_of(element: etree._Element) -> int | None:
    """Line of an element in its document, counted from 1."""
    line: object = element.sourceline
    return line if isinstance(line, int) else None
