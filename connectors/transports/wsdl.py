"""A WSDL of a connector folder, read once: operations, SOAPAction, root elements and the message schema.

zeep reads and checks it (document/literal only); our messages are then rendered with lxml and validated against the
schema in its ``types``, which costs half of letting zeep build them and never holds a large attachment.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from lxml import etree

from connectors.contract import ConnectorError

XSD = "http://www.w3.org/2001/XMLSchema"


class WsdlError(ConnectorError):
    """The WSDL cannot be used; the message says why."""


@dataclass(frozen=True, slots=True)
class WsdlOperation:
    """One operation: its SOAPAction and the qualified root elements of request and answer."""

    name: str
    action: str
    request: str
    answer: str | None


@dataclass(frozen=True, slots=True)
class Wsdl:
    """What sending needs of a WSDL."""

    operations: dict[str, WsdlOperation]
    schema: etree.XMLSchema


def load(path: Path) -> Wsdl:
    """The WSDL at ``path``, cached until the file changes; raises :class:`WsdlError`."""
    return _load(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=64)
def _load(path: Path, modified: int) -> Wsdl:
    from zeep import Settings  # imported late: zeep costs 0.3 s and only soap needs it
    from zeep.exceptions import Error as ZeepError
    from zeep.transports import Transport
    from zeep.wsdl import Document

    try:
        transport: Any = Transport()  # type: ignore[no-untyped-call]
        document: Any = Document(str(path), transport, settings=Settings(forbid_external=True))
        operations = {
            name: _operation(name, operation)
            for binding in document.bindings.values()
            for name, operation in binding.all().items()
        }
        return Wsdl(operations, _schema(path))
    except (ZeepError, etree.LxmlError, OSError) as error:
        raise WsdlError(f"Die WSDL {path.name} ist nicht lesbar: {type(error).__name__}.") from error


def _operation(name: str, operation: Any) -> WsdlOperation:
    style = operation.style
    if style != "document":
        raise WsdlError(f"Die Operation {name!r} ist nicht document/literal.")
    request = operation.input.body
    answer = operation.output
    return WsdlOperation(
        name=name,
        action=str(operation.soapaction or ""),
        request=request.qname.text,
        answer=answer.body.qname.text if answer is not None else None,
    )


def _schema(path: Path) -> etree.XMLSchema:
    parser = etree.XMLParser(no_network=True, resolve_entities=False)
    found = etree.parse(str(path), parser).getroot().find(f".//{{{XSD}}}schema")
    if found is None:
        raise WsdlError(f"In der WSDL {path.name} fehlt das Schema unter types.")
    return etree.XMLSchema(etree.ElementTree(found))
