"""Saying what a document claims to be, by its root element alone.

Namespaces are the source: every XÖV standard since 2010 names its version in
them. Where a namespace carries none, the ``version`` attribute of the root does.
"""

from __future__ import annotations

import re
from typing import Any

from lxml import etree

from .report import Identity
from .safe import UnsafeInput, parse_json, parse_xml

_UBL = "urn:oasis:names:specification:ubl:schema:xsd:"
_CII = "urn:un:unece:uncefact:data:standard:CrossIndustryInvoice:100"
_CBC = "{urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2}"
_RAM = "{urn:un:unece:uncefact:data:standard:ReusableAggregateBusinessInformationEntity:100}"
_XRECHNUNG = re.compile(r"(?:kosit:(?:standard|extension)|kosit):xrechnung_([0-9.]+)$")
_FIM_SCHEMA = re.compile(r"urn:(?:x?fim|de:fim):?(?:schema:)?(?P<id>S\d{8,14}):(?P<version>[0-9.]+)")
_SOAP = ("http://schemas.xmlsoap.org/soap/envelope/", "http://www.w3.org/2003/05/soap-envelope")

# Pattern over the namespace -> standard. The group, if it took part, is the version, with "/", "_" as dots.
_NAMESPACES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), standard)
    for pattern, standard in (
        (r"urn:xoev-de:xdomea:schema:([0-9.]+)$", "xdomea"),
        (r"http://www\.xleitstelle\.de/xbau/kernmodul/([0-9/]+)$", "xbau-kernmodul"),
        (r"http://www\.xleitstelle\.de/xbau/([0-9/]+)$", "xbau"),
        (r"http://www\.xplanung\.de/xplangml/([0-9/]+)$", "xplanung"),
        (r"https://gitlab\.opencode\.de/akdb/xoev/xwasser/-/raw/main/V([0-9_]+)$", "xwasser"),
        (r"http://www\.xjustiz\.de$", "xjustiz"),
        (r"http://xbildung\.de/def/xbildung/([0-9.]+)/xsd$", "xbildung"),
        (r"http://www\.xgewerbeanzeige\.de/spezifikation/([0-9.]+)$", "xgewerbeanzeige"),
        (r"http://www\.destatis\.de/schema/datml-raw/([0-9.]+)(?:/de)?$", "datml-raw"),
        (r"http://xoev\.de/transport/xta/(\d+)$", "xta"),
        (r"http://www\.osci\.de/2002/04/osci$", "osci"),
        (r"urn:xoev-de:fim:standard:xdatenfelder_([0-9.]+)$", "xdatenfelder"),
        (r"http://docs\.oasis-open\.org/codelist/ns/genericode/([0-9.]+)/$", "genericode"),
        (r"http://www\.omg\.org/spec/BPMN/(\d+)/MODEL$", "bpmn"),
        (r"https?://www\.omg\.org/spec/DMN/(\d+)/(?:MODEL/|dmn\.xsd)$", "dmn"),
        (r"http://www\.w3\.org/2001/XMLSchema$", "xml-schema"),
        (r"http://schemas\.xmlsoap\.org/wsdl/$", "wsdl"),
        (r"http://purl\.oclc\.org/dsdl/schematron$", "schematron"),
        (r"http://xoev\.de/transport/xta/(3[0-9]*)/?.*$", "xta"),
        # Any other XÖV standard follows the handbook's pattern; its name and version can be read off.
        (r"urn:xoev-de:[^:]+:(?:schema|standard):([0-9.]+)$", ""),
    )
)
# Where the namespace stays the same over versions and the root has no version attribute.
_FIXED_VERSIONS = {"osci": "1.2", "bpmn": "2.0"}
_DMN_VERSIONS = {"20151101": "1.1", "20180521": "1.2", "20191111": "1.3", "20211108": "1.4", "20230324": "1.5"}
_VERSION_BY_ROOT = {"xjustiz"}

TITLES = {
    "xrechnung": "XRechnung",
    "en16931": "E-Rechnung nach EN 16931",
    "factur-x": "ZUGFeRD/Factur-X",
    "ubl": "UBL-Rechnung",
    "cii": "CII-Rechnung",
    "xbau": "XBau",
    "xbau-kernmodul": "XBau-Kernmodul",
    "xplanung": "XPlanung",
    "xwasser": "XWasser",
    "xjustiz": "XJustiz",
    "xbildung": "XBildung",
    "xgewerbeanzeige": "XGewerbeanzeige",
    "datml-raw": "DatML/RAW",
    "xta": "XTA",
    "osci": "OSCI-Transport",
    "xdatenfelder": "FIM-Datenschema (XDatenfelder)",
    "fim": "FIM-Daten",
    "genericode": "Codeliste (genericode)",
    "bpmn": "BPMN-Prozessmodell",
    "dmn": "DMN-Entscheidung",
    "wsdl": "Dienstbeschreibung (WSDL)",
    "soap": "SOAP-Nachricht",
    "xml-schema": "XML-Schema",
    "schematron": "Schematron-Regeln",
}


