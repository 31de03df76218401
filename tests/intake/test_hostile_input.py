"""Bad input over a real socket: each kind gets its own clear answer, costs no memory, and the next one is served."""

from __future__ import annotations

import io
import socket
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
import orjson
import pytest

from tests.intake.conftest import BUILDING, DOG_TAX, INVOICE, PDF, RETIRED, TRADE, Intake, dog_tax, form, sample

MEGABYTE = 2**20
XML = "application/xml"
DOG, SHOP = {"service": DOG_TAX}, {"service": TRADE}
LIMIT = 20 * MEGABYTE
FLAT = 90 * MEGABYTE  # a refused 20 MB document may pass through memory a few times, but nothing multiplies


def shop() -> bytes:
    return sample(TRADE, "plain.xml")


def entity_bomb() -> bytes:
    levels = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10))
    return f'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY a0 "haha">{levels}]><a>&a9;</a>'.encode()


def external_entity() -> bytes:
    return b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>'


def many_attributes() -> bytes:
    return b"<a " + b" ".join(b'a%d="1"' % n for n in range(100_000)) + b"/>"


def zip_bomb() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("a.txt", "w") as entry:
        for _ in range(64):
            entry.write(bytes(MEGABYTE))
    return out.getvalue()


def attached(content: bytes, name: str, media_type: str, service: str = DOG_TAX) -> Callable[[], dict[str, Any]]:
    return lambda: {"files": form(dog_tax(), metadata={"service": service}, attachments=[(name, content, media_type)])}


def raw(make: Callable[[], bytes] | bytes, media_type: str, service: str | None = TRADE, **params: str) -> Any:
    def build() -> dict[str, Any]:
        return {
            "content": make if isinstance(make, bytes) else make(),
            "headers": {"Content-Type": media_type},
            "params": ({"service": service} if service else {}) | params,
        }

    return build


def multipart(body: bytes, boundary: str = "x") -> Callable[[], dict[str, Any]]:
    return lambda: {"content": body, "headers": {"Content-Type": f"multipart/form-data; boundary={boundary}"}}


def part(name: str, content: bytes, extra: bytes = b"") -> bytes:
    head = f'--x\r\nContent-Disposition: form-data; name="{name}"\r\n'.encode()
    return head + extra + b"\r\n" + content + b"\r\n"


@dataclass(frozen=True)
class Bad:
    """What is sent, and what the sender is told about it."""

    send: Callable[[], dict[str, Any]]
    status: int
    code: str
    place: str | int | None = None  # a path, or a line, that the answer must name
    kept: bool = True  # there is an original, and it is kept
    listed: bool = True  # the refusal is listed for the department
    client: str = "portal"
    headers: dict[str, str] = field(default_factory=dict)


