"""Jobs without a broker: asked for in a transaction, run at least once, never lost, one at a time for a case."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import select, update

from hub.jobs import LeaseLostError, Ready, cancel, enqueue, failed, retry
from hub.jobs.carrier_inprocess import InProcess
from hub.jobs.lease import claim
from hub.jobs.model import JobRow
from hub.jobs.runner import announce_after_commit
from hub.jobs.sweep import Sweeper
from hub.jobs.turn import Turn, take
from hub.kit.clock import now
from hub.kit.database import Database, new_id
from tests.jobs.office import Counter, marks, open_jobs, registry, runner

Wait = Callable[..., None]


class Notebook:
    """A carrier that only writes down what it was given."""

    def __init__(self) -> None:
        self.ready: list[Ready] = []
        self.reachable = True

    def announce(self, ready: list[Ready]) -> None:
        self.ready += ready

    def backlog(self) -> int | None:
        return 0 if self.reachable else None


@pytest.fixture
def notebook(db: Database) -> Notebook:
    carrier = Notebook()
    announce_after_commit(db, carrier)
    return carrier


@pytest.fixture
def carrier(db: Database) -> Iterator[InProcess]:
    with InProcess(runner(db), sweep_every_s=0.1) as running:
        yield running


def the_job(db: Database) -> JobRow:
    with db.read() as session:
        return session.scalars(select(JobRow)).one()


def make_due(db: Database) -> None:
    """Let time pass: everything that waits is due and looked at by the sweep now."""
    with db.write() as session:
        session.execute(update(JobRow).values(due=now() - timedelta(seconds=1), sweep_at=now() - timedelta(seconds=1)))


def ask(db: Database, kind: str, key: str = "a", subject: UUID | None = None, in_s: float | None = None) -> None:
    with db.write() as session:
        due = None if in_s is None else now() + timedelta(seconds=in_s)
        enqueue(session, kind, key, subject, due=due)


class TestAsking:
    def test_a_job_is_announced_after_the_commit_and_not_without_it(self, db: Database, notebook: Notebook) -> None:
        with pytest.raises(ZeroDivisionError), db.write() as session:  # noqa: PT012 - the block is what rolls back
            enqueue(session, "first", "a", None)
            _ = 1 / 0
        assert (notebook.ready, open_jobs(db)) == ([], 0)
        ask(db, "first")
        assert [ready.id for ready in notebook.ready] == [the_job(db).id]

    def test_the_same_wish_twice_is_one_job_with_the_earlier_due_time(self, db: Database, notebook: Notebook) -> None:
        for seconds in (3600, 60, 7200):
            ask(db, "first", in_s=seconds)
        assert timedelta(seconds=30) < the_job(db).due - now() < timedelta(seconds=61)
        assert notebook.ready == []

    def test_a_job_taken_back_does_not_run(self, db: Database, notebook: Notebook) -> None:
        ask(db, "first", in_s=3600)
        with db.write() as session:
            assert cancel(session, "first", "a")
        assert open_jobs(db) == 0

    def test_two_tenants_do_not_share_a_job(self, db: Database) -> None:
        with db.write() as session:
            enqueue(session, "first", "a", None, tenant="worms")
            enqueue(session, "first", "a", None, tenant="speyer")
        assert open_jobs(db) == 2


class TestRunning:
    def test_a_chain_runs_here_and_leaves_nothing(self, db: Database, notebook: Notebook) -> None:
        ask(db, "first")
        assert runner(db).chain(notebook.ready[0].id, notebook) == 2
        assert marks(db) == ["first a", "second a"]
        assert (open_jobs(db), len(notebook.ready)) == (0, 1)

    def test_what_follows_is_claimed_in_the_same_transaction(self, db: Database, notebook: Notebook) -> None:
        """The second job never waits: when the first is committed, this worker already holds its lease."""
        seen: list[tuple[str, str]] = []

        def look(_: object) -> None:
            with db.read() as session:
                seen.extend((row.kind, row.state) for row in session.execute(select(JobRow.kind, JobRow.state)))

        ask(db, "first")
        db.after_commit.append(look)
        runner(db).chain(notebook.ready[0].id, notebook)
        assert seen == [("second", "running")]

    def test_a_wish_that_breaks_takes_nothing_with_it(self, db: Database, notebook: Notebook) -> None:
        """What asked for it is committed; all wishes become jobs of their own, and only the broken one fails."""
        ask(db, "opens")
        runner(db).chain(notebook.ready[0].id, notebook)
        assert marks(db) == ["opened a", "summed up a", "second a"]
        assert (the_job(db).kind, the_job(db).attempts) == ("broken", 1)

    def test_a_job_taken_back_before_the_commit_is_not_run(self, db: Database, notebook: Notebook) -> None:
        turn = Turn(db, registry(), None, "normal", room=5)
        with take(turn), db.write() as session:
            enqueue(session, "first", "a", None)
            assert cancel(session, "first", "a")
        assert (marks(db), open_jobs(db), turn.claimed) == ([], 0, [])

    def test_a_commit_that_fails_leaves_nothing_claimed(self, db: Database, notebook: Notebook) -> None:
        turn = Turn(db, registry(), None, "normal", room=5)

        def fail(_: object) -> None:
            raise ZeroDivisionError

        db.before_commit.append(fail)
        with pytest.raises(ZeroDivisionError), take(turn), db.write() as session:
            enqueue(session, "second", "a", None)
        assert (open_jobs(db), turn.claimed, list(turn.ready)) == (0, [], [])

    def test_a_message_for_a_job_that_is_done_is_dropped(self, db: Database, notebook: Notebook) -> None:
        ask(db, "first")
        for _ in range(3):
            runner(db).run(notebook.ready[0].id)
        assert marks(db) == ["first a"]

    def test_a_job_that_is_not_due_is_left_alone(self, db: Database) -> None:
        ask(db, "first", in_s=3600)
        runner(db).run(the_job(db).id)
        assert (marks(db), open_jobs(db)) == ([], 1)

    def test_asked_for_while_it_runs_it_runs_once_more(self, db: Database, notebook: Notebook) -> None:
        ask(db, "second")
        with db.write() as session:
            lease = claim(session, notebook.ready[0].id, 60)
        assert lease is not None
        ask(db, "second")
        with db.write() as session:
            lease.finish(session)
        assert the_job(db).state == "waiting"
        runner(db).run(notebook.ready[-1].id)
        assert (marks(db), open_jobs(db)) == (["second a"], 0)

    def test_no_update_of_a_case_is_lost_though_many_work_at_once(self, db: Database, notebook: Notebook) -> None:
        case = new_id()
        with db.write() as session:
            session.add(Counter(id=case, value=0))
            for number in range(20):
                enqueue(session, "count", str(number), case)
        messages = [ready.id for ready in notebook.ready] * 2  # every message comes twice
        with ThreadPoolExecutor(4) as workers:
            list(workers.map(runner(db).run, messages))
        with db.read() as session:
            assert session.get_one(Counter, case).value == 20


class TestFailing:
    def test_a_handler_that_raises_gets_one_retry_and_then_a_clearing_item(
        self, db: Database, notebook: Notebook
    ) -> None:
        ask(db, "broken")
        job = the_job(db)
        runner(db).run(job.id)
        assert (the_job(db).state, the_job(db).attempts) == ("waiting", 1)
        make_due(db)
        runner(db).run(job.id)
        assert marks(db) == ["clearing broken a"]  # what the handler wrote was rolled back
        with db.read() as session:
            assert "ValueError: broken a" in (failed(session)[0].error or "")
        with db.write() as session:
            assert retry(session, job.id)
        assert the_job(db).state == "waiting"

    def test_a_lease_that_ran_out_is_taken_back_and_the_late_worker_cannot_finish(
        self, db: Database, notebook: Notebook
    ) -> None:
        ask(db, "second")
        with db.write() as session:
            late = claim(session, notebook.ready[0].id, -1)
        assert late is not None
        Sweeper(runner(db), notebook).sweep()
        runner(db).run(notebook.ready[-1].id)
        assert marks(db) == ["second a"]
        with pytest.raises(LeaseLostError), db.write() as session:
            late.finish(session)

    def test_a_job_that_lets_six_leases_run_out_becomes_a_clearing_item(self, db: Database, notebook: Notebook) -> None:
        ask(db, "second")
        for _ in range(6):
            with db.write() as session:
                assert claim(session, the_job(db).id if db.dialect == "postgresql" else notebook.ready[0].id, -1)
            Sweeper(runner(db), notebook).sweep()
        assert marks(db) == ["clearing second a"]
        assert the_job(db).state == "failed"


class TestSweeping:
    def test_a_lost_message_is_announced_again_but_not_every_second(self, db: Database, notebook: Notebook) -> None:
        ask(db, "first")
        sweeper = Sweeper(runner(db), notebook)
        assert sweeper.sweep() == 0  # just announced: not lost yet
        make_due(db)
        assert (sweeper.sweep(), sweeper.sweep()) == (1, 0)

    def test_while_nothing_can_be_carried_rows_stay_as_they_are(self, db: Database, notebook: Notebook) -> None:
        ask(db, "first", in_s=-1)
        make_due(db)
        notebook.reachable = False
        assert Sweeper(runner(db), notebook).sweep() == 0
        notebook.reachable = True
        assert Sweeper(runner(db), notebook).sweep() == 1

    def test_two_sweeps_at_once_announce_each_job_once(self, db: Database) -> None:
        with db.write() as session:
            for number in range(50):
                enqueue(session, "first", str(number), None, due=now() + timedelta(hours=1))
        make_due(db)
        books, gate = [Notebook(), Notebook()], threading.Barrier(2)

        def sweep(book: Notebook) -> None:
            gate.wait()
            Sweeper(runner(db), book).sweep()

        with ThreadPoolExecutor(2) as pool:
            list(pool.map(sweep, books))
        assert len({ready.id for book in books for ready in book.ready}) == 50
        assert sum(len(book.ready) for book in books) == 50


class TestEmbedded:
    def test_jobs_run_in_threads_and_scheduled_ones_when_due(
        self, db: Database, carrier: InProcess, eventually: Wait
    ) -> None:
        ask(db, "first", "now")
        ask(db, "first", "later", in_s=0.3)
        eventually(lambda: open_jobs(db) == 0)
        assert marks(db, "second") == ["second now", "second later"]

    def test_jobs_left_by_a_process_that_died_are_found_at_the_next_start(self, db: Database, eventually: Wait) -> None:
        ask(db, "first")
        make_due(db)
        with InProcess(runner(db), sweep_every_s=0.1):
            eventually(lambda: open_jobs(db) == 0)
        assert marks(db) == ["first a", "second a"]

    def test_housekeeping_comes_again_and_again(self, db: Database, eventually: Wait) -> None:
        with InProcess(runner(db, recurring=True), sweep_every_s=0.05):
            eventually(lambda: len(marks(db, "tick")) >= 3)
        assert open_jobs(db) == 1
