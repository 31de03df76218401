"""The pages around the work: signing in, unforgeable forms, status for applicants, trace, overview, errors."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import select

from hub.cases.model import Case, CaseEvent, Submission
from hub.insight import service as insight
from hub.intake import status
from hub.kit.problems import Problem
from hub.kit.settings import Stage, settings
from tests.inbox.conftest import BOTH_DATABASES, PARKING, Office


def test_signing_in_and_out(office: Office, permit: Case) -> None:
    visitor = office.visitor()
    assert visitor.get(f"/cases/{permit.number}").headers["location"] == f"/login?next=%2Fcases%2F{permit.number}"
    token = re.search(r'name="csrf" value="([0-9a-f]+)"', visitor.get("/login").text)
    assert token
    wrong = visitor.post("/login", data={"csrf": token.group(1), "login": "plain", "password": "no"})
    assert wrong.status_code == 401
    assert "stimmen nicht" in wrong.text
    right = visitor.post(
        "/login", data={"csrf": token.group(1), "login": " PLAIN ", "password": "demo", "next": "https://evil.example"}
    )
    assert right.headers["location"] == "/"
    cookie = right.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    browser = office.sign_in("plain")
    assert browser.post("/logout").headers["location"] == "/login"
    assert browser.get("/").status_code == 303
    assert ("plain", "session.refused") in office.audited("plain")


def test_a_form_needs_the_token_of_its_session(office: Office, permit: Case) -> None:
    task = office.task(permit)
    mine, other = office.sign_in("plain"), office.sign_in("second")
    for token in ("", "0" * 64, other.token()):
        answer = mine.post(f"/tasks/{task.id}/claim", csrf=token)
        assert answer.status_code == 403
        assert "abgelaufen" in answer.text
    foreign = mine.post(f"/tasks/{task.id}/claim", headers={"sec-fetch-site": "cross-site"})
    assert foreign.status_code == 403
    assert office.task(permit).claimed_by is None


def test_pages_allow_nothing_inline_and_nothing_from_elsewhere(office: Office, permit: Case) -> None:
    browser = office.sign_in("plain")
    for address in (
        "/login",
        "/",
        "/cases",
        f"/cases/{permit.number}",
        f"/cases/{permit.number}/trace",
        "/clearing",
        "/overview",
        "/refused",
        "/api/docs",
        "/nowhere",
    ):
        page = browser.get(address)
        policy = page.headers["content-security-policy"]
        assert "default-src 'self'" in policy
        assert "unsafe" not in policy
        assert page.headers["cache-control"] == "no-store"
        assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=|src=\"(?:https?:)?//", page.text), (
            address
        )
        assert "missing" not in re.findall(r"\?v=(\w+)", page.text), address
        assert page.text.count("<h1") == 1, address


def test_demo_accounts_are_named_only_in_the_demo(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "Zugänge der Demo" not in office.visitor().get("/login").text
    monkeypatch.setattr("hub.identity.pages.settings", lambda: settings().model_copy(update={"stage": Stage.DEMO}))
    page = office.visitor().get("/login").text
    assert "Zugänge der Demo" in page
    assert "cleared-protected" in page


def test_errors_are_german_pages_for_people_and_problems_for_programs(office: Office) -> None:
    page = office.visitor().get("/nowhere")
    assert page.status_code == 404
    assert "Nicht gefunden" in page.text
    assert '<html lang="de">' in page.text
    problem = office.visitor().get("/nowhere", headers={"accept": "application/json"})
    assert problem.headers["content-type"] == "application/problem+json"


def test_an_applicant_sees_the_own_status_and_nobody_elses(office: Office, permit: Case) -> None:
    with office.db.read() as session:
        submission = session.scalars(select(Submission.id)).one()
    address = f"/s/{submission}.{status.token(submission)}"
    page = office.visitor().get(address)
    assert page.status_code == 200
    assert "Ihr Antrag ist eingegangen" in page.text
    assert permit.number in page.text
    assert page.headers["referrer-policy"] == "no-referrer"
    for wrong in (f"/s/{submission}.{'0' * 32}", f"/s/{submission}", "/s/nonsense"):
        assert office.visitor().get(wrong).status_code == 404
    office.change(permit, protected_person=True)
    assert office.visitor().get(address).status_code == 404


def test_refused_submissions_are_listed_for_the_department(office: Office) -> None:
    with pytest.raises(Problem):
        office.submit(PARKING, b"{broken")
    with pytest.raises(Problem):
        office.submit("99999999999999", b"{}")
    assert "Bewohnerparkausweis" in office.sign_in("plain").get("/refused").text
    elsewhere = office.sign_in("elsewhere").get("/refused").text
    assert "Bewohnerparkausweis" not in elsewhere
    assert "99999999999999" in elsewhere, "what names no known service concerns everybody"
    assert office.sign_in("auditor").get("/refused").status_code == 403


@BOTH_DATABASES
def test_the_trace_tells_everything_but_content(office: Office, permit: Case) -> None:
    office.sign_in("plain").get(f"/cases/{permit.number}")
    with office.db.read() as session:
        case = insight.find(session, permit.tenant_id, permit.number.lower())
        assert case is not None
        found = insight.trace(session, case)
        text = insight.as_text(found)
        assert insight.find(session, permit.tenant_id, str(permit.id)) is not None
        assert insight.find(session, permit.tenant_id, "V-2222-2222-2") is None
        kinds = session.scalars(
            select(CaseEvent.kind).where(CaseEvent.case_id == permit.id).order_by(CaseEvent.id)
        ).all()
    assert [event["kind"] for event in found["events"]] == kinds
    assert {"received", "process.started"} <= set(kinds)
    assert "check" in {wait["element"] for wait in found["waiting"]}
    assert [entry["action"] for entry in found["audit"]][-1] == "case.read"
    assert permit.number in text
    marks = office.sign_in("plain").get(f"/cases/{permit.number}/process.json").json()
    assert "check" in marks["now"]
    assert {"received", "zone", "fee"} <= set(marks["done"])


@BOTH_DATABASES
def test_the_overview_counts_only_what_one_may_see(office: Office, permit: Case) -> None:
    def shown(name: str) -> str:
        page = office.sign_in(name).get("/overview").text
        found = re.search(r"laufende Vorgänge</dt><dd>(\d+)", page)
        assert found
        return found.group(1)

    assert (shown("plain"), shown("elsewhere"), shown("operator")) == ("1", "0", "1")
    office.change(permit, protected_person=True)
    assert (shown("plain"), shown("operator"), shown("cleared-protected")) == ("0", "0", "1")


@BOTH_DATABASES
def test_lists_are_read_page_by_page(office: Office, permit: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = {permit.number} | {office.submit_permit().number for _ in range(4)}
    monkeypatch.setattr("hub.inbox.pages.PAGE_SIZE", 2)
    for start in ("/", "/cases"):
        seen: list[str] = []
        address: str | None = start
        while address:
            page = office.sign_in("plain").get(address).text
            seen += re.findall(r'class="sub number">(V-[\w-]+)', page)
            more = re.search(r'class="more"><a[^>]* href="([^"]+)"', page)
            address = more.group(1).replace("&amp;", "&") if more else None
        assert sorted(seen) == sorted(numbers), start


def test_the_api_describes_itself_truthfully(office: Office) -> None:
    visitor = office.visitor()
    page = visitor.get("/api/docs").text
    assert "Antrag einreichen" in page
    assert "Successful" not in page
    described = visitor.get("/api/openapi.json").json()
    for path, methods in described["paths"].items():
        for operation in methods.values():
            assert operation["summary"] in page
            assert ("security" in operation) is (path.startswith("/api/v1/") and "inbound" not in path), path
            for code, answer in operation["responses"].items():
                assert ("application/problem+json" in answer.get("content", {})) is (int(code) >= 400), (path, code)
