"""Two hundred applications travel from the portal to the e-file while everything that carries them is killed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from threading import Event, Semaphore

import orjson
import pytest

from tests.chaos.killing import KINDS, Killer
from tests.harness import applications
from tests.harness.installation import Installation
from tests.harness.lookout import Lookout
from tests.harness.portal import Portal
from tests.harness.waiting import until
from tests.services.rabbitmq import RabbitBroker

CASES = 200
SPARE = 4  # rounds for which applications are held back
KEYS = [f"chaos-{number:06d}" for number in range(CASES)]
_TAX = "SELECT e.id::text FROM effect e WHERE e.kind = 'delivery' AND e.spec->>'connector' = 'tax'"
_FILING = "SELECT e.id::text FROM effect e WHERE e.kind = 'delivery' AND e.spec->>'operation' = 'file'"


@pytest.mark.chaos
@pytest.mark.timeout(300)
def test_nothing_is_lost_and_nothing_happens_twice(hub: Installation, broker: RabbitBroker, lookout: Lookout) -> None:
    portal, killer = Portal(hub), Killer(hub, broker, lookout)
    prefix = hub.environment["HUB_QUEUE_PREFIX"]
    with _submitting(portal) as sending:
        broker.wait_settled(f"{prefix}.normal", f"{prefix}.low")
        _kill_in_turn(killer, sending)
    until(lambda: not _left_over(lookout), lambda: _left_over(lookout), seconds=120, every=0.25)

    print(killer.report())
    assert killer.never_hit() == set(), killer.report()
    _every_application_became_one_closed_case(portal, lookout)
    _every_receiver_has_one_record_a_case(hub, lookout)
    _the_trail_is_intact(hub, lookout)


def _kill_in_turn(killer: Killer, portal: _Sending) -> None:
    """Worker in the middle of every kind of job, between that web, broker and beat; new work before each strike."""
    strikes: list[Callable[[], object]] = [partial(killer.strike_worker, kind) for kind in KINDS]
    between = [killer.strike_web, killer.strike_broker, killer.strike_web, killer.strike_beat, killer.strike_web]
    turns = [strike for pair in zip(strikes, between, strict=True) for strike in pair]
    for left, strike in zip(range(len(turns), 0, -1), turns, strict=True):
        portal.send_some(1 / (left + SPARE))
        strike()
    for _ in range(SPARE):  # a short job may have slipped through
        for kind in killer.never_hit():
            portal.send_some(1 / SPARE)
            killer.strike_worker(kind)


class _Sending:
    """The portal at work in a few threads; applications wait until they are let go."""

    def __init__(self, portal: Portal, pool: ThreadPoolExecutor) -> None:
        self._portal, self._free, self._held, self._stop = portal, Semaphore(0), CASES, Event()
        self._tasks = [pool.submit(self._submit, number, key) for number, key in enumerate(KEYS)]

    def send_some(self, share: float) -> None:
        """Let a share of the applications go that are still held back."""
        count = max(1, round(self._held * share)) if self._held else 0
        self._held -= count
        for _ in range(count):
            self._free.release()

    def wait(self) -> None:
        """Return once every application has its receipt."""
        self.send_some(1)
        for task in self._tasks:
            task.result(timeout=120)

    def give_up(self) -> None:
        """Something else failed: end the threads."""
        self._stop.set()
        self.send_some(1)

    def _submit(self, number: int, key: str) -> None:
        self._free.acquire()
        body = applications.dog_tax(number, kilobytes=60)
        self._portal.submit(key, body, give_up=self._stop.is_set)


@contextmanager
def _submitting(portal: Portal) -> Iterator[_Sending]:
    """Four threads that send; the block ends when all have receipts."""
    with ThreadPoolExecutor(4) as pool:
        sending = _Sending(portal, pool)
        try:
            yield sending
            sending.wait()
        except BaseException:
            sending.give_up()
            raise


def _left_over(lookout: Lookout) -> list[tuple[object, ...]]:
    """What is still to be done: cases that are not closed, then jobs, with why they wait."""
    missing = CASES - lookout.value("SELECT count(*) FROM hub_case WHERE state = 'closed'")
    jobs = lookout.rows(
        "SELECT kind, state, attempts, expiries, announced, due - now(), sweep_at - now(), left(error, 300) FROM job"
        " WHERE tenant_id <> '-' ORDER BY due LIMIT 20"
    )
    return [("cases not closed", missing)] * (missing > 0) + jobs


def _every_application_became_one_closed_case(portal: Portal, lookout: Lookout) -> None:
    assert len({receipt["id"] for receipt in portal.receipts.values()}) == CASES
    assert lookout.rows("SELECT state, outcome, count(*) FROM hub_case GROUP BY 1, 2") == [
        ("closed", "registered", CASES)
    ]
    assert lookout.value("SELECT count(DISTINCT case_id) FROM submission_case") == CASES
    assert lookout.value("SELECT count(*) FROM hub_case WHERE aktenzeichen IS NULL") == 0
    assert lookout.rows("SELECT code, title, message FROM trouble WHERE state = 'open'") == []
    assert lookout.rows("SELECT id, state FROM delivery WHERE state <> 'delivered'") == []


def _every_receiver_has_one_record_a_case(hub: Installation, lookout: Lookout) -> None:
    """The receivers themselves count: business records by key, and apart from them the calls for each key."""
    tax, files = hub.far["dog-tax"].state(), hub.far["dms"].state()
    assert sorted(tax["keys"]) == sorted(row[0] for row in lookout.rows(_TAX))
    assert len(tax["keys"]) == CASES
    assert sorted(files["keys"]) == sorted(row[0] for row in lookout.rows(_FILING))
    assert len(files["keys"]) == CASES
    told = hub.far["portal"].state()
    assert told["records"] >= CASES
    for name, state in (("dog tax", tax), ("e-file", files), ("portal", told)):
        again = sum(state["calls"][key] - 1 for key in state["keys"])
        print(f"{name}: {state['records']} records, {again} calls were repetitions")


def _the_trail_is_intact(hub: Installation, lookout: Lookout) -> None:
    verdict = hub.command("audit", "verify", "--json")
    assert verdict.returncode == 0, verdict.stdout + verdict.stderr
    told = orjson.loads(verdict.stdout)
    assert (told["ok"], told["unsealed"]) == (True, 0)
    closed = lookout.value("SELECT count(*) FROM audit_entry WHERE action = 'case.closed'")
    assert closed == CASES