JSON = "application/json"
BAD = {
    "truncated XML": Bad(raw(lambda: shop()[:-40], XML), 400, "xml.truncated"),
    "entity bomb": Bad(raw(entity_bomb, XML), 400, "xml.dtd", 1),
    "external entity": Bad(raw(external_entity, XML), 400, "xml.dtd", 1),
    "Latin-1 called UTF-8": Bad(
        raw(lambda: shop().replace("ü".encode(), b"\xfc", 1).replace(b"Fahrrad", b"F\xe4rrad"), XML),
        400,
        "xml.encoding",
    ),
    "UTF-16 that is none": Bad(raw(b'<?xml version="1.0" encoding="UTF-16"?><a/>', XML), 400, "xml.encoding", 1),
    "JSON in Latin-1": Bad(raw('{"straße": 1}'.encode("latin-1"), JSON, DOG_TAX), 400, "json.encoding", 1),
    "100,000 attributes": Bad(raw(many_attributes, XML), 400, "xml.attributes"),
    "a text node of 10 MB": Bad(raw(lambda: b"<a>" + b"x" * (10 * MEGABYTE) + b"</a>", XML), 400, "xml.text"),
    "XML nested 10,000 deep": Bad(raw(b"<a>" * 10_000 + b"</a>" * 10_000, XML), 400, "xml.depth"),
    "JSON nested 10,000 deep": Bad(raw(b'{"a":' * 10_000 + b"1" + b"}" * 10_000, JSON, DOG_TAX), 400, "json.depth"),
    "JSON that ends too early": Bad(raw(dog_tax()[:-30], JSON, DOG_TAX), 400, "json.truncated"),
    "JSON with a doubled key": Bad(raw(b'{"a": 1, "a": 2}', JSON, DOG_TAX), 400, "json.duplicate-key", 1),
    "JSON with a million values": Bad(raw(lambda: b"[" + b"1," * 1_000_000 + b"1]", JSON, DOG_TAX), 400, "json.nodes"),
    "no JSON at all": Bad(raw(b"hello", JSON, DOG_TAX), 400, "json.syntax", 1),
    "0 bytes": Bad(raw(b"", JSON, DOG_TAX), 400, "body.empty", kept=False),
    "0 bytes in a form": Bad(lambda: {"files": form(b"", metadata=DOG)}, 400, "body.empty", kept=False),
    "over the limit": Bad(raw(lambda: b'"' + b"x" * LIMIT + b'"', JSON, DOG_TAX), 413, "body.too-large", kept=False),
    "over the limit in a form": Bad(
        lambda: {"files": form(b"x" * (LIMIT + 1), metadata=DOG)}, 413, "body.too-large", kept=False
    ),
    "metadata over the limit": Bad(
        lambda: {"files": form(dog_tax(), metadata=b'"' + b"x" * 70_000 + b'"')}, 413, "body.too-large", kept=False
    ),
    "wrong media type": Bad(raw(shop(), XML, DOG_TAX), 415, "media-type.unsupported"),
    "no media type": Bad(raw(dog_tax(), "", DOG_TAX), 415, "media-type.unsupported"),
    "a compressed body": Bad(
        lambda: {
            "content": zlib.compress(dog_tax()),
            "params": DOG,
            "headers": {"Content-Type": JSON, "Content-Encoding": "deflate"},
        },
        415,
        "encoding.unsupported",
        kept=False,
        listed=False,
    ),
    "unknown service": Bad(raw(dog_tax(), JSON, "99999999999999"), 404, "service.unknown", "/service"),
    "no service": Bad(raw(dog_tax(), JSON, None), 400, "service.missing", "/service"),
    "unknown kind": Bad(raw(dog_tax(), JSON, DOG_TAX, kind="wish"), 400, "kind.unknown", "/kind"),
    "a supplement to nothing": Bad(raw(dog_tax(), JSON, DOG_TAX, kind="supplement"), 400, "case.missing", "/case"),
    "a supplement to an unknown case": Bad(
        raw(dog_tax(), JSON, DOG_TAX, kind="supplement", case="V-0"), 404, "case.unknown", "/case"
    ),
    "retired schema version": Bad(
        raw(dog_tax(**{"$schema": RETIRED}), JSON, DOG_TAX), 422, "schema.retired", "/$schema"
    ),
    "retired schema version in the metadata": Bad(
        raw(dog_tax(), JSON, DOG_TAX, schema=RETIRED), 422, "schema.retired", "/$schema"
    ),
    "receipt in the future": Bad(
        raw(dog_tax(), JSON, DOG_TAX, received_at="2199-01-01T00:00:00+01:00"),
        400,
        "metadata.received-at",
        "/received_at",
    ),
    "receipt without a zone": Bad(
        raw(dog_tax(), JSON, DOG_TAX, received_at="2026-01-01T00:00:00"), 400, "metadata.received-at", "/received_at"
    ),
    "unknown metadata": Bad(raw(dog_tax(), JSON, DOG_TAX, colour="red"), 400, "metadata.unknown", "/colour"),
    "metadata of another type": Bad(
        lambda: {"files": form(dog_tax(), metadata={"service": 17})}, 400, "metadata.type", "/service"
    ),
    "missing metadata": Bad(lambda: {"files": form(dog_tax())}, 400, "metadata.missing"),
    "metadata that is no JSON": Bad(lambda: {"files": form(dog_tax(), metadata=b"{service")}, 400, "json.syntax", 1),
    "broken form": Bad(multipart(part("data", dog_tax())[:-20]), 400, "form.broken", kept=False),
    "form without an end": Bad(multipart(part("metadata", b"{}") + part("data", dog_tax())), 400, "form.broken"),
    "form with another boundary": Bad(multipart(part("data", b"{}"), "y"), 400, "form.broken", kept=False),
    "form without a boundary": Bad(
        lambda: {"content": b"x", "headers": {"Content-Type": "multipart/form-data"}}, 400, "form.broken", kept=False
    ),
    "form with endless headers": Bad(
        multipart(part("data", b"{}", b"X-A: " + b"a" * 99_000 + b"\r\n")), 400, "form.broken", kept=False
    ),
    "unknown part": Bad(multipart(part("photo", b"{}") + b"--x--\r\n"), 400, "form.unknown-part", kept=False),
    "data twice": Bad(multipart(part("data", b"{}") + part("data", b"[]") + b"--x--\r\n"), 400, "form.duplicate-part"),
    "too many parts": Bad(multipart(part("attachment", b"%PDF-1.7") * 61), 413, "attachment.too-many", kept=False),
    "a PDF that is none": Bad(
        attached(b"MZ\x90\x00" + bytes(500), "Plan.pdf", "application/pdf"), 400, "media.mismatch", "/attachments/0"
    ),
    "a web page called PDF": Bad(
        attached(b"<html><script>1</script></html>", "Plan.pdf", "application/pdf"),
        400,
        "media.mismatch",
        "/attachments/0",
    ),
    "an empty attachment": Bad(attached(b"", "Plan.pdf", "application/pdf"), 400, "attachment.empty", "/attachments/0"),
    "a ZIP bomb": Bad(attached(zip_bomb(), "a.zip", "application/zip"), 415, "attachment.media-type", "/attachments/0"),
    "a ZIP bomb called PDF": Bad(
        attached(zip_bomb(), "a.pdf", "application/pdf"), 400, "media.mismatch", "/attachments/0"
    ),
    "an attachment over the limit": Bad(
        attached(PDF + bytes(LIMIT + 1) + PDF, "a.pdf", "application/pdf"),
        413,
        "attachment.too-large",
        "/attachments/0",
    ),
    "somebody else's service": Bad(
        raw(dog_tax(), JSON, DOG_TAX), 403, "oauth.insufficient_scope", client="trade-portal"
    ),
    "idempotency key too short": Bad(
        raw(dog_tax(), JSON, DOG_TAX),
        400,
        "idempotency.malformed",
        kept=False,
        listed=False,
        headers={"Idempotency-Key": "1"},
    ),
    "a truncated invoice": Bad(
        raw(lambda: sample(INVOICE, "ubl-discount.xml")[:-300], XML, INVOICE), 400, "xml.truncated"
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_refused_clearly(intake: Intake, portal: httpx.Client, name: str) -> None:
    bad = BAD[name]
    request = bad.send()
    headers = {"Idempotency-Key": f"key of {name}"} | request.pop("headers", {}) | bad.headers
    before = intake.memory()
    with intake.client(bad.client) as client:
        answer = client.post("/api/v1/submissions", headers=headers, **request)
    told = answer.json()
    assert (answer.status_code, told["code"]) == (bad.status, bad.code), told
    assert answer.headers["content-type"] == "application/problem+json"
    assert told["title"]
    assert told["detail"]
    if bad.place is not None:
        fault = told["faults"][0]
        assert bad.place in (fault["path"], fault["line"]), told
    assert intake.memory() - before < FLAT
    assert ("submission" in told) is bad.listed
    if bad.kept:
        kept = intake.submission(told["submission"])
        assert (kept.state, kept.idempotency_key) == ("refused", None)
        assert intake.original(told["submission"]), "sealed, for whoever looks into it"
    good = portal.post(
        "/api/v1/submissions", files=form(dog_tax(), metadata=DOG), headers={"Idempotency-Key": f"key of {name}"}
    )
    assert good.status_code == 202, "the next one is served, and the key is free again"


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Basic cG9ydGFsOng=",
        "Bearer",
        "Bearer x",
        "Bearer " + "x" * 5000,
        "Bearer eyJhbGciOiJub25lIn0.eyJ0ZW4iOiJ3b3JtcyIsInN1YiI6InBvcnRhbCIsImV4cCI6OTk5OTk5OTk5OX0.",
    ],
)
def test_without_a_valid_token_nothing_is_read(intake: Intake, authorization: str | None) -> None:
    headers = {"Content-Type": "application/json"} | ({"Authorization": authorization} if authorization else {})
    for path in ("/api/v1/submissions", "/api/v1/invoices"):
        answer = httpx.post(f"{intake.address}{path}", content=dog_tax(), params=DOG, headers=headers)
        assert answer.status_code == 401
        assert answer.json()["code"].startswith("oauth.")
        assert "www-authenticate" in answer.headers


