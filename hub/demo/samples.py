"""The sample applications of the process library, submitted through the real API as a portal would."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import orjson
import typst
import yaml

from hub.kit import paths


@dataclass(frozen=True, slots=True)
class Sample:
    """One sample of a service: its body, generated attachments, and what the caseworkers answer."""

    service: str
    name: str
    title: str
    body: bytes
    media_type: str
    attachments: tuple[tuple[str, bytes], ...]
    people: dict[str, Any]


def samples() -> list[Sample]:
    """All samples, by service and name."""
    found = []
    for path in sorted(paths.process_library().glob("*/samples/*.yaml")):
        told = yaml.safe_load(path.read_text(encoding="utf-8"))
        found.append(
            Sample(
                service=told["service"],
                name=path.stem,
                title=told["title"],
                body=(path.parent / told["body"]).read_bytes(),
                media_type=told["media_type"],
                attachments=tuple(_attachment(path.parent, item) for item in told.get("attachments") or ()),
                people=told.get("people") or {},
            )
        )
    return found


def _attachment(folder: Path, item: dict[str, str]) -> tuple[str, bytes]:
    title = item.get("title", "Anlage")
    name = item.get("name") or title.lower().replace(" ", "-").replace("/", "-") + ".pdf"
    if "file" in item:
        return item["file"], (folder / item["file"]).read_bytes()
    return name, _pdf(title, _size(item["generate"]))


def _size(text: str) -> int:
    number = text.partition("/")[2]
    return int(number[:-2]) * (1024 * 1024 if number.endswith("MB") else 1024)


def _pdf(title: str, size: int) -> bytes:
    """A real PDF of about the size wanted: a page with the title, and random digits attached as if scanned."""
    source = f"""#set document(date: datetime(year: 2026, month: 11, day: 23), title: "{title}")
#pdf.attach("scan.txt", relationship: "supplement", mime-type: "text/plain", description: "Scan")
= {title}
Musteranlage der Demo-Stadt."""
    files: Any = {
        "main.typ": source.encode(),
        "scan.txt": os.urandom(max(1024, size * 10 // 11 - 12_000)).hex().encode(),
    }
    made: bytes = typst.compile(files, format="pdf", pdf_standards=["a-3b"])
    return made


# UBL: the first cbc:ID of the invoice. CII: the ram:ID of ExchangedDocument; the first one in the file is the profile.
_INVOICE_NUMBER = re.compile(rb"(?:\A(?s:.*?)<cbc:ID>|<rsm:ExchangedDocument>\s*<ram:ID>)[^<]+")


def invoice_number_of_its_own(sample: Sample, tag: str) -> bytes:
    """The invoice under a number of this run, so that the second run does not meet its own duplicate."""
    return _INVOICE_NUMBER.sub(rb"\g<0>-" + tag.encode(), sample.body, count=1)


def submit(client: httpx.Client, token: str, sample: Sample, key: str, body: bytes) -> dict[str, Any]:
    """Submit one sample; the receipt. Raises httpx.HTTPStatusError."""
    metadata = orjson.dumps({"service": sample.service, "sender_reference": key})
    files: list[tuple[str, tuple[str, bytes, str]]] = [
        ("metadata", ("metadata.json", metadata, "application/json")),
        ("data", ("antrag", body, sample.media_type)),
    ]
    files += [("attachment", (name, content, "application/pdf")) for name, content in sample.attachments]
    answer = client.post(
        "/api/v1/submissions", files=files, headers={"Authorization": f"Bearer {token}", "Idempotency-Key": key}
    )
    answer.raise_for_status()
    receipt: dict[str, Any] = answer.json()
    return receipt
