"""Claiming and deciding: once, by the right person, with answers the process can use."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import select, update

from hub.cases import content, vault
from hub.cases.model import Case, CaseEvent, Effect
from tests.inbox.conftest import BOTH_DATABASES, DOG_TAX, INVOICE, Office, sample

GRANT = {
    "f_residence_confirmed": "true",
    "f_vehicle_confirmed": "true",
    "f_use_proven": "own",
    "f_remark": "Meldedaten geprüft",
    "f_decision": "grant",
}


def effects(office: Office, case: Case) -> list[Effect]:
    with office.db.read() as session:
        return list(session.scalars(select(Effect).where(Effect.case_id == case.id).order_by(Effect.created_at)))


@BOTH_DATABASES
def test_a_caseworker_claims_reads_and_decides(office: Office, permit: Case) -> None:
    task, browser = office.task(permit), office.sign_in("plain")
    listed = browser.get("/").text
    assert "Antrag prüfen und entscheiden" in listed
    assert "noch frei" not in browser.get("/?whose=mine").text
    answer = browser.post(f"/tasks/{task.id}/claim")
    assert answer.headers["location"] == f"/cases/{permit.number}#task-{task.id}"
    assert permit.number in browser.get("/?whose=mine").text
    page = browser.get(f"/cases/{permit.number}").text
    for text in ("bei mir", "Das hat der Hub festgestellt", "Zone und Stelle bestimmen", "§ 75 VwGO", "Erteilen"):
        assert text in page
    assert "{" not in page.split('id="application"')[1].split("</section>")[0]  # a reading view, never raw JSON
    answer = browser.post(f"/tasks/{task.id}", GRANT)
    assert answer.headers["location"] == f"/cases/{permit.number}"
    office.work()
    done = next(item for item in effects(office, permit) if item.id == task.id)
    assert (done.state, done.done_by, done.outcome) == ("done", "plain", "grant")
    assert any(item.element == "request_payment" for item in effects(office, permit)), "the process went on"
    with office.db.read() as session:
        answers = content.get_data(session, permit.id, vault.key(session, permit.data_key_id))["check"]
    assert answers["decision"] == "grant"
    assert answers["residence_confirmed"] is True
    page = browser.get(f"/cases/{permit.number}").text
    assert "Bisherige Entscheidungen" in page
    assert "Meldedaten geprüft" in page
    assert "Person plain" in page
    assert ("plain", "task.done") in office.audited(permit.id)


def test_the_remark_of_a_decision_is_stored_sealed(office: Office, permit: Case) -> None:
    office.sign_in("plain").post(f"/tasks/{office.task(permit).id}", GRANT)
    with office.db.read() as session:
        event = session.scalars(
            select(CaseEvent).where(CaseEvent.case_id == permit.id, CaseEvent.kind == "task.done")
        ).one()
    assert event.body
    assert b"Meldedaten" not in event.body
    assert "Meldedaten" not in event.summary + str(event.detail)


def test_a_task_is_completed_once(office: Office, permit: Case) -> None:
    task, browser = office.task(permit), office.sign_in("plain")
    assert browser.post(f"/tasks/{task.id}", GRANT).status_code == 303
    again = browser.post(f"/tasks/{task.id}", GRANT | {"f_decision": "refuse"})
    assert again.status_code == 409
    assert "schon erledigt" in again.text
    assert "nicht noch einmal gespeichert" in again.text


@BOTH_DATABASES
def test_of_two_at_the_same_time_exactly_one_decides(office: Office, permit: Case) -> None:
    task = office.task(permit)
    people = [office.sign_in("plain"), office.sign_in("second")]
    tokens = [person.token() for person in people]
    with ThreadPoolExecutor(2) as pool:
        answers = list(
            pool.map(
                lambda pair: pair[0].post(f"/tasks/{task.id}", GRANT, csrf=pair[1]), zip(people, tokens, strict=True)
            )
        )
    assert sorted(answer.status_code for answer in answers) == [303, 409]


def test_what_somebody_has_claimed_others_cannot_decide_but_take_over(office: Office, permit: Case) -> None:
    task, first, second = office.task(permit), office.sign_in("plain"), office.sign_in("second")
    first.post(f"/tasks/{task.id}/claim")
    assert permit.number not in second.get("/").text
    assert "bei Person plain" in second.get("/?whose=all").text
    for address in (f"/tasks/{task.id}/claim", f"/tasks/{task.id}"):
        answer = second.post(address, GRANT)
        assert answer.status_code == 409
        assert "Person plain" in answer.text
    assert second.post(f"/tasks/{task.id}/release").status_code == 409
    assert second.post(f"/tasks/{task.id}/claim", {"over": "yes"}).status_code == 303
    assert second.post(f"/tasks/{task.id}", GRANT).status_code == 303


def test_a_released_task_is_free_again(office: Office, permit: Case) -> None:
    task, browser = office.task(permit), office.sign_in("plain")
    browser.post(f"/tasks/{task.id}/claim")
    browser.post(f"/tasks/{task.id}/release")
    assert office.task(permit).claimed_by is None


def test_claiming_by_htmx_answers_with_the_row(office: Office, permit: Case) -> None:
    task, browser = office.task(permit), office.sign_in("plain")
    answer = browser.post(f"/tasks/{task.id}/claim", {"back": "/"}, headers={"hx-request": "true"})
    assert answer.status_code == 200
    assert answer.text.lstrip().startswith("<tr")
    assert "bei mir" in answer.text
    filtered = browser.get("/?whose=mine", headers={"hx-request": "true", "hx-target": "task-list"})
    assert filtered.text.lstrip().startswith('<div id="task-list"')


def test_four_eyes(office: Office, permit: Case) -> None:
    task = office.task(permit)
    with office.db.write() as session:
        session.execute(update(Effect).where(Effect.id == task.id).values(spec=task.spec | {"not_by": ["first_look"]}))
        session.add(
            Effect(
                tenant_id=permit.tenant_id,
                case_id=permit.id,
                wait="before",
                kind="user-task",
                element="first_look",
                name="Erste Prüfung",
                state="done",
                spec={"form": "check"},
                done_by="plain",
                created_at=task.created_at,
                done_at=task.created_at,
            )
        )
    first, second = office.sign_in("plain"), office.sign_in("second")
    assert "Vier-Augen-Prinzip" in first.get(f"/cases/{permit.number}").text
    for address in (f"/tasks/{task.id}/claim", f"/tasks/{task.id}"):
        answer = first.post(address, GRANT)
        assert answer.status_code == 403
        assert "zweite Person" in answer.text
    assert second.post(f"/tasks/{task.id}", GRANT).status_code == 303


def test_a_task_of_another_role_is_shown_but_not_done(office: Office, permit: Case) -> None:
    task = office.task(permit)
    with office.db.write() as session:
        session.execute(update(Effect).where(Effect.id == task.id).values(role="process_owner"))
    browser = office.sign_in("plain")
    assert permit.number not in browser.get("/?whose=all").text
    assert "Prozessverantwortung" in browser.get(f"/cases/{permit.number}").text
    assert browser.post(f"/tasks/{task.id}", GRANT).status_code == 403


def test_a_task_in_another_department_opens_its_case_there(office: Office, permit: Case) -> None:
    task = office.task(permit)
    with office.db.write() as session:
        session.execute(update(Effect).where(Effect.id == task.id).values(department="bauaufsicht"))
    browser = office.sign_in("elsewhere")
    assert permit.number in browser.get("/").text
    assert browser.get(f"/cases/{permit.number}").status_code == 200
    assert browser.post(f"/tasks/{task.id}", GRANT).status_code == 303
    assert browser.get(f"/cases/{permit.number}").status_code == 404


def test_faults_come_back_with_what_was_typed(office: Office, permit: Case) -> None:
    browser = office.sign_in("plain")
    answer = browser.post(f"/tasks/{office.task(permit).id}", {"f_remark": "bleibt <stehen>", "f_decision": "grant"})
    assert answer.status_code == 422
    assert "Bitte prüfen Sie Ihre Eingaben" in answer.text
    assert "bleibt &lt;stehen&gt;" in answer.text
    assert office.task(permit).state == "open"


def test_questions_appear_when_they_matter(office: Office) -> None:
    receipt = office.submit(DOG_TAX, sample(DOG_TAX, "exemption.json"))
    office.work()
    case = office.change(office.case(receipt), department="kommunale-steuern")
    browser, task = office.sign_in("second"), office.task(case)
    assert "Befristet bis" not in browser.get(f"/cases/{case.number}").text
    fields = browser.post(
        f"/tasks/{task.id}/fields", {"f_exemption_decision": "granted"}, headers={"hx-request": "true"}
    )
    assert "Befristet bis" in fields.text
    without_script = browser.post(f"/tasks/{task.id}", {"f_exemption_decision": "granted", "refresh": "yes"})
    assert without_script.status_code == 200
    assert "Befristet bis" in without_script.text
    assert office.task(case).state == "open"


def test_what_came_later_is_shown(office: Office, permit: Case) -> None:
    office.submit(
        permit.process,
        b'{"nachricht": "Die Zulassung ist beigef\xc3\xbcgt", "seiten": 3}',
        kind="supplement",
        case=permit.number,
    )
    office.work()
    page = office.sign_in("plain").get(f"/cases/{permit.number}").text
    assert "Nachgereicht am" in page
    assert "Die Zulassung ist beigefügt" in page
    assert "nachricht&#34;" not in page


def test_the_form_speaks_of_this_case(office: Office, permit: Case) -> None:
    parking = office.sign_in("plain").get(f"/cases/{permit.number}").text
    assert re.search(r"Betrag: \d+,\d\d\b", parking), "findings carry the labels of the decision table"
    assert "Amount" not in parking
    receipt = office.submit(INVOICE, sample(INVOICE, "ubl-discount.xml"), media_type="application/xml")
    office.work()
    case = office.change(office.case(receipt), department="finanzen")
    task = office.task(case)
    with office.db.write() as session:
        session.execute(update(Effect).where(Effect.id == task.id).values(department="finanzen"))
    page = office.sign_in("plain").get(f"/cases/{case.number}").text
    assert "Rechnung RE-2026-1187 von" in page
    assert "{=" not in page
