"""Twins that speak SOAP: the building application and the finance application.

Requests are validated against the schema of the WSDL in the connector's folder, the one both sides agreed on.
"""

from __future__ import annotations

import base64
from typing import Any, ClassVar

from lxml import etree

from connectors import xmltree
from connectors.manifest import LIBRARY
from connectors.transports import wsdl
from connectors.transports.soap import ENVELOPE
from connectors.twins.twin import Request, Response, Twin

_PDF = (
    b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n"
    b"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]>>endobj\nxref\n0 4\n0000000000 65535 f \n"
    b"0000000009 00000 n \n0000000054 00000 n \n0000000105 00000 n \ntrailer<</Size 4/Root 1 0 R>>\nstartxref\n170\n"
    b"%%EOF\n"
)


class SoapFaultError(Exception):
    """A refusal: fault code and text."""

    def __init__(self, code: str, text: str) -> None:
        self.code = code
        super().__init__(text)


class SoapTwin(Twin):
    """Opens envelopes, validates, calls the method of the operation, wraps answers and faults."""

    namespace: ClassVar[str]
    wsdl_name: ClassVar[str]

    def __init__(self, *args: Any, **values: Any) -> None:
        super().__init__(*args, **values)
        self._file = LIBRARY / self.connector / self.wsdl_name
        self._wsdl = wsdl.load(self._file)

    def instance_settings(self) -> dict[str, Any]:
        """The endpoint is the service's own path."""
        return {"endpoint": f"{self.address}/soap", "webhook_secret": self.webhook_secret}

    def handle(self, request: Request) -> Response:
        """One SOAP call, or the WSDL."""
        if request.method == "GET":
            return Response(200, self._file.read_bytes(), "text/xml")
        try:
            return self._answer(self._call(request))
        except SoapFaultError as error:
            text = (
                f'<soap:Envelope xmlns:soap="{ENVELOPE}"><soap:Body><soap:Fault><faultcode>soap:{error.code}'
                f"</faultcode><faultstring>{error}</faultstring></soap:Fault></soap:Body></soap:Envelope>"
            )
            return Response(500, text.encode(), "text/xml; charset=utf-8")

    def _call(self, request: Request) -> dict[str, Any]:
        parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True, load_dtd=False)
        try:
            envelope = etree.fromstring(request.body, parser)
            element = envelope.find(f"{{{ENVELOPE}}}Body")[0]  # type: ignore[index]
        except (etree.XMLSyntaxError, TypeError, IndexError):
            raise SoapFaultError("Client.Envelope", "Kein lesbarer Umschlag") from None
        if not self._wsdl.schema.validate(element):
            faults: Any = self._wsdl.schema.error_log
            raise SoapFaultError("Client.Schema", f"Schema verletzt bei {faults[0].path}")
        operation = next(o for o in self._wsdl.operations.values() if o.request == element.tag)
        values = xmltree.read(element)
        if self.faults.reject and operation.name not in {"FindCase", "FindInvoice"} and self.faults.take("reject"):
            self.ledger.called(str(values.get("key", "")), operation.name, "rejected")
            raise SoapFaultError("Client.Business", self.faults.reject_text)
        result: dict[str, Any] = getattr(self, f"on_{operation.name}")(values)
        return {str(operation.answer).rpartition("}")[2]: result}

    def _answer(self, tree: dict[str, Any]) -> Response:
        root = xmltree.build(tree, {"": self.namespace})
        self._wsdl.schema.assertValid(root)
        content = etree.tostring(root).decode()
        text = f'<soap:Envelope xmlns:soap="{ENVELOPE}"><soap:Body>{content}</soap:Body></soap:Envelope>'
        return Response(200, text.encode(), "text/xml; charset=utf-8")


