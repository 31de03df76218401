"""The Akte is found before one is created; two cases of one person at the same moment agree on one Akte."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import date

import pytest

from hub.cases.model import Case
from hub.kit.clock import now
from hub.kit.database import Database, new_id
from hub.library.profile import FilePolicy, Filing, TransactionPolicy
from hub.records import akte

FILING = Filing(
    plan="112.43",
    plan_title="Bewohnerparken",
    file=FilePolicy(find_by=("subject",), title='"Akte"'),
    transaction=TransactionPolicy(title='"Vorgang"'),
)


def a_case(subject: str) -> Case:
    case_id = new_id()
    return Case(
        id=case_id,
        tenant_id="worms",
        number=str(case_id)[-12:],
        process="p",
        title=b"",
        department="d",
        state="open",
        secrecy="general",
        protected_person=False,
        received_at=now(),
        opened_at=now(),
        data_key_id=new_id(),
        subject_hash=subject,
    )


def file(db: Database, subject: str, filing: Filing = FILING) -> akte.Found:
    case = a_case(subject)
    with db.write() as session:
        keys = akte.hashes(case, filing, {}, {"application": {}})
        return akte.find_or_create(session, case, filing, keys)


def test_the_second_case_of_a_person_lands_in_the_first_ones_akte(hub_database_url: str) -> None:
    db = Database(hub_database_url)
    first, second, other = file(db, "a"), file(db, "a"), file(db, "b")
    assert (first.new, second.new, other.new) == (True, False, True)
    assert second.aktenzeichen == first.aktenzeichen != other.aktenzeichen
    assert first.aktenzeichen == f"112.43-0001/{date.today().year}"
    db.dispose()


def test_ten_cases_of_one_person_at_once_make_one_akte(hub_database_url: str) -> None:
    db = Database(hub_database_url, pool_size=10)
    with ThreadPoolExecutor(10) as pool:
        found = list(pool.map(lambda _: file(db, "busy"), range(10)))
    assert len({item.aktenzeichen for item in found}) == 1
    assert sum(item.new for item in found) == 1
    db.dispose()


def test_where_the_profile_forbids_it_no_akte_is_created(hub_database_url: str) -> None:
    db = Database(hub_database_url)
    strict = FILING.model_copy(update={"file": FILING.file.model_copy(update={"create": False})})
    with pytest.raises(akte.NoAkteError, match=r"112\.43"):
        file(db, "nobody", strict)
    db.dispose()
