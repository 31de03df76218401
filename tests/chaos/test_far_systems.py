"""Far systems at their worst: down, slow, answering twice, dying after they have done the work.

The ledger tells every attempt, and after recovery everything drains by itself: one record, one closed case.
"""

from __future__ import annotations

from collections import Counter

import pytest

from tests.harness import applications
from tests.harness.installation import Installation
from tests.harness.lookout import Lookout
from tests.harness.portal import Portal
from tests.harness.waiting import until

pytestmark = pytest.mark.chaos

_ATTEMPTS = """
SELECT a.step, a.outcome FROM delivery_attempt a JOIN delivery d ON d.id = a.delivery_id
WHERE d.instance = %s ORDER BY a.id
"""
_TROUBLE = "SELECT code FROM trouble WHERE state = 'open' ORDER BY code"


def _submit(hub: Installation, count: int = 1) -> None:
    portal = Portal(hub)
    for number in range(count):
        portal.submit(f"far-system-{number:06d}", applications.dog_tax(number, kilobytes=20))


def _attempts(lookout: Lookout, instance: str = "steuerverfahren") -> list[tuple[str, str]]:
    return [(str(step), str(outcome)) for step, outcome in lookout.rows(_ATTEMPTS, instance)]


def _all_closed(lookout: Lookout, count: int = 1) -> None:
    """Everything drains by itself, and nothing is left for people to do."""
    closed = "SELECT count(*) FROM hub_case WHERE state = 'closed'"
    until(
        lambda: lookout.value(closed) == count and not lookout.open_jobs(),
        lambda: (lookout.open_jobs(), lookout.rows(_TROUBLE)),
        seconds=60,
    )
    assert lookout.rows(_TROUBLE) == []


def _one_record_each(hub: Installation, count: int = 1) -> Counter[str]:
    """The specialist application holds one record a case; how often it was called for each."""
    state = hub.far["dog-tax"].state()
    assert state["records"] == count
    assert hub.far["dms"].state()["records"] == count
    return Counter(state["calls"])


def test_an_application_that_is_down_gets_everything_once_it_is_back(hub: Installation, lookout: Lookout) -> None:
    tax = hub.far["dog-tax"]
    tax.kill()
    _submit(hub, 5)

    until(lambda: len(_attempts(lookout)) >= 6, "several attempts in vain")
    assert set(_attempts(lookout)) == {("create", "transient")}
    assert lookout.value("SELECT count(*) FROM hub_case WHERE state = 'closed'") == 0

    tax.start()
    _all_closed(lookout, 5)
    assert set(_one_record_each(hub, 5).values()) == {1}
    assert Counter(outcome for _, outcome in _attempts(lookout))["delivered"] == 5


def test_it_is_told_of_an_application_that_stays_down_while_the_hub_goes_on_trying(
    hub: Installation, lookout: Lookout
) -> None:
    hub.far["dog-tax"].disturb(down=-1)
    _submit(hub)

    until(lambda: lookout.rows(_TROUBLE), lambda: ("no Störung for IT", _attempts(lookout)))
    assert lookout.rows(_TROUBLE) == [("instance.unreachable",)]

    hub.far["dog-tax"].disturb(down=0)
    _all_closed(lookout)  # and the Störung is solved by the success
    assert len(_attempts(lookout)) > 5
    _one_record_each(hub)


def test_an_application_that_answers_503_is_tried_again(hub: Installation, lookout: Lookout) -> None:
    hub.far["dog-tax"].disturb(down=2)
    _submit(hub)

    _all_closed(lookout)
    assert [outcome for _, outcome in _attempts(lookout)] == ["transient", "transient", "delivered"]
    _one_record_each(hub)


def test_an_application_that_is_too_slow_is_asked_before_anything_is_repeated(
    hub: Installation, lookout: Lookout
) -> None:
    hub.far["dog-tax"].disturb(slow_s=5)  # the hub waits for two seconds
    _submit(hub)

    until(lambda: ("create", "unknown") in _attempts(lookout), "the first call ends without an answer")
    hub.far["dog-tax"].disturb(slow_s=0)
    _all_closed(lookout)
    assert _attempts(lookout)[0] == ("create", "unknown")
    assert _attempts(lookout)[1][0] == "create (Nachfrage)"
    assert _attempts(lookout)[-1][1] == "delivered"
    _one_record_each(hub)


def test_an_application_that_commits_and_then_drops_the_connection_keeps_one_record(
    hub: Installation, lookout: Lookout
) -> None:
    hub.far["dog-tax"].disturb(commit_then_drop=1)
    _submit(hub)

    _all_closed(lookout)
    # The answer was lost, the work was done: the hub finds it by its key and calls no second time.
    assert _attempts(lookout) == [("create", "unknown"), ("create (Nachfrage)", "delivered")]
    assert set(_one_record_each(hub).values()) == {1}


def test_an_application_that_drops_the_connection_before_the_work_is_called_again(
    hub: Installation, lookout: Lookout
) -> None:
    hub.far["dog-tax"].disturb(drop=1)
    _submit(hub)

    _all_closed(lookout)
    assert _attempts(lookout) == [("create", "unknown"), ("create (Nachfrage)", "absent"), ("create", "delivered")]
    _one_record_each(hub)


def test_an_e_file_that_drops_the_connection_after_filing_holds_one_package(
    hub: Installation, lookout: Lookout
) -> None:
    portal = Portal(hub)
    portal.submit("first-application", applications.dog_tax(1, kilobytes=20))
    _all_closed(lookout)

    # The same person again: the hub knows the Akte and need not look for it, so the next call is the filing itself.
    hub.far["dms"].disturb(commit_then_drop=1)
    portal.submit("second-application", applications.dog_tax(1, kilobytes=20))
    _all_closed(lookout, 2)
    filed = [attempt for attempt in _attempts(lookout, "e-akte") if attempt[0].startswith("store")]
    assert filed == [("store", "delivered"), ("store", "unknown"), ("store (Nachfrage)", "delivered")]
    _one_record_each(hub, 2)


def test_messages_that_an_application_sends_twice_count_once(hub: Installation, lookout: Lookout) -> None:
    hub.far["building-app"].disturb(answer_twice=True)
    portal = Portal(hub)
    portal.submit("far-system-building-1", applications.building(1))

    until(
        lambda: hub.far["building-app"].state()["unsent"] == 0 and not lookout.open_jobs_due(),
        lambda: (lookout.open_jobs(), hub.far["building-app"].state()["unsent"], lookout.rows(_TROUBLE)),
    )
    twice = lookout.rows("SELECT sender_key FROM inbound_message GROUP BY sender_key HAVING count(*) > 1")
    assert twice == []
    received = lookout.value("SELECT count(*) FROM inbound_message")
    assert received >= 2
    assert lookout.value("SELECT count(*) FROM inbound_message WHERE state <> 'done'") == 0
    assert hub.far["building-app"].state()["kinds"]["case"] == 1
    assert lookout.rows(_TROUBLE) == []