def identify(data: bytes) -> Identity | None:
    """Return what XML or JSON claims to be, or ``None`` when it is unreadable or unknown."""
    try:
        if looks_like_json(data):
            return identify_json(parse_json(data))
        return identify_root(parse_xml(data))
    except UnsafeInput:
        return None


def looks_like_json(data: bytes) -> bool:
    """Whether the first sign that is not blank opens a JSON object or array."""
    return data[:64].removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in (b"{", b"[")


def identify_root(root: etree._Element) -> Identity | None:
    """Identify by an already parsed root element."""
    name = etree.QName(root)
    namespace, local = name.namespace or "", name.localname
    if namespace == _CII or namespace.startswith((_UBL + "Invoice-", _UBL + "CreditNote-")):
        return _invoice(root, namespace, local)
    if found := _FIM_SCHEMA.fullmatch(namespace):
        return Identity("fim", f"{found['id']}:{found['version']}", local, local)
    if namespace in _SOAP:
        return _soap(root, local)
    for pattern, standard in _NAMESPACES:
        if found := pattern.match(namespace):
            version = found[1] if found.re.groups else None
            return _identity(root, standard or namespace.split(":")[2], version, local)
    return None


def identify_json(value: Any) -> Identity | None:
    """Identify our JSON form of FIM data by ``$schema`` or ``schema``."""
    if not isinstance(value, dict):
        return None
    for key in ("$schema", "schema"):
        named = value.get(key)
        if isinstance(named, str) and (found := _FIM_SCHEMA.search(named)):
            return Identity("fim", f"{found['id']}:{found['version']}", None, "")
    return None


def title(identity: Identity) -> str:
    """``xbau``, ``2.6`` -> ``XBau 2.6``."""
    name = TITLES.get(identity.standard, identity.standard)
    return f"{name} {identity.version}" if identity.version else name


def _identity(root: etree._Element, standard: str, version: str | None, local: str) -> Identity:
    if version:
        version = re.sub(r"[/_]", ".", version).strip(".")
    if standard == "xta" and version:
        version = ".".join(version)
    if standard == "dmn":
        version = _DMN_VERSIONS.get(version or "", version)
    elif standard in _FIXED_VERSIONS:
        version = _FIXED_VERSIONS[standard]
    elif standard in _VERSION_BY_ROOT or version is None:
        version = _version_attribute(root)
    return Identity(standard, version, local, local)


def _version_attribute(root: etree._Element) -> str | None:
    """The version the message names: at the root or, in XJustiz, at its header."""
    for element in (root, *root.iterchildren(tag=etree.Element)):
        for attribute, value in element.attrib.items():
            if etree.QName(attribute).localname in ("version", "xjustizVersion", "standardVersion"):
                return str(value)
    return None


def _soap(root: etree._Element, local: str) -> Identity:
    """An envelope: OSCI and XTA travel in one, everything else stays SOAP."""
    for element in root.iter(etree.Element):
        inside = identify_root(element) if element.tag not in (root.tag,) and element is not root else None
        if inside and inside.standard in ("osci", "xta"):
            return Identity(inside.standard, inside.version, inside.message, local)
    return Identity("soap", "1.2" if "2003" in str(etree.QName(root).namespace) else "1.1", None, local)


def _invoice(root: etree._Element, namespace: str, local: str) -> Identity:
    """UBL and CII say in the specification identifier (BT-24) which rules they follow."""
    if namespace == _CII:
        customization = root.findtext(f".//{_RAM}GuidelineSpecifiedDocumentContextParameter/{_RAM}ID") or ""
        syntax, syntax_version = "cii", "D22B"
    else:
        customization = root.findtext(f"{_CBC}CustomizationID") or ""
        syntax, syntax_version = "ubl", "2.1"
    customization = customization.strip()
    if found := _XRECHNUNG.search(customization):
        return Identity("xrechnung", found[1], local, local)
    if "factur-x" in customization or "zugferd" in customization:
        return Identity("factur-x", "1", local, local)
    if customization.startswith("urn:cen.eu:en16931:2017"):
        return Identity("en16931", "2017", local, local)
    return Identity(syntax, syntax_version, local, local)
