"""A portal submits: what it is told, what is kept, and what becomes of it."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import httpx
import orjson
import pytest
from sqlalchemy import func, select

from hub.cases.model import Submission
from hub.intake import refusals
from hub.kit.settings import settings
from tests.intake.conftest import DOG_TAX, INVOICE, PDF, TRADE, Intake, dog_tax, form, sample

DOG = {"service": DOG_TAX}


def test_an_application_is_stored_before_it_is_confirmed(each_intake: Intake, key: str) -> None:
    with each_intake.client() as portal:
        answer = portal.post(
            "/api/v1/submissions",
            headers={"Idempotency-Key": key},
            files=form(
                dog_tax(),
                metadata=DOG | {"sender_reference": "A-17"},
                attachments=[("Plan.pdf", PDF, "application/pdf")],
            ),
        )
        assert answer.status_code == 202, answer.text
        receipt = answer.json()
        assert receipt["state"] == "received"
        assert receipt["problems"] == []
        assert answer.headers["location"] == receipt["status_url"]
        assert each_intake.original(receipt["id"]) == dog_tax()
        assert [(found.role, found.name, found.flag) for found in each_intake.documents(receipt["id"])] == [
            ("original", "antrag.json", None),
            ("attachment", "Plan.pdf", None),
        ]

        each_intake.work()
        case = each_intake.case_of(receipt["id"])
        assert case is not None
        assert (case.state, case.secrecy) == ("open", "tax")
        follow = portal.get(f"/api/v1/submissions/{receipt['id']}")
        assert follow.json()["state"] == "in_progress"
        assert follow.json()["sender_reference"] == "A-17"
        assert follow.json()["cases"][0]["number"] == case.number
        unchanged = portal.get(
            f"/api/v1/submissions/{receipt['id']}", headers={"If-None-Match": follow.headers["etag"]}
        )
        assert unchanged.status_code == 304


def test_the_plain_body_works_too(portal: httpx.Client, intake: Intake) -> None:
    answer = portal.post(
        "/api/v1/submissions",
        params=DOG,
        content=dog_tax(),
        headers={"Content-Type": "application/json; charset=utf-8"},
    )
    assert answer.status_code == 202, answer.text
    assert intake.original(answer.json()["id"]) == dog_tax()
    xml = sample(TRADE, "plain.xml")
    answer = portal.post(
        "/api/v1/submissions", params={"service": TRADE}, content=xml, headers={"Content-Type": "text/xml"}
    )
    assert (answer.status_code, answer.json()["problems"]) == (202, [])


def test_the_legal_receipt_may_be_earlier_than_the_transfer(portal: httpx.Client, intake: Intake) -> None:
    earlier = (datetime.now(UTC) - timedelta(hours=5)).replace(microsecond=0)
    answer = portal.post(
        "/api/v1/submissions",
        content=dog_tax(),
        headers={"Content-Type": "application/json"},
        params=DOG | {"received_at": earlier.isoformat()},
    )
    kept = intake.submission(answer.json()["id"])
    assert (kept.received_at, kept.received_source) == (earlier, "portal")
    assert kept.fetched_at - earlier >= timedelta(hours=5)


def test_ten_equal_submissions_at_once_are_one(each_intake: Intake, key: str) -> None:
    files = form(dog_tax(), metadata=DOG, attachments=[("Plan.pdf", PDF * 2000, "application/pdf")])
    with each_intake.client() as portal, ThreadPoolExecutor(10) as pool:
        before = _blobs()
        answers = list(
            pool.map(
                lambda _: portal.post("/api/v1/submissions", files=files, headers={"Idempotency-Key": key}), range(10)
            )
        )
        assert {answer.status_code for answer in answers} == {202}
        assert len({answer.content for answer in answers}) == 1
        each_intake.work()
        with each_intake.db.read() as session:
            assert (
                session.scalar(select(func.count()).select_from(Submission).where(Submission.idempotency_key == key))
                == 1
            )
        assert each_intake.case_of(answers[0].json()["id"]) is not None
        assert len(_blobs() - before) == 1, "the attachments of the nine others are gone"

        other = portal.post(
            "/api/v1/submissions", headers={"Idempotency-Key": key}, files=form(dog_tax(remark="anders"), metadata=DOG)
        )
        assert (other.status_code, other.json()["code"]) == (409, "idempotency.conflict")
        assert other.json()["submission"] == answers[0].json()["id"]


def test_a_faulty_application_is_received_and_becomes_a_klaerfall(each_intake: Intake) -> None:
    broken = orjson.loads(dog_tax())
    broken.pop(next(iter(broken)))
    with each_intake.client() as portal:
        answer = portal.post("/api/v1/submissions", files=form(orjson.dumps(broken), metadata=DOG))
        assert (answer.status_code, answer.json()["state"]) == (202, "clearing")
        fault = answer.json()["problems"][0]
        assert fault["code"].startswith("schema.")
        assert fault["message"]
        each_intake.work()
        case = each_intake.case_of(answer.json()["id"])
        assert case is not None
        assert (case.state, case.received_at) == ("clearing", datetime.fromisoformat(answer.json()["received_at"]))
        assert [trouble.code for trouble in each_intake.troubles(case.id)] == ["submission.invalid"]
        assert portal.get(f"/api/v1/submissions/{answer.json()['id']}").json()["state"] == "clearing"

        strict = portal.post(
            "/api/v1/submissions",
            files=form(orjson.dumps(broken), metadata=DOG),
            headers={"Prefer": "respond-async, handling=strict"},
        )
        assert (strict.status_code, strict.json()["code"]) == (422, "submission.invalid")
        assert strict.json()["faults"] == answer.json()["problems"]
        assert each_intake.original(strict.json()["submission"]) == orjson.dumps(broken)


def test_an_invoice_comes_as_raw_xml(portal: httpx.Client, intake: Intake, key: str) -> None:
    invoice = sample(INVOICE, "ubl-discount.xml")
    answers = [
        portal.post(
            "/api/v1/invoices", content=invoice, headers={"Content-Type": "application/xml", "Idempotency-Key": key}
        )
        for _ in range(2)
    ]
    assert [answer.status_code for answer in answers] == [202, 202]
    assert answers[0].json() == answers[1].json()
    intake.work()
    case = intake.case_of(answers[0].json()["id"])
    assert case is not None
    assert case.process == INVOICE
    assert intake.submission(answers[0].json()["id"]).channel == "invoice-http"

    pdf = portal.post("/api/v1/invoices", content=PDF, headers={"Content-Type": "application/pdf"})
    assert (pdf.status_code, pdf.json()["code"]) == (415, "invoice.pdf")
    other = portal.post("/api/v1/invoices", content=sample(TRADE, "plain.xml"), headers={"Content-Type": "text/xml"})
    assert (other.status_code, other.json()["state"]) == (202, "clearing"), "whoever sent it, a person looks at it"


def test_nothing_personal_is_readable_in_the_database_or_on_the_disk(each_intake: Intake) -> None:
    canary = "Zwetschgenkanarienvogel"
    body = dog_tax()
    name = next(value for value in _texts(orjson.loads(body)) if value == "Mustermann")
    body = body.replace(name.encode(), canary.encode())
    broken = orjson.dumps({"wrong": canary})
    large = orjson.dumps({"wrong": canary, "fill": "x" * 200_000})
    with each_intake.client() as portal:
        attachment = (f"{canary}.pdf", PDF + b"%" + canary.encode(), "application/pdf")
        files = form(body, metadata=DOG, attachments=[attachment])
        answers = [portal.post("/api/v1/submissions", files=files)]
        answers += [portal.post("/api/v1/submissions", files=form(data, metadata=DOG)) for data in (broken, large)]
        answers += [portal.post("/api/v1/submissions", files=form(canary.encode(), metadata=DOG))]
    assert [answer.status_code for answer in answers] == [202, 202, 202, 400]
    each_intake.work()
    assert canary.encode() in (each_intake.original(answers[0].json()["id"]) or b"")
    for path in settings().data.rglob("*"):
        assert not path.is_file() or canary.encode() not in path.read_bytes(), path
    assert canary not in _whole_database(each_intake)


def test_what_a_withdrawn_connection_had_sent_is_gone(intake: Intake, portal: httpx.Client) -> None:
    before, count = _blobs(), intake.count()

    def half() -> object:
        yield (
            b'--x\r\nContent-Disposition: form-data; name="attachment"; filename="a.pdf"\r\n'
            b"Content-Type: application/pdf\r\n\r\n" + PDF
        )
        for _ in range(48):
            yield b"%" * 65_536
        raise ConnectionAbortedError

    with pytest.raises(ConnectionAbortedError):
        portal.post(
            "/api/v1/submissions",
            content=half(),  # type: ignore[arg-type]
            headers={"Content-Type": "multipart/form-data; boundary=x"},
        )
    end = time.monotonic() + 10
    while _drafts() and time.monotonic() < end:
        time.sleep(0.02)
    assert _drafts() == set()
    assert _blobs() == before
    assert intake.count() == count


def test_metadata_and_services_for_the_portal(portal: httpx.Client, intake: Intake) -> None:
    found = {item["process"]: item for item in portal.get("/api/v1/services").json()["items"]}
    assert len(found) == 5
    with intake.client("dog-portal") as narrow:
        assert [item["service"] for item in narrow.get("/api/v1/services").json()["items"]] == [DOG_TAX]
    schema = portal.get(f"/api/v1/services/{DOG_TAX}/schema").json()
    assert schema["$schema"].endswith("2020-12/schema")


def test_nobody_sees_the_submissions_of_others(portal: httpx.Client, intake: Intake) -> None:
    mine = portal.post("/api/v1/submissions", files=form(dog_tax(), metadata=DOG)).json()["id"]
    with intake.client("dog-portal") as other:
        answer = other.get(f"/api/v1/submissions/{mine}")
    assert (answer.status_code, answer.json()["code"]) == (404, "submission.unknown")


def _texts(value: object) -> list[str]:
    if isinstance(value, dict):
        return [text for item in value.values() for text in _texts(item)]
    if isinstance(value, list):
        return [text for item in value for text in _texts(item)]
    return [value] if isinstance(value, str) else []


def _blobs() -> set[str]:
    root: Path = settings().data / "blobs"
    return {path.name for path in root.glob("??/??/*")}


def _drafts() -> set[str]:
    return {path.name for path in (settings().data / "blobs" / "draft").glob("*")}


def _whole_database(intake: Intake) -> str:
    from hub.tables import metadata

    with intake.db.read() as session:
        return "\n".join(str(session.execute(table.select()).all()) for table in metadata.sorted_tables)


def test_refused_originals_are_destroyed_after_a_month_but_stay_listed(intake: Intake, portal: httpx.Client) -> None:
    answers = [
        portal.post(
            "/api/v1/submissions", params=DOG, content=b"[" * 60_000, headers={"Content-Type": "application/json"}
        ).json()
        for _ in range(2)
    ]
    old, fresh = (answer["submission"] for answer in answers)
    with intake.db.write() as session:
        session.get_one(Submission, UUID(old)).fetched_at -= refusals.WINDOW + timedelta(days=1)
    blobs = len(_blobs())
    refusals.forget(intake.db)
    assert intake.original(old) is None
    assert intake.original(fresh) == b"[" * 60_000
    assert len(_blobs()) == blobs - 1
    assert intake.submission(old).state == "refused"
