"""Who sees what: every page, document and form, for each secrecy class and for protected persons.

What somebody may not see does not exist for them: the same 404 as for a number that was never given.
"""

from __future__ import annotations

from uuid import uuid4

import pytest

from hub.cases import troubles
from hub.cases.model import Case
from tests.inbox.conftest import BOTH_DATABASES, TENANT, Browser, Office

NOWHERE = "V-2222-2222-2"


def content_addresses(office: Office, case: Case) -> list[str]:
    """Every address that shows something of the case's content."""
    document = office.document(case)
    return [
        f"/cases/{case.number}",
        f"/cases/{case.number}/documents/{document}",
        f"/cases/{case.number}/documents/{document}?download",
    ]


def trace_addresses(case: Case) -> list[str]:
    return [f"/cases/{case.number}/trace", f"/cases/{case.number}/process.bpmn", f"/cases/{case.number}/process.json"]


def forms_of(office: Office, case: Case) -> list[str]:
    task = office.task(case)
    return [f"/tasks/{task.id}/claim", f"/tasks/{task.id}/release", f"/tasks/{task.id}/fields", f"/tasks/{task.id}"]


def assert_sees(browser: Browser, office: Office, case: Case) -> None:
    for address in content_addresses(office, case) + trace_addresses(case):
        assert browser.get(address).status_code == 200, address
    assert case.number in browser.get("/").text
    assert case.number in browser.get("/cases").text
    assert browser.get(f"/cases?q={case.number}").headers["location"] == f"/cases/{case.number}"
    for address in forms_of(office, case)[:3]:
        assert browser.post(address).status_code in {200, 303}, address


def assert_sees_nothing(browser: Browser, office: Office, case: Case, *, trace: bool = False) -> None:
    unknown = browser.get(f"/cases/{NOWHERE}")
    assert unknown.status_code == 404
    hidden = content_addresses(office, case) + ([] if trace else trace_addresses(case))
    for address in hidden:
        answer = browser.get(address)
        assert answer.status_code == 404, address
        assert plain(answer.text) == plain(unknown.text), address
        assert "Musterweg" not in answer.text
    for address in forms_of(office, case):
        answer = browser.post(address, {"f_decision": "grant"})
        assert answer.status_code == 404, address
        assert case.number not in answer.text
    lists = ["/", "/?whose=all", "/cases", "/cases?state=closed"] + ([] if trace else [f"/cases?q={case.number}"])
    for address in lists:
        answer = browser.get(address, follow_redirects=True)
        assert case.number not in answer.text.replace(f"„{case.number}“", ""), address
    assert office.task(case).claimed_by is None


def plain(page: str) -> str:
    """A page without what differs in every answer."""
    return "\n".join(line for line in page.splitlines() if "csrf" not in line)


def test_the_department_reads_general_cases_and_nobody_else(office: Office, permit: Case) -> None:
    assert_sees_nothing(office.sign_in("elsewhere"), office, permit)
    assert_sees_nothing(office.sign_in("owner-only"), office, permit)
    assert_sees(office.sign_in("plain"), office, permit)


@pytest.mark.parametrize("secrecy", ["tax", "social", "youth", "personnel"])
def test_a_secrecy_class_needs_its_clearance(office: Office, permit: Case, secrecy: str) -> None:
    case = office.change(permit, secrecy=secrecy)
    wrong = "cleared-social" if secrecy == "tax" else "cleared-tax"
    for name in ("plain", wrong, "cleared-protected", "elsewhere"):
        assert_sees_nothing(office.sign_in(name), office, case)
    assert_sees(office.sign_in(f"cleared-{secrecy}"), office, case)


@BOTH_DATABASES
def test_protected_persons_are_seen_only_with_a_release(office: Office, permit: Case) -> None:
    case = office.change(permit, protected_person=True)
    for name in ("plain", "cleared-tax", "elsewhere", "operator", "auditor"):
        assert_sees_nothing(office.sign_in(name), office, case)
    assert_sees(office.sign_in("cleared-protected"), office, case)


def test_a_protected_person_with_a_secrecy_class_needs_both(office: Office, permit: Case) -> None:
    case = office.change(permit, protected_person=True, secrecy="youth")
    for name in ("cleared-youth", "cleared-protected"):
        assert_sees_nothing(office.sign_in(name), office, case)


def test_another_tenant_sees_nothing(office: Office, permit: Case) -> None:
    case = office.change(permit, tenant_id="elsewhere")
    browser = office.sign_in("plain")
    assert browser.get(f"/cases/{case.number}").status_code == 404
    assert case.number not in browser.get("/cases").text


@pytest.mark.parametrize("name", ["operator", "auditor"])
def test_it_and_auditors_see_the_course_without_content(office: Office, permit: Case, name: str) -> None:
    browser = office.sign_in(name)
    assert_sees_nothing(browser, office, permit, trace=True)
    page = browser.get(f"/cases/{permit.number}/trace")
    assert page.status_code == 200
    assert "ohne Inhalte" in page.text
    assert "Beispiel" not in page.text  # neither title nor applicant
    for address in trace_addresses(permit):
        assert browser.get(address).status_code == 200


