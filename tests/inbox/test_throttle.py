"""Guessing passwords and secrets: some failures are free, then every try waits, and nothing tells who exists."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import httpx
import pytest
from sqlalchemy import select, update

from hub.audit.model import AuditEntry
from hub.identity import service as identity
from hub.identity import throttle
from hub.identity.model import SignInFailure
from hub.identity.throttle import ACCOUNT, ADDRESS, PAIR, Throttle
from hub.kit.clock import now
from hub.kit.database import Database
from hub.kit.problems import Problem
from tests.inbox.conftest import BOTH_DATABASES, PASSWORD, TENANT, Office


def try_to_sign_in(office: Office, login: str, password: str = "geraten") -> httpx.Response:
    client = office.visitor()
    token = re.search(r'name="csrf" value="([0-9a-f]+)"', client.get("/login").text)
    assert token
    return client.post("/login", data={"csrf": token.group(1), "login": login, "password": password})


def get_token(office: Office, secret: str, client: str = "portal") -> httpx.Response:
    return httpx.post(f"{office.address}/oauth/token", data={"grant_type": "client_credentials"}, auth=(client, secret))


def time_passes(office: Office, seconds: float) -> None:
    with office.db.write() as session:
        for row in session.scalars(select(SignInFailure)):
            row.last_at -= timedelta(seconds=seconds)
            row.paused_until = row.paused_until and row.paused_until - timedelta(seconds=seconds)


def audited(office: Office, action: str) -> list[tuple[str, dict[str, int] | None]]:
    with office.db.read() as session:
        rows = session.scalars(select(AuditEntry).where(AuditEntry.action == action).order_by(AuditEntry.id))
        return [(row.actor, row.detail) for row in rows]


@BOTH_DATABASES
def test_after_five_failures_even_the_right_password_has_to_wait(office: Office) -> None:
    for _ in range(PAIR.after):
        assert try_to_sign_in(office, "plain").status_code == 401
    told = try_to_sign_in(office, "plain", PASSWORD)
    assert told.status_code == 429
    assert 1 <= int(told.headers["retry-after"]) <= throttle.FIRST_PAUSE_S
    assert "Zu viele Fehlversuche" in told.text
    assert re.search(r"Bitte versuchen Sie es in \d Sekunden? noch einmal", told.text)
    assert audited(office, "session.refused")[-2:] == [("plain", None), ("plain", {"pause_s": 5})]
    assert try_to_sign_in(office, "second", PASSWORD).status_code == 303, "a colleague at the same address is not meant"
    time_passes(office, throttle.FIRST_PAUSE_S)
    assert try_to_sign_in(office, "plain").status_code == 401
    assert int(try_to_sign_in(office, "plain").headers["retry-after"]) > throttle.FIRST_PAUSE_S, "twice as long"
    time_passes(office, 10)
    assert try_to_sign_in(office, "plain", PASSWORD).status_code == 303
    assert try_to_sign_in(office, "plain").status_code == 401, "a success forgets what was counted"


def test_a_name_that_nobody_has_is_answered_just_the_same(office: Office) -> None:
    def answers(login: str) -> list[tuple[int, str]]:
        found = []
        for _ in range(PAIR.after + 1):
            answer = try_to_sign_in(office, login)
            text = re.sub(r'value="[^"]*"|in \d+ Sekunden?', "", answer.text)
            found.append((answer.status_code, text))
        return found

    assert answers("plain") == answers("niemand")
    with office.db.read() as session:
        slots = session.scalars(select(SignInFailure.slot)).all()
    assert all(re.fullmatch("[0-9a-f]{64}", slot) for slot in slots), "neither names nor addresses are stored"


@BOTH_DATABASES
def test_many_guesses_at_once_are_no_more_than_five(office: Office) -> None:
    with ThreadPoolExecutor(12) as pool:
        codes = list(pool.map(lambda _: try_to_sign_in(office, "plain").status_code, range(12)))
    assert sorted(codes) == [401] * PAIR.after + [429] * 7


@pytest.fixture
def portal(office: Office) -> Office:
    with office.db.write() as session:
        identity.save_client(session, tenant=TENANT, client_id="portal", title="Portal", secret="richtig")
    return office


@BOTH_DATABASES
def test_a_portal_with_a_wrong_secret_waits_too(portal: Office) -> None:
    for _ in range(PAIR.after - 1):
        assert get_token(portal, "falsch").status_code == 401
    assert get_token(portal, "richtig").status_code == 200
    with portal.db.read() as session:
        assert session.scalars(select(SignInFailure.failures)).all() == [PAIR.after - 1], "only the address remembers"
    for _ in range(PAIR.after):
        refused = get_token(portal, "falsch")
        assert (refused.status_code, refused.json()["code"]) == (401, "oauth.invalid_client")
    waits = get_token(portal, "richtig")
    assert waits.status_code == 429
    assert waits.headers["content-type"] == "application/problem+json"
    assert waits.json()["code"] == "auth.too-many-attempts"
    assert int(waits.headers["retry-after"]) >= 1
    assert audited(portal, "client.refused")[-1] == ("portal", {"pause_s": 5})
    time_passes(portal, throttle.FIRST_PAUSE_S)
    assert get_token(portal, "richtig").status_code == 200


def test_names_that_no_database_takes_are_only_wrong(portal: Office) -> None:
    for name in ("nie\x00mand", "x" * 5000, "\udce4", ""):
        assert get_token(portal, "falsch", name.encode("utf-8", "replace").decode()).status_code == 401
    assert try_to_sign_in(portal, "nie\x00mand").status_code == 401


class TestCounting:
    """The rules themselves, without HTTP."""

    @pytest.fixture
    def db(self, hub_database_url: str) -> Iterator[Database]:
        database = Database(hub_database_url)
        yield database
        database.dispose()

    @pytest.fixture
    def guard(self) -> Throttle:
        return Throttle(b"k" * 32)

    def fail(self, db: Database, attempt: throttle.Attempt) -> int:
        with db.write() as session:
            return max(throttle.begin(session, attempt), throttle.failed(session, attempt))

    def pass_time(self, db: Database) -> None:
        with db.write() as session:
            session.execute(update(SignInFailure).values(paused_until=None))

    def test_pauses_double_up_to_a_quarter_of_an_hour(self) -> None:
        assert [PAIR.pause_s(failures) for failures in range(4, 14)] == [0, 5, 10, 20, 40, 80, 160, 320, 640, 900]
        assert PAIR.pause_s(10_000) == 900
        assert ACCOUNT.pause_s(10_000) == 60

    def test_guessing_one_account_from_many_addresses(self, db: Database, guard: Throttle) -> None:
        for number in range(ACCOUNT.after - 1):
            assert self.fail(db, guard.person("worms", "plain", f"192.0.2.{number}")) == 0
        assert self.fail(db, guard.person("worms", "plain", "192.0.2.99")) == 5
        with db.read() as session, pytest.raises(Problem, match="429"):
            throttle.check(session, guard.person("worms", "plain", "192.0.2.100"))
        with db.read() as session:
            assert not throttle.check(session, guard.person("worms", "second", "192.0.2.100"))

    def test_guessing_many_accounts_from_one_address(self, db: Database, guard: Throttle) -> None:
        for number in range(ADDRESS.after - 1):
            assert self.fail(db, guard.person("worms", f"person{number}", "2001:db8::1")) == 0
        assert self.fail(db, guard.person("worms", "another", "2001:db8::2")) == 5, "a /64 is one address"
        with db.read() as session, pytest.raises(Problem, match="429"):
            throttle.check(session, guard.person("worms", "plain", "2001:db8::3"))
        with db.read() as session:
            assert not throttle.check(session, guard.person("worms", "plain", "2001:db8:0:1::1"))
            assert not throttle.check(session, guard.client("worms", "portal", "2001:db8::1")), "portals count apart"

    def test_a_portal_is_not_locked_out_by_others(self, db: Database, guard: Throttle) -> None:
        for number in range(2 * ACCOUNT.after):
            self.fail(db, guard.client("worms", "portal", f"192.0.2.{number}"))
        with db.read() as session:
            assert not throttle.check(session, guard.client("worms", "portal", "198.51.100.7"))

    def test_a_day_without_failures_forgets_everything(self, db: Database, guard: Throttle) -> None:
        attempt = guard.person("worms", "plain", "::ffff:192.0.2.1")
        for _ in range(PAIR.after + 3):
            self.fail(db, attempt)
            self.pass_time(db)
        with db.write() as session:
            session.execute(update(SignInFailure).values(last_at=now() - timedelta(days=1, seconds=1)))
        assert self.fail(db, guard.person("worms", "plain", "192.0.2.1")) == 0, "the same address, counted anew"
        with db.write() as session:
            session.execute(update(SignInFailure).values(last_at=now() - timedelta(days=1, seconds=1)))
        self.fail(db, guard.person("worms", "second", "198.51.100.7"))
        with db.read() as session:
            assert len(session.scalars(select(SignInFailure)).all()) == 3, "what is forgotten is swept away"