class BuildingApp(SoapTwin):
    """Building application: leads the case and tells the hub what happens.

    Without a site plan (``lageplan``), or with "Nachforderung" in the title, it asks for documents once.
    """

    name = "building-app"
    title = "Bauaufsicht (Fachanwendung)"
    connector = "building-app-soap"
    namespace = "urn:ozg-hub:connector:building-app:1"
    wsdl_name = "building.wsdl"

    def on_CreateCase(self, values: dict[str, Any]) -> dict[str, Any]:  # noqa: N802 - name of the WSDL operation
        """A case a key; the same key answers the same number."""
        key = str(values["key"])
        known = self.ledger.find(self.kind, key)
        if known is not None:
            self.ledger.called(key, "CreateCase", "again")
            return {"fileNumber": known["number"], "known": True}
        number = f"B-2026-{self.ledger.next('file_number'):05d}"
        documents = _many(values.get("document"))
        sizes = [len(str(d.get("content", ""))) * 3 // 4 for d in documents]
        title = str(values["project"]["title"])
        self.ledger.record(
            self.kind,
            key,
            number,
            {"title": title, "state": "eingegangen", "files": sizes, "period": values.get("period", "P3M")},
        )
        self.ledger.called(key, "CreateCase", "created")
        self._event(key, number, "aktenzeichen", {})
        if "Nachforderung" in title or not any(d.get("@kind") == "lageplan" for d in documents):
            wanted = {
                "nachforderung": f"{number}-N1",
                "unterlagen": "Lageplan nach § 2 BauuntPrüfVO",
                "frist": "2027-01-11",
            }
            self._event(key, number, "nachforderung", wanted)
            self.ledger.change(self.kind, key, state="Unterlagen nachgefordert")
        else:
            self._complete(key, number)
        return {"fileNumber": number, "known": False}

    def on_AddDocuments(self, values: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        """Documents to a case; each key counts once."""
        key, number = str(values["key"]), str(values["fileNumber"])
        found = self.ledger.by_number(self.kind, number)
        if found is None:
            raise SoapFaultError("Client.UnknownCase", "Aktenzeichen unbekannt")
        new = self.ledger.record("addition", key, number, {"title": str(values.get("occasion", ""))})
        self.ledger.called(key, "AddDocuments", "created" if new else "again")
        if new and values.get("occasion") == "withdrawal":
            self._event(found[0], number, "abgeschlossen", {"am": "2026-11-23", "ergebnis": "withdrawn"})
            self.ledger.change(self.kind, found[0], state="zurückgenommen")
        elif new:
            self._complete(found[0], number)
        return {"fileNumber": number, "known": not new}

    def on_FindCase(self, values: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        """Whether a key is known, as a case or as an addition."""
        for kind in (self.kind, "addition"):
            found = self.ledger.find(kind, str(values["key"]))
            if found is not None:
                return {"found": True, "fileNumber": found["number"]}
        return {"found": False}

    def _event(self, key: str, number: str, kind: str, values: dict[str, Any]) -> None:
        body = {"art": kind, "schluessel": key, "aktenzeichen": number, **values}
        self.tell(key, f"{number}-{kind}-{self.ledger.next('event')}", body)

    def _complete(self, key: str, number: str) -> None:
        self._event(key, number, "vollstaendig", {"am": "2026-11-24", "entscheidung_bis": "2027-02-24"})
        consulted = {
            "stufe": "consultation",
            "text": "Die Brandschutzdienststelle wird beteiligt.",
            "stelle": "Brandschutzdienststelle",
        }
        self._event(key, number, "stand", consulted)
        notice = {
            "ergebnis": "granted",
            "bescheid_vom": "2026-12-14",
            "dokumente": [
                {
                    "name": "Bauschein.pdf",
                    "titel": "Bauschein",
                    "typ": "application/pdf",
                    "inhalt": base64.b64encode(_PDF).decode(),
                }
            ],
        }
        self._event(key, number, "bescheid", notice)
        self._event(key, number, "abgeschlossen", {"am": "2026-12-15", "ergebnis": "granted"})
        self.ledger.change(self.kind, key, state="genehmigt")


class Finance(SoapTwin):
    """Finance application: books each invoice once; cost centre 9999 is unknown to it."""

    name = "finance"
    title = "Finanzwesen (HKR)"
    connector = "finance-soap"
    namespace = "urn:ozg-hub:connector:finance:1"
    wsdl_name = "finance.wsdl"
    kind = "booking"

    def on_PostInvoice(self, values: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        """A booking number a key."""
        key = str(values["key"])
        known = self.ledger.find(self.kind, key)
        if known is not None:
            self.ledger.called(key, "PostInvoice", "again")
            return {"bookingNumber": known["number"], "known": True}
        if values["assignment"].get("costCentre") == "9999":
            self.ledger.called(key, "PostInvoice", "rejected")
            raise SoapFaultError("Client.CostCentre", "Die Kostenstelle 9999 ist unbekannt.")
        number = f"ER-2026-{self.ledger.next('booking'):06d}"
        invoice = values["invoice"]
        title = f"{invoice['number']}: {invoice['total']} {invoice['currency']}"
        self.ledger.record(self.kind, key, number, {"title": title, "state": "gebucht"})
        self.ledger.called(key, "PostInvoice", "created")
        return {"bookingNumber": number, "known": False}

    def on_FindInvoice(self, values: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        """Whether a key is booked."""
        found = self.ledger.find(self.kind, str(values["key"]))
        return {"found": True, "bookingNumber": found["number"]} if found else {"found": False}


def _many(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]