def test_a_token_of_yesterday_or_of_somebody_else_is_refused(intake: Intake) -> None:
    from hub.identity import service

    for key, tenant, seconds in ((bytes(32), "worms", 3600), (None, "worms", -5)):
        real = _signing_key()
        token = service.issue_token(key or real, tenant, "portal", issuer="x") if seconds > 0 else _expired(real)
        answer = httpx.post(
            f"{intake.address}/api/v1/submissions",
            content=dog_tax(),
            params=DOG,
            headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
        )
        assert answer.status_code == 401, answer.text


def _signing_key() -> bytes:
    from hub.cases import vault

    return vault.ring().derived("oauth access token")


def _expired(key: bytes) -> str:
    from joserfc import jwt
    from joserfc.jwk import OctKey

    return jwt.encode({"alg": "HS256"}, {"ten": "worms", "sub": "portal", "exp": 1}, OctKey.import_key(key))


def test_large_plans_pass_through_in_flat_memory(intake: Intake, portal: httpx.Client) -> None:
    """120 MB of attachments, as an architect sends them; they are examined by a job before the case is opened."""
    plan = PDF + b"%" + bytes(40 * MEGABYTE) + PDF
    files = form(
        sample(BUILDING, "house.json"),
        metadata={"service": BUILDING},
        attachments=[(f"Plan {n}.pdf", plan, "application/pdf") for n in range(3)],
    )
    before = intake.memory()
    answer = portal.post("/api/v1/submissions", files=files)
    assert answer.status_code == 202, answer.text
    assert intake.memory() - before < 60 * MEGABYTE
    assert intake.case_of(answer.json()["id"]) is None
    intake.work()
    assert intake.case_of(answer.json()["id"]) is not None


def test_a_request_that_stops_in_the_middle_blocks_nobody(intake: Intake, portal: httpx.Client) -> None:
    host, port = intake.address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as slow:
        slow.sendall(
            f"POST /api/v1/submissions?service={DOG_TAX} HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n"
            f"Content-Type: application/json\r\nAuthorization: Bearer {intake.token()}\r\n\r\n{{".encode()
        )
        assert portal.post("/api/v1/submissions", files=form(dog_tax(), metadata=DOG)).status_code == 202


def test_a_hundred_hostile_ones_in_a_row_leave_no_trace_in_memory(intake: Intake, portal: httpx.Client) -> None:
    bodies = [entity_bomb(), b'{"a":' * 10_000, many_attributes(), orjson.dumps("x" * MEGABYTE)]
    for body in bodies:
        portal.post("/api/v1/submissions", params=SHOP, content=body, headers={"Content-Type": XML})
    before = intake.memory()
    for number in range(100):
        answer = portal.post(
            "/api/v1/submissions", params=SHOP, content=bodies[number % len(bodies)], headers={"Content-Type": XML}
        )
        assert answer.status_code == 400
    assert intake.memory() - before < 12 * MEGABYTE
