"""Applications as a portal sends them: every one of another person, with a PDF of its own."""

from __future__ import annotations

import random
from functools import lru_cache

import orjson

from tests.harness.installation import BUILDING, DOG_TAX
from tests.harness.programs import CHECKOUT

BOUNDARY = "a-part-of-this-application-ends-here"
_SURNAME = b"Musterfrau-Beispielhausen"
_NAMES = ("Erika", "Friederike", "Gisela", "Hanne", "Ilse", "Jutta", "Karla", "Lotte")


@lru_cache(maxsize=4)
def _sample(process: str, name: str) -> bytes:
    """The compact JSON of a sample of the process library."""
    path = CHECKOUT / "process-library" / process / "samples" / f"{name}.json"
    return orjson.dumps(orjson.loads(path.read_bytes()), option=orjson.OPT_INDENT_2)


@lru_cache(maxsize=4)
def _scan(kilobytes: int) -> bytes:
    """The objects of a PDF of about this size whose content does not compress, as scans do not."""
    filling = random.Random(7).randbytes(kilobytes * 1024 - 600).replace(b"/", b"-")
    return b"".join(
        (
            b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n",
            b"2 0 obj<</Type/Pages/Kids[4 0 R]/Count 1>>endobj\n",
            b"4 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]>>endobj\n",
            b"3 0 obj<</Length %d>>stream\n" % len(filling),
            filling,
            b"\nendstream endobj\n",
        )
    )


def pdf(kilobytes: int, number: int) -> bytes:
    """A PDF with one empty page of about this size that differs from that of any other number."""
    body = _scan(kilobytes) + b"%% application %d\n" % number
    places = [body.index(b"%d 0 obj" % each) for each in range(1, 5)]
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    head = b"xref\n0 5\n0000000000 65535 f \n"
    return body + head + table + b"trailer<</Size 5/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % len(body)


def dog_tax(number: int, *, kilobytes: int = 200) -> bytes:
    """The multipart body of dog tax application ``number``: 20 KB JSON that runs through unchecked, one PDF."""
    surname = f"Musterfrau-{_NAMES[number % len(_NAMES)]}{number}".encode()
    data = _sample(DOG_TAX, "bench").replace(_SURNAME, surname)
    return form(DOG_TAX, f"dog-tax-{number}", data, pdf(kilobytes, number))


def building(number: int) -> bytes:
    """The multipart body of an application for a building permit."""
    return form(BUILDING, f"building-{number}", _sample(BUILDING, "house"), pdf(50, number))


def form(service: str, reference: str, data: bytes, document: bytes, name: str = "nachweise.pdf") -> bytes:
    """A multipart/form-data body with metadata, data and one attachment, separated by :data:`BOUNDARY`."""
    metadata = orjson.dumps({"service": service, "sender_reference": reference})
    line = f"--{BOUNDARY}\r\nContent-Disposition: form-data; name=".encode()
    return b"".join(
        (
            line + b'"metadata"\r\nContent-Type: application/json\r\n\r\n' + metadata + b"\r\n",
            line + b'"data"; filename="antrag.json"\r\nContent-Type: application/json\r\n\r\n' + data + b"\r\n",
            line + f'"attachment"; filename="{name}"\r\nContent-Type: application/pdf\r\n\r\n'.encode(),
            document,
            f"\r\n--{BOUNDARY}--\r\n".encode(),
        )
    )
