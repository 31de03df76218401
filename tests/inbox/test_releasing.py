"""A withheld attachment turns out harmless: the department releases it, with a reason, and is told what it missed."""

from __future__ import annotations

from uuid import UUID

import pytest
from sqlalchemy import select

from hub.audit.model import AuditEntry
from hub.cases.model import Case, CaseEvent, Document, Effect, Trouble
from hub.delivery import message
from hub.delivery.model import Delivery
from hub.intake import attachments
from hub.kit.clock import now
from hub.kit.database import new_id
from tests.inbox.conftest import BOTH_DATABASES, PARKING, TENANT, Office, parking

REASON = "Herr Beispiel hat das Kennwort am Telefon genannt, der Inhalt ist ein Mietvertrag."


@pytest.fixture
def case(office: Office) -> Case:
    receipt = office.submit(PARKING, parking())
    office.work()
    return office.case(receipt)


def withhold(office: Office, case: Case, *names_and_flags: tuple[str, str]) -> tuple[Trouble, list[UUID]]:
    """Attachments of the application that intake found suspicious, and the item it opens for them."""
    with office.db.read() as session:
        submission = session.scalars(select(Document.submission_id).where(Document.case_id == case.id)).first()
    assert submission is not None
    held = [office.document(case, flag=flag, submission_id=submission, title=name) for name, flag in names_and_flags]
    with office.db.write() as session:
        attachments.clearing_item(
            session, tenant=TENANT, submission_id=submission, case_id=case.id, department=case.department
        )
    with office.db.read() as session:
        return session.scalars(select(Trouble).where(Trouble.case_id == case.id)).one(), held


def effect(office: Office, case: Case, name: str, *, state: str = "open", outcome: str | None = None, **spec: object):
    found = Effect(
        id=new_id(),
        tenant_id=TENANT,
        case_id=case.id,
        wait=f"w-{name}",
        kind="delivery",
        element="any",
        name=name,
        state=state,
        outcome=outcome,
        created_at=now(),
        spec={"connector": "register", "operation": "create-case"} | spec,
    )
    with office.db.write() as session:
        session.add(found)
    return found


def travelling(office: Office, case: Case, sending: Effect) -> list[str]:
    """The attachments a specialist application would be given."""
    with office.db.read() as session:
        return [item.id for item in message.build(session, office.db, sending, case, {})[1]]


def release(office: Office, trouble: Trouble, *documents: UUID, reason: str = REASON, who: str = "plain"):
    values = {"choice": "release", "text-release": reason, "document": [str(document) for document in documents]}
    return office.sign_in(who).post(f"/clearing/{trouble.id}", values)


def stored(office: Office, trouble: Trouble) -> Trouble:
    with office.db.read() as session:
        return session.get_one(Trouble, trouble.id)


@BOTH_DATABASES
def test_a_harmless_document_is_released_and_travels_on(office: Office, case: Case) -> None:
    trouble, (lease, plan) = withhold(office, case, ("Mietvertrag", "pdf.encrypted"), ("Lageplan", "pdf.javascript"))
    person, sending = office.sign_in("plain"), effect(office, case, "Fall anlegen")
    page = person.get(f"/clearing/{trouble.id}").text
    for text in ("Mietvertrag", "ist verschlüsselt", "Lageplan", "enthält JavaScript", "Freigeben"):
        assert text in page
    assert "zu spät" not in page, "nothing has left yet"
    assert travelling(office, case, sending) == []

    assert release(office, trouble, lease, reason=" ").status_code == 422, "without a reason nothing is released"
    assert release(office, trouble).status_code == 422, "without saying what, neither"
    assert release(office, trouble, new_id()).status_code == 422
    assert release(office, trouble, lease, who="elsewhere").status_code == 404
    assert person.get(f"/cases/{case.number}/documents/{lease}").status_code == 403

    assert release(office, trouble, lease).status_code == 303
    assert person.get(f"/cases/{case.number}/documents/{lease}").status_code == 200
    assert person.get(f"/cases/{case.number}/documents/{plan}").status_code == 403, "only what was chosen"
    assert travelling(office, case, sending) == [str(lease)]
    assert stored(office, trouble).state == "open", "the other one still waits for a decision"
    assert release(office, trouble, lease).status_code == 409

    assert release(office, trouble, plan).status_code == 303
    solved = stored(office, trouble)
    assert (solved.state, solved.solution, solved.solved_by) == ("solved", "released", "plain")
    assert travelling(office, case, sending) == [str(lease), str(plan)]


