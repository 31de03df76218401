"""Numbers that people rely on: unique under concurrency, readable aloud."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from hub.cases.numbers import case_number, next_aktenzeichen
from hub.kit.database import Database, new_id


def test_twenty_clerks_at_once_never_get_the_same_aktenzeichen(hub_database_url: str) -> None:
    db = Database(hub_database_url, pool_size=20)

    def allot(_: int) -> str:
        with db.write() as session:
            return next_aktenzeichen(session, "worms", "963.21", 2026)

    with ThreadPoolExecutor(20) as pool:
        numbers = list(pool.map(allot, range(200)))
    assert len(set(numbers)) == 200
    assert {"963.21-0001/2026", "963.21-0200/2026"} <= set(numbers)
    db.dispose()


def test_every_plan_position_and_year_counts_for_itself(hub_database_url: str) -> None:
    db = Database(hub_database_url)
    with db.write() as session:
        assert next_aktenzeichen(session, "worms", "112.43", 2026) == "112.43-0001/2026"
        assert next_aktenzeichen(session, "worms", "112.43", 2027) == "112.43-0001/2027"
        assert next_aktenzeichen(session, "osthofen", "112.43", 2026) == "112.43-0001/2026"
    db.dispose()


def test_a_case_number_has_no_letters_that_are_misheard() -> None:
    numbers = {case_number(new_id()) for _ in range(2000)}
    assert len(numbers) == 2000
    assert not set("".join(numbers)) & set("01IOU")
