"""What far systems send on their own: webhooks with proof of origin, files in an outbox."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from connectors import InboundEvent, InboundRefused, Instance, find, golden, match_event, sign, verify, waiting
from connectors.conformance import deliver, instance_of
from connectors.contract import Manifest
from connectors.twins import BuildingApp, Payment, TradeRegister

LIBRARY = find()


def sample(manifest: Manifest, operation: str) -> golden.Sample:
    return next(s for s in golden.samples(manifest) if s.operation == operation)


@pytest.fixture
def mailbox() -> Iterator[tuple[str, list[tuple[bytes, dict[str, str]]]]]:
    """A web server that keeps every message and takes the first one only at the second try."""
    got: list[tuple[bytes, dict[str, str]]] = []
    refused = threading.Event()

    class Box(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers["Content-Length"]))
            if refused.is_set():
                got.append((raw, dict(self.headers)))
            self.send_response(204 if refused.is_set() else 500)
            refused.set()
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Box)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/", got
    server.shutdown()


def until(condition, seconds: float = 15.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def test_the_building_application_leads_and_tells(mailbox) -> None:
    url, got = mailbox
    manifest = LIBRARY["building-app-soap"]
    twin = BuildingApp(callback=url, pace_s=0.01)
    with twin.running():
        instance = instance_of(manifest, twin)
        number = deliver(manifest, sample(manifest, "create-case"), instance).saved["file_number"]
        until(lambda: len(got) >= 5)
    events: list[InboundEvent] = []
    for raw, headers in got:
        verify(instance, raw, headers)
        events += match_event(manifest, raw, headers)
    assert [event.event for event in events] == ["number", "complete-confirmed", "status", "notice", "closed"]
    assert {event.match["file_number"] for event in events} == {number}
    assert len({event.key for event in events}) == 5
    assert events[3].documents[0].content.startswith(b"%PDF")


def test_a_message_without_valid_proof_is_refused() -> None:
    manifest = LIBRARY["parking-payment-rest"]
    instance = Instance("p", 1, manifest, {"endpoint": "http://x", "webhook_secret": "s"})
    raw = b'{"art": "bezahlt"}'
    cases = {
        "signature.missing": {},
        "signature.old": sign("s", raw, now=time.time() - 3600),
        "signature.wrong": sign("other", raw),
    }
    for code, headers in cases.items():
        with pytest.raises(InboundRefused) as refused:
            verify(instance, raw, headers)
        assert refused.value.code == code
    verify(instance, raw, sign("s", raw))


@pytest.mark.parametrize("raw", [b"", b"<a", b"{", b'<!DOCTYPE a [<!ENTITY e "x">]><a>&e;</a>', b"[" * 10_000])
def test_an_unreadable_message_is_refused(raw: bytes) -> None:
    with pytest.raises(InboundRefused) as refused:
        match_event(LIBRARY["trade-register-sftp"], raw, {})
    assert refused.value.code == "body.unreadable"


def test_a_message_of_no_known_kind_is_refused() -> None:
    with pytest.raises(InboundRefused) as refused:
        match_event(LIBRARY["parking-payment-rest"], b'{"art": "gruss", "id": "1"}', {})
    assert refused.value.code == "event.unknown"


def test_a_payment_is_reported_even_twice(mailbox) -> None:
    url, got = mailbox
    manifest = LIBRARY["parking-payment-rest"]
    twin = Payment(callback=url, pace_s=0.01)
    twin.switch({"answer_twice": True})
    with twin.running():
        done = deliver(manifest, sample(manifest, "request-payment"), instance_of(manifest, twin))
        until(lambda: len(got) >= 1 and not twin.ledger.unsent())
    events = [event for raw, headers in got for event in match_event(manifest, raw, headers)]
    assert {event.key for event in events} == {f"{done.saved['payment_reference']}-bezahlt"}
    assert events[0].payload["paid_amount"] == 61


def test_the_register_leaves_number_and_completion_in_its_outbox(tmp_path) -> None:
    manifest = LIBRARY["trade-register-sftp"]
    twin = TradeRegister(tmp_path, pace_s=0.01)
    with twin.running():
        instance = instance_of(manifest, twin)
        handed = deliver(manifest, sample(manifest, "hand-over"), instance)
        assert handed.kind == "handed-over"
        assert manifest.operation("hand-over").expects is not None
        until(lambda: len(list((twin.root / "ausgang").glob("*.xml"))) == 2)
        files = list(waiting(instance))
        events = {event.event: event for file in files for event in match_event(manifest, file.raw, {})}
        assert events["number"].payload["register_number"] == "GR-2026-000001"
        assert events["closed"].payload["distributed"] is True
        assert len(list(waiting(instance))) == 2, "nothing is taken away before it is acknowledged"
        for file in files:
            file.acknowledge()
        assert not list(waiting(instance))