@BOTH_DATABASES
def test_the_release_is_proven_and_its_reason_sealed(office: Office, case: Case) -> None:
    trouble, (lease,) = withhold(office, case, ("Mietvertrag", "pdf.encrypted"))
    release(office, trouble, lease)
    with office.db.read() as session:
        entry = session.scalars(select(AuditEntry).where(AuditEntry.action == "document.released")).one()
        digest = session.get_one(Document, lease).sha256
        event = session.scalars(select(CaseEvent).where(CaseEvent.kind == "document.released")).one()
    assert (entry.actor, entry.subject) == ("plain", str(case.id))
    assert entry.detail == {"document": str(lease), "flag": "pdf.encrypted", "sha256": digest}
    assert event.body is not None
    assert "Kennwort" not in event.summary + str(event.detail) + event.body.decode("latin-1")
    assert REASON in office.sign_in("plain").get(f"/cases/{case.number}").text
    assert "Kennwort am" not in office.sign_in("operator").get(f"/cases/{case.number}/trace").text


def test_what_has_already_left_is_said_before_and_after(office: Office, case: Case) -> None:
    trouble, (lease,) = withhold(office, case, ("Mietvertrag", "pdf.encrypted"))
    effect(office, case, "Zahlung anfordern", state="done", outcome="delivered")
    effect(office, case, "Vom Register abgelehnt", state="done", outcome="rejected")
    effect(office, case, "Rückmeldung an das Portal", state="done", outcome="delivered", quiet=True)
    waiting = effect(office, case, "Register melden")
    with office.db.write() as session:
        session.add(
            Delivery(
                id=waiting.id,
                tenant_id=TENANT,
                case_id=case.id,
                instance="register",
                instance_version=1,
                connector="register-rest",
                operation="create-case",
                state="waiting",
                tries=1,
                created_at=now(),
            )
        )
    effect(office, case, "Ablegen", connector="dms", operation="file", documents=[str(new_id())])
    person = office.sign_in("plain")
    page = person.get(f"/clearing/{trouble.id}").text
    assert "Für manches kommt eine Freigabe zu spät" in page
    for text in (
        "Schon ohne das Freigegebene übergeben: Zahlung anfordern.",
        "vielleicht noch ohne das Freigegebene: Register melden.",
        "Die Ablage in der E-Akte ist schon gemacht",
    ):
        assert text in page
    assert "abgelehnt" not in page
    assert "Rückmeldung an das Portal" not in page
    release(office, trouble, lease)
    page = person.get(f"/clearing/{trouble.id}").text
    assert "freigegeben" in page
    assert "Schon ohne das Freigegebene übergeben: Zahlung anfordern." in page, "it stays noted with the item"


@pytest.mark.parametrize(
    ("spec", "closed", "said"),
    [
        ({"connector": "dms", "operation": "file"}, False, "hat schon begonnen"),
        (None, True, "ohne Ablage abgeschlossen"),
        (None, False, None),
    ],
)
def test_the_page_says_whether_the_filing_will_hold_it(
    office: Office, case: Case, spec: dict[str, str] | None, closed: bool, said: str | None
) -> None:
    trouble, _ = withhold(office, case, ("Mietvertrag", "pdf.encrypted"))
    if spec:
        effect(office, case, "Ablegen", **spec)
    office.change(case, **({"state": "closed"} if closed else {}))
    page = office.sign_in("plain").get(f"/clearing/{trouble.id}").text
    assert said in page if said else "zu spät" not in page


def test_malware_is_never_released(office: Office, case: Case) -> None:
    trouble, (virus, lease) = withhold(office, case, ("Rechnung", "malware"), ("Mietvertrag", "pdf.encrypted"))
    assert trouble.choices == ["noted"]
    assert "Freigeben" not in office.sign_in("plain").get(f"/clearing/{trouble.id}").text
    assert release(office, trouble, virus).status_code == 422
    with office.db.write() as session:  # even if somebody had offered it
        session.get_one(Trouble, trouble.id).choices = ["release", "noted"]
    assert release(office, trouble, virus, lease).status_code == 422
    with office.db.write() as session:
        session.get_one(Trouble, trouble.id).code = "attachment.withheld"
    assert release(office, trouble, virus).status_code == 409
    with office.db.read() as session:
        assert session.get_one(Document, virus).flag == "malware"
    assert office.sign_in("plain").post(f"/clearing/{trouble.id}", {"choice": "noted"}).status_code == 303
