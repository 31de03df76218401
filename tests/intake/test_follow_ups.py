"""Supplements, withdrawals, objections: to the process where it waits for them, otherwise to a person at once."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import insert, select, update

from hub.cases.model import Case, Effect, Signal
from hub.kit.clock import now
from hub.kit.database import new_id
from tests.intake.conftest import DOG_TAX, PDF, TRADE, Intake, dog_tax, form

OPEN_CASE = "intake.open-case"


@pytest.fixture
def case(intake: Intake, portal: httpx.Client) -> Case:
    """A case whose process has taken its first step: a caseworker has a task."""
    answer = portal.post("/api/v1/submissions", files=form(dog_tax(), metadata={"service": DOG_TAX}))
    intake.work(OPEN_CASE)
    found = intake.case_of(answer.json()["id"])
    assert found is not None
    wait(intake, found, "user-task")
    return found


def wait(intake: Intake, case: Case, kind: str, message: str | None = None) -> None:
    """What the engine writes when the process waits."""
    with intake.db.write() as session:
        session.execute(
            insert(Effect).values(
                id=new_id(),
                tenant_id=case.tenant_id,
                case_id=case.id,
                wait=f"{kind}:{message}",
                kind=kind,
                element="x",
                name="x",
                state="open",
                spec={"message": message} if message else {},
                created_at=now(),
            )
        )


def send(portal: httpx.Client, case: Case, kind: str, **more: Any) -> httpx.Response:
    return portal.post(
        "/api/v1/submissions",
        files=form(
            None,
            metadata={"kind": kind, "case": case.number},
            attachments=[("Nachweis.pdf", PDF, "application/pdf")],
        ),
        **more,
    )


def signals(intake: Intake, case_id: UUID) -> list[str | None]:
    with intake.db.read() as session:
        return list(session.scalars(select(Signal.message).where(Signal.case_id == case_id)))


def test_what_the_process_waits_for_reaches_it(intake: Intake, portal: httpx.Client, case: Case) -> None:
    wait(intake, case, "message-wait", "supplement")
    answer = send(portal, case, "supplement")
    assert answer.status_code == 202, answer.text
    intake.work(OPEN_CASE)
    assert signals(intake, case.id) == ["supplement"]
    assert intake.troubles(case.id) == []
    linked = intake.case_of(answer.json()["id"])
    assert linked is not None
    assert linked.id == case.id
    assert intake.submission(answer.json()["id"]).state == "accepted"
    events = portal.get(f"/api/v1/submissions/{answer.json()['id']}").json()["cases"][0]["events"]
    assert events[-1]["text"] == "Unterlagen wurden nachgereicht."


@pytest.mark.parametrize("kind", ["supplement", "amendment", "withdrawal", "objection", "duplicate"])
def test_what_it_does_not_wait_for_is_a_klaerfall_at_once(
    intake: Intake, portal: httpx.Client, case: Case, kind: str
) -> None:
    wait(intake, case, "message-wait", "something-else")
    answer = send(portal, case, kind)
    intake.work(OPEN_CASE)
    assert signals(intake, case.id) == [], "no silent pending signal"
    (trouble,) = intake.troubles(case.id)
    assert (trouble.kind, trouble.code, trouble.department) == ("klaerfall", "case.not-waiting", case.department)
    assert str(trouble.submission_id) == answer.json()["id"]


def test_after_the_end_a_person_decides(intake: Intake, portal: httpx.Client, case: Case) -> None:
    with intake.db.write() as session:
        session.execute(update(Case).where(Case.id == case.id).values(state="closed"))
    send(portal, case, "objection")
    intake.work(OPEN_CASE)
    assert [trouble.code for trouble in intake.troubles(case.id)] == ["case.closed"]


def test_one_that_overtakes_its_application_waits_for_the_first_step(intake: Intake, portal: httpx.Client) -> None:
    answer = portal.post("/api/v1/submissions", files=form(dog_tax(), metadata={"service": DOG_TAX}))
    intake.work(OPEN_CASE)
    case = intake.case_of(answer.json()["id"])
    assert case is not None
    late = send(portal, case, "withdrawal").json()["id"]
    intake.work(OPEN_CASE)
    assert intake.case_of(late) is None
    assert intake.troubles(case.id) == []


def test_only_who_may_use_the_service_may_follow_up(intake: Intake, case: Case) -> None:
    with intake.client("trade-portal") as stranger:
        answer = send(stranger, case, "withdrawal")
    assert (answer.status_code, answer.json()["code"]) == (403, "oauth.insufficient_scope")
    assert case.process != TRADE


def test_a_repeated_follow_up_is_one(intake: Intake, portal: httpx.Client, case: Case, key: str) -> None:
    answers = [send(portal, case, "withdrawal", headers={"Idempotency-Key": key}) for _ in range(2)]
    assert answers[0].json() == answers[1].json()
    other = send(portal, case, "objection", headers={"Idempotency-Key": key})
    assert other.status_code == 409
