"""What every page does with a case: of two who act at once exactly one does, and it is told and proven."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from sqlalchemy import select

from hub.cases import acting
from hub.cases.model import Case, CaseEvent, Effect, Signal
from hub.identity import service as identity
from tests.inbox.conftest import BOTH_DATABASES, TENANT, Office


@BOTH_DATABASES
def test_of_two_who_act_at_once_exactly_one_does(office: Office, permit: Case) -> None:
    effect, together = office.task(permit), Barrier(2)

    def act(login: str) -> bool:
        with office.db.read() as session:
            account = identity.account(session, TENANT, login)
        assert account is not None
        actor = identity.actor_of(account)
        together.wait(10)
        with office.db.write() as session:
            acting.lock(session, permit)
            if not acting.close(session, actor, effect, "granted"):
                return False
            acting.answer(session, permit, effect, "task", {"variables": {}})
            acting.tell(session, actor, permit, "task.done", "Entschieden.", element=effect.element)
            acting.prove(session, actor, permit, "task.done", task=str(effect.id))
        return True

    with ThreadPoolExecutor(2) as pool:
        done = dict(zip(("plain", "second"), pool.map(act, ("plain", "second")), strict=True))
    assert sorted(done.values()) == [False, True]
    (winner,) = (login for login, first in done.items() if first)
    with office.db.read() as session:
        closed = session.get_one(Effect, effect.id)
        assert (closed.state, closed.done_by, closed.outcome) == ("done", winner, "granted")
        assert session.scalars(select(Signal.wait).where(Signal.case_id == permit.id)).all() == [effect.wait]
        told = session.scalars(select(CaseEvent.actor).where(CaseEvent.kind == "task.done")).all()
        assert told == [winner]
    assert [entry for entry in office.audited(permit.id) if entry[1] == "task.done"] == [(winner, "task.done")]


@BOTH_DATABASES
def test_a_condition_of_the_page_decides_too(office: Office, permit: Case) -> None:
    effect = office.task(permit)
    with office.db.read() as session:
        account = identity.account(session, TENANT, "plain")
        assert account is not None
    with office.db.write() as session:
        assert not acting.close(session, identity.actor_of(account), effect, None, Effect.claimed_by == "somebody")
    assert office.task(permit).id == effect.id, "still open"