@pytest.mark.parametrize(
    ("values", "blind", "sighted"),
    [
        ({"secrecy": "social"}, "plain", "cleared-social"),
        ({"protected_person": True}, "plain", "cleared-protected"),
        ({}, "elsewhere", "plain"),
    ],
)
def test_klaerfaelle_follow_the_same_rule(
    office: Office, permit: Case, values: dict[str, object], blind: str, sighted: str
) -> None:
    case = office.change(permit, **values)
    with office.db.write() as session:
        troubles.open_trouble(
            session,
            tenant=TENANT,
            kind=troubles.KLAERFALL,
            code="delivery.rejected",
            title="Abgelehnt: Musterweg",
            message="Bitte klären.",
            dedupe="x",
            choices=("noted",),
            case_id=case.id,
            department=case.department,
        )
    seen = office.sign_in(sighted).get("/clearing")
    assert "Abgelehnt: Musterweg" in seen.text
    address = seen.text.split('href="/clearing/')[1].split('"')[0]
    for name in (blind, "operator"):
        browser = office.sign_in(name)
        assert "Musterweg" not in browser.get("/clearing?kind=klaerfall").text
        assert browser.get(f"/clearing/{address}").status_code == 404
        assert browser.post(f"/clearing/{address}", {"choice": "noted"}).status_code == 404
    assert office.sign_in(sighted).get(f"/clearing/{address}").status_code == 200


def test_it_sees_stoerungen_but_not_those_of_protected_persons(office: Office, permit: Case) -> None:
    with office.db.write() as session:
        troubles.open_trouble(
            session,
            tenant=TENANT,
            kind=troubles.STOERUNG,
            code="delivery.transient",
            title="Ziel nicht erreichbar",
            message="Seit fünf Versuchen.",
            dedupe="y",
            choices=("retry",),
            case_id=permit.id,
        )
    browser = office.sign_in("operator")
    assert "Ziel nicht erreichbar" in browser.get("/clearing").text
    office.change(permit, protected_person=True)
    assert "Ziel nicht erreichbar" not in browser.get("/clearing").text
    assert "Ziel nicht erreichbar" in office.sign_in("cleared-protected").get("/clearing?kind=stoerung").text


def test_reading_is_audited(office: Office, permit: Case) -> None:
    document = office.document(permit)
    browser = office.sign_in("plain")
    browser.get(f"/cases/{permit.number}")
    browser.get(f"/cases/{permit.number}/documents/{document}")
    browser.get(f"/cases/{permit.number}/trace")
    assert [entry for entry in office.audited(permit.id) if entry[0] == "plain"] == [
        ("plain", "case.read"),
        ("plain", "document.read"),
        ("plain", "case.trace-read"),
    ]


def test_without_signing_in_there_is_only_the_sign_in_page(office: Office, permit: Case) -> None:
    visitor = office.visitor()
    addresses = [
        "/",
        "/cases",
        "/clearing",
        "/overview",
        "/refused",
        *content_addresses(office, permit),
        *trace_addresses(permit),
        f"/clearing/{uuid4()}",
    ]
    for address in addresses:
        answer = visitor.get(address)
        assert answer.status_code == 303, address
        assert answer.headers["location"].startswith("/login"), address
    for address in forms_of(office, permit):
        assert visitor.post(address, data={"csrf": "x"}).status_code in {303, 403}, address


def test_a_suspicious_document_is_never_shown(office: Office, permit: Case) -> None:
    document = office.document(permit, flag="malware")
    browser = office.sign_in("plain")
    assert "auffällige Datei" in browser.get(f"/cases/{permit.number}").text
    answer = browser.get(f"/cases/{permit.number}/documents/{document}")
    assert answer.status_code == 403
    assert b"%PDF" not in answer.content


def test_documents_cannot_run_anything_here(office: Office, permit: Case) -> None:
    page = office.document(permit, b"<script>alert(1)</script>", "text/html")
    plan = office.document(permit)
    browser = office.sign_in("plain")
    answer = browser.get(f"/cases/{permit.number}/documents/{page}")
    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.headers["content-type"] == "application/octet-stream"
    assert "sandbox" in answer.headers["content-security-policy"]
    answer = browser.get(f"/cases/{permit.number}/documents/{plan}")
    assert answer.headers["content-disposition"].startswith("inline")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "script-src 'none'" in answer.headers["content-security-policy"]


def test_a_document_of_another_case_is_not_found_through_this_one(office: Office, permit: Case) -> None:
    other = office.submit_permit()
    document = office.document(other)
    assert office.sign_in("plain").get(f"/cases/{permit.number}/documents/{document}").status_code == 404
