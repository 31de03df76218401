"""Twins that speak REST: dog tax, payment and the demo portal."""

from __future__ import annotations

import hashlib
from typing import Any, ClassVar

import httpx

from connectors.contract import InboundRefused
from connectors.inbound import sign
from connectors.twins.twin import Request, Response, Twin, answer


class DogTax(Twin):
    """Tax application: one case a key, a Kassenzeichen for it and a tag number for each dog."""

    name = "dog-tax"
    title = "Hundesteuer (Fachanwendung)"
    connector = "dog-tax-rest"

    def handle(self, request: Request) -> Response:
        """``POST /api/v1/steuerfaelle`` (multipart) and ``GET /api/v1/steuerfaelle/{key}``."""
        if request.path == "/api/v1/status":
            return answer(200, {"bereit": True})
        if request.method == "GET":
            key = request.path.rpartition("/")[2]
            found = self.ledger.find(self.kind, key)
            return answer(200, found["answer"]) if found else answer(404, {"grund": "unbekannt"})
        return self._create(request)

    def _create(self, request: Request) -> Response:
        parts = request.parts()
        message = next((content for name, content in parts if name == "message"), b"{}")
        files = [content for name, content in parts if name == "file"]
        key = request.key
        digest = hashlib.sha256(message).hexdigest()
        known = self.ledger.find(self.kind, key)
        if known is not None:
            self.ledger.called(key, "create", "again")
            if known["digest"] != digest:
                return answer(409, {"grund": "abweichender-inhalt"})
            return answer(409, {"grund": "bereits-vorhanden", **known["answer"]})
        values = _json(message)
        fault = self._fault(values)
        if fault is not None:
            self.ledger.called(key, "create", "rejected")
            return answer(422, fault)
        result = self._result(values)
        self.ledger.record(
            self.kind,
            key,
            result["kassenzeichen"],
            {
                "title": f"{len(values['hunde'])} Hund(e), {len(files)} Anlage(n)",
                "state": "festgesetzt",
                "answer": result,
                "digest": digest,
                "files": [len(content) for content in files],
            },
        )
        self.ledger.called(key, "create", "created")
        return answer(201, result)

    def _fault(self, values: Any) -> dict[str, str] | None:
        if self.faults.take("reject"):
            return {"feld": "/hunde/0", "meldung": self.faults.reject_text}
        if not values.get("halter", {}).get("nachname"):
            return {"feld": "/halter/nachname", "meldung": "Der Nachname der haltenden Person fehlt."}
        if not values.get("hunde"):
            return {"feld": "/hunde", "meldung": "Es ist kein Hund angegeben."}
        return None

    def _result(self, values: dict[str, Any]) -> dict[str, Any]:
        number = f"HS-2026-{self.ledger.next('kassenzeichen'):06d}"
        dogs = [
            {"rufname": dog.get("rufname"), "markennummer": f"{self.ledger.next('marke'):05d}"}
            for dog in values["hunde"]
        ]
        return {"kassenzeichen": number, "hunde": dogs}


class Payment(Twin):
    """Payment system: a reference for each request, and a message once it is paid."""

    name = "payment"
    title = "Bezahlsystem"
    connector = "parking-payment-rest"
    kind = "payment"

    def handle(self, request: Request) -> Response:
        """``POST /api/zahlungen`` and ``GET /api/zahlungen/{key}``."""
        if request.method == "GET":
            found = self.ledger.find(self.kind, request.path.rpartition("/")[2])
            return answer(200, found["answer"]) if found else answer(404)
        key = request.key
        known = self.ledger.find(self.kind, key)
        if known is not None:
            self.ledger.called(key, "request", "again")
            return answer(200, known["answer"])
        values = _json(request.body)
        if self.faults.take("reject") or float(values.get("betrag", 0)) <= 0:
            self.ledger.called(key, "request", "rejected")
            return answer(422, {"meldung": "Der Betrag muss größer als 0 sein."})
        reference = f"ZP{self.ledger.next('reference'):010d}"
        result = {"zahlungsreferenz": reference, "bezahlseite": f"{self.address}/bezahlen/{reference}"}
        body = {"title": f"{values['betrag']} EUR", "state": "offen", "answer": result}
        self.ledger.record(self.kind, key, reference, body)
        self.ledger.called(key, "request", "created")
        self.tell(
            key,
            f"{reference}-bezahlt",
            {
                "art": "bezahlt",
                "schluessel": key,
                "zahlungsreferenz": reference,
                "bezahlt_am": "2026-11-23",
                "betrag": values["betrag"],
            },
        )
        return answer(201, result)


class Portal(Twin):
    """The portal: takes signed messages, refuses others, and may fetch the status resource they name."""

    name = "portal"
    title = "Online-Portal"
    connector = "portal-webhook"
    kind = "message"
    tolerance_s: ClassVar[int] = 300

    def handle(self, request: Request) -> Response:
        """``POST /api/nachrichten``."""
        key = request.key
        try:
            _proof(self.webhook_secret, request)
        except InboundRefused as error:
            self.ledger.called(key, "push", error.code)
            return answer(401, {"code": error.code})
        if self.faults.take("reject"):
            self.ledger.called(key, "push", "rejected")
            return answer(422, {"meldung": self.faults.reject_text})
        event = _json(request.body)
        data = event.get("data") or {}
        status = data.get("status_url")
        new = self.ledger.record(
            self.kind,
            key,
            str(event.get("id", key)),
            {
                "title": str(event.get("type", "")),
                "state": str(data.get("state", "")),
                "status_url": status,
                "event": event,
            },
        )
        self.ledger.called(key, "push", "created" if new else "again")
        return answer(202 if new else 200, {"empfangen": True})

    def fetch_status(self, key: str, headers: dict[str, str] | None = None) -> Any:
        """What the status resource named in a message says."""
        url = self.records[key]["status_url"]
        return httpx.get(url, headers=headers, timeout=10, trust_env=False).json()


def _proof(secret: str, request: Request) -> None:
    stamp = request.headers.get("webhook-timestamp", "")
    if not stamp.isdigit():
        raise InboundRefused("signature.missing", "")
    if sign(secret, request.body, now=float(stamp))["Webhook-Signature"] != request.headers.get("webhook-signature"):
        raise InboundRefused("signature.wrong", "")


def _json(raw: bytes) -> Any:
    import orjson

    return orjson.loads(raw)
