"""Klärfälle and Störungen: what each choice does, and that nothing looks finished that is not."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import insert, select

from hub.cases import content, troubles, vault
from hub.cases.model import Case, CaseEvent, Effect, Submission, Trouble
from hub.clearing import acts, service
from hub.delivery.model import Delivery, DeliveryStep, InboundMessage
from hub.intake import status
from hub.jobs.model import JobRow
from hub.kit import keys
from hub.kit.clock import now
from hub.kit.database import new_id
from tests.inbox.conftest import BOTH_DATABASES, PARKING, TENANT, Office, changed, parking


def item(office: Office, **wanted: Any) -> Trouble:
    with office.db.read() as session:
        return session.scalars(select(Trouble).filter_by(**wanted)).one()


def act(office: Office, trouble: Trouble, choice: str, who: str = "plain", **texts: str) -> int:
    return office.sign_in(who).post(f"/clearing/{trouble.id}", {"choice": choice} | texts).status_code


def events(office: Office, case: Case) -> list[CaseEvent]:
    with office.db.read() as session:
        return list(session.scalars(select(CaseEvent).where(CaseEvent.case_id == case.id).order_by(CaseEvent.id)))


def jobs_of(office: Office, key: object) -> list[str]:
    with office.db.read() as session:
        return list(session.scalars(select(JobRow.kind).where(JobRow.key == str(key), JobRow.state == "waiting")))


@pytest.fixture
def faulty(office: Office) -> Case:
    """An application that breaks its schema: accepted, with its receipt time, but not running."""
    receipt = office.submit(PARKING, changed(parking(), F99000000999="nicht vorgesehen"))
    office.work()
    return office.case(receipt)


@pytest.fixture
def stuck(office: Office, permit: Case) -> tuple[Case, Effect]:
    """A case whose delivery waits for a person: sent, and nobody knows whether it arrived."""
    effect = Effect(
        id=new_id(),
        tenant_id=TENANT,
        case_id=permit.id,
        wait="w-1",
        kind="delivery",
        element="request_payment",
        name="Zahlung anfordern",
        state="open",
        created_at=now(),
        spec={"connector": "payment", "operation": "request-payment", "variables": []},
    )
    with office.db.write() as session:
        session.add(effect)
        session.flush()
        session.add(
            Delivery(
                id=effect.id,
                tenant_id=TENANT,
                case_id=permit.id,
                instance="pay",
                instance_version=1,
                connector="parking-payment-rest",
                operation="request-payment",
                state="waiting",
                tries=1,
                created_at=now(),
            )
        )
        session.add(
            DeliveryStep(
                delivery_id=effect.id, step="create", tenant_id=TENANT, position=0, state="unknown", started_at=now()
            )
        )
        troubles.open_trouble(
            session,
            tenant=TENANT,
            kind=troubles.KLAERFALL,
            code="delivery.unknown",
            title="Ausgang unbekannt",
            message="Bitte nachsehen.",
            dedupe=f"effect:{effect.id}",
            choices=("delivered", "repeat", "retry"),
            case_id=permit.id,
            effect_id=effect.id,
            department=permit.department,
        )
    return permit, effect


@BOTH_DATABASES
def test_a_faulty_application_is_accepted_and_starts(office: Office, faulty: Case) -> None:
    assert faulty.state == "clearing"
    trouble = item(office, case_id=faulty.id)
    page = office.sign_in("plain").get(f"/clearing/{trouble.id}").text
    assert "Gefundene Fehler" in page
    assert act(office, trouble, "accept") == 303
    office.work()
    assert office.task(faulty).name == "Antrag prüfen und entscheiden"
    assert item(office, id=trouble.id).solution == "accepted"
    assert act(office, trouble, "accept") == 409


@BOTH_DATABASES
def test_a_faulty_application_goes_back_and_stays_open(office: Office, faulty: Case) -> None:
    trouble = item(office, case_id=faulty.id)
    assert act(office, trouble, "return") == 422
    text = "Frau Beispiel, bitte nennen Sie das Kennzeichen."
    assert act(office, trouble, "return", **{"text-return": text}) == 303
    (told,) = (event for event in events(office, faulty) if event.kind == "returned")
    assert told.public
    assert told.summary == "Bitte berichtigen oder ergänzen Sie Ihren Antrag."
    assert told.body is not None
    assert b"Kennzeichen" not in told.body
    assert ("plain", "case.returned") in office.audited(faulty.id)
    assert text in office.sign_in("plain").get(f"/cases/{faulty.number}").text, "who may read the case reads it"
    trace = office.sign_in("operator").get(f"/cases/{faulty.number}/trace").text
    assert told.summary in trace
    assert "Kennzeichen" not in trace, "IT sees that it went back, not what was written"
    assert item(office, id=trouble.id).state == "open"
    assert "Zur Berichtigung zurückgegeben" in office.sign_in("plain").get("/clearing").text


def test_the_applicant_reads_why_it_came_back_unless_protected(office: Office, faulty: Case) -> None:
    trouble = item(office, case_id=faulty.id)
    text = "Bitte nennen Sie das Kennzeichen."
    assert act(office, trouble, "return", **{"text-return": text}) == 303

    def told() -> list[dict[str, Any]]:
        with office.db.read() as session:
            submission = session.scalars(select(Submission.id)).one()
            (case,) = status.of_submission(session, TENANT, "portal", submission)["cases"]
        return [event for event in case["events"] if event["kind"] == "returned"]

    assert [event["message"] for event in told()] == [text]
    with office.db.read() as session:
        submission = session.scalars(select(Submission.id)).one()
    assert text in office.visitor().get(f"/s/{submission}.{status.token(submission)}").text
    office.change(faulty, protected_person=True)
    assert ["message" in event for event in told()] == [False]


def test_a_faulty_application_is_closed_with_its_receipt_kept(office: Office, faulty: Case) -> None:
    assert act(office, item(office, case_id=faulty.id), "close") == 303
    with office.db.read() as session:
        case = session.get_one(Case, faulty.id)
        assert (case.state, case.outcome) == ("closed", "closed_in_clearing")
        assert case.received_at == faulty.received_at
        assert session.scalars(select(Submission.state)).all() == ["accepted"]
    assert [event.public for event in events(office, faulty) if event.kind == "closed"] == [True]
    assert ("plain", "case.closed") in office.audited(faulty.id)


@BOTH_DATABASES
def test_delivered_after_looking_into_the_target(office: Office, stuck: tuple[Case, Effect]) -> None:
    case, effect = stuck
    trouble = item(office, effect_id=effect.id)
    assert act(office, trouble, "delivered") == 303
    with office.db.read() as session:
        done = session.get_one(Effect, effect.id)
        assert (done.state, done.outcome, done.done_by) == ("done", "delivered", "plain")
        assert session.get_one(Delivery, effect.id).state == "delivered"
    assert "processing.advance" in jobs_of(office, case.id)
    assert item(office, id=trouble.id).state == "solved"


@BOTH_DATABASES
def test_repeat_after_looking_into_the_target(office: Office, stuck: tuple[Case, Effect]) -> None:
    _, effect = stuck
    trouble = item(office, effect_id=effect.id)
    assert act(office, trouble, "repeat") == 303
    assert jobs_of(office, effect.id) == ["delivery.send"]
    with office.db.read() as session:
        assert session.scalars(select(DeliveryStep)).all() == []  # may be begun again
    assert item(office, id=trouble.id).state == "open", "solved by the success, not by the click"


def test_retry_starts_what_the_effect_asked_for(office: Office, stuck: tuple[Case, Effect]) -> None:
    case, effect = stuck
    assert act(office, item(office, effect_id=effect.id), "retry") == 303
    assert jobs_of(office, effect.id) == ["delivery.send"]
    with office.db.write() as session:
        row = session.get_one(Effect, effect.id)
        row.spec = {"connector": "dms", "operation": "file"}
        session.query(JobRow).filter(JobRow.key == str(effect.id)).delete()
    assert act(office, item(office, effect_id=effect.id), "retry") == 303
    assert jobs_of(office, effect.id) == ["records.file"]
    with office.db.write() as session:
        session.get_one(Effect, effect.id).state = "done"
    assert act(office, item(office, effect_id=effect.id), "retry") == 409
    assert case.number


@BOTH_DATABASES
def test_an_unmatched_message_is_assigned_or_discarded(office: Office, permit: Case) -> None:
    for name, choice in (("first", "assign"), ("second", "discard")):
        message = _message(office, name)
        trouble = item(office, dedupe=f"inbound:{message}")
        page = office.sign_in("plain").get(f"/clearing/{trouble.id}").text
        assert "0815" in page
        assert "Geheimer Wortlaut" not in page
        if choice == "assign":
            assert act(office, trouble, choice, **{"text-assign": "V-2222-2222-2"}) == 422
        assert act(office, trouble, choice, **{"text-assign": permit.number}) == 303
        office.work()
        with office.db.read() as session:
            row = session.get_one(InboundMessage, message)
        assert (row.state, row.case_id) == (("done", permit.id) if choice == "assign" else ("discarded", None))
        assert item(office, id=trouble.id).state == "solved"
    assert any(event.kind == "status" for event in events(office, permit))


def _message(office: Office, name: str) -> UUID:
    with office.db.write() as session:
        key_id, key = keys.create(session, vault.ring(), TENANT)
        body = {"match": {"file_number": "0815"}, "payload": {"text": "Geheimer Wortlaut"}, "documents": []}
        message = new_id()
        session.execute(
            insert(InboundMessage).values(
                id=message,
                tenant_id=TENANT,
                instance="pay",
                sender_key=name,
                event="status",
                state="unmatched",
                data_key_id=key_id,
                body=content.seal_json(key, body),
                received_at=now(),
            )
        )
        troubles.open_trouble(
            session,
            tenant=TENANT,
            kind=troubles.KLAERFALL,
            code="inbound.unmatched",
            title="Meldung ohne Vorgang",
            message="Bitte ordnen Sie es zu.",
            dedupe=f"inbound:{message}",
            choices=("assign", "discard"),
            detail={"inbound": str(message), "event": "status"},
        )
    return message


def test_a_message_cannot_be_assigned_to_a_case_one_may_not_see(office: Office, permit: Case) -> None:
    office.change(permit, secrecy="youth")
    trouble = item(office, dedupe=f"inbound:{_message(office, 'm')}")
    assert act(office, trouble, "assign", **{"text-assign": permit.number}) == 422


def test_a_failed_job_is_started_again(office: Office) -> None:
    job = new_id()
    with office.db.write() as session:
        session.add(
            JobRow(
                id=job,
                tenant_id=TENANT,
                kind="notices.create",
                key="k",
                lane="normal",
                state="failed",
                due=now(),
                attempts=2,
                expiries=0,
                announced=0,
                created_at=now(),
            )
        )
        troubles.open_trouble(
            session,
            tenant=TENANT,
            kind=troubles.STOERUNG,
            code="job.failed",
            title="Gescheitert",
            message="KeyError",
            dedupe=f"job:{job}",
            choices=("retry-job",),
            detail={"job": str(job)},
        )
    trouble = item(office, dedupe=f"job:{job}")
    assert act(office, trouble, "retry-job") == 404  # IT's business
    assert act(office, trouble, "retry-job", who="operator") == 303
    with office.db.read() as session:
        assert session.get_one(JobRow, job).state == "waiting"


def test_only_offered_choices_count(office: Office, faulty: Case) -> None:
    assert act(office, item(office, case_id=faulty.id), "delivered") == 422
    assert act(office, item(office, case_id=faulty.id), "nonsense") == 422


def test_every_choice_of_the_hub_has_an_act() -> None:
    assert set(service.CHOICES) == set(acts._ACTS)
