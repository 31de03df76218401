"""Applications as a portal sends them: every one of another person, with a PDF of its own."""

from __future__ import annotations

import random
from functools import lru_cache
from pathlib import Path

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
def pdf(kilobytes: int, seed: int = 7) -> bytes:
    """A PDF of about this size whose content does not compress, as scans do not."""
    head = b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[]/Count 0>>endobj\n"
    filling = random.Random(seed).randbytes(kilobytes * 1024 - len(head) - 60)
    return head + b"3 0 obj<<>>stream\n" + filling + b"\nendstream endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"


def dog_tax(number: int, *, kilobytes: int = 200) -> bytes:
    """The multipart body of dog tax application ``number``: 20 KB JSON that runs through unchecked, one PDF."""
    surname = f"Musterfrau-{_NAMES[number % len(_NAMES)]}{number}".encode()
    document = pdf(kilobytes) + f"% {number}\n".encode()
    return form(DOG_TAX, f"dog-tax-{number}", _sample(DOG_TAX, "bench").replace(_SURNAME, surname), document)


def building(number: int) -> bytes:
    """The multipart body of an application for a building permit."""
    return form(BUILDING, f"building-{number}", _sample(BUILDING, "house"), pdf(50) + f"% {number}\n".encode())


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
