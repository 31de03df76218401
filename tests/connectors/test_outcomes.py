"""What each way of failing means, on real sockets."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from connectors import Instance, Outcome, check_connection, find, golden, lookup, perform, plan
from connectors.conformance import deliver, instance_of
from connectors.twins import DogTax, TradeRegister

LIBRARY = find()
DOG_TAX = LIBRARY["dog-tax-rest"]
SAMPLE = next(s for s in golden.samples(DOG_TAX) if s.operation)


@pytest.fixture
def twin():
    twin = DogTax()
    with twin.running():
        yield twin


def send(instance: Instance) -> Outcome:
    return deliver(DOG_TAX, SAMPLE, instance)


def test_a_delivered_case_brings_its_numbers_back(twin: DogTax) -> None:
    done = send(instance_of(DOG_TAX, twin))
    assert done.kind == "delivered"
    assert done.saved == {"kassenzeichen": "HS-2026-000001", "tag_numbers": ["00001", "00002"]}


def test_a_refused_connection_and_503_are_transient(twin: DogTax) -> None:
    closed = Instance("closed", 1, DOG_TAX, {"endpoint": "http://127.0.0.1:9"})
    assert send(closed).kind == "transient"
    twin.switch({"down": 1})
    assert send(instance_of(DOG_TAX, twin)).kind == "transient"
    assert not twin.records


def test_a_slow_answer_is_unknown_and_then_found(twin: DogTax) -> None:
    twin.switch({"slow_s": 0.6})
    slow = replace(instance_of(DOG_TAX, twin), id="slow", timeout_s=0.2)
    assert send(slow).kind == "unknown"
    twin.switch({"slow_s": 0})
    deadline = time.monotonic() + 5
    while not twin.records and time.monotonic() < deadline:
        time.sleep(0.02)
    assert lookup(DOG_TAX, "create-case", slow, SAMPLE.message).saved["kassenzeichen"] == "HS-2026-000001"


def test_a_cut_before_the_work_is_unknown_and_then_absent(twin: DogTax) -> None:
    twin.switch({"drop": 1})
    instance = instance_of(DOG_TAX, twin)
    assert send(instance).kind == "unknown"
    assert lookup(DOG_TAX, "create-case", instance, SAMPLE.message).kind == "absent"


def test_a_refusal_reaches_the_caseworker_in_words(twin: DogTax) -> None:
    twin.switch({"reject": 1, "reject_text": "Die Rasse fehlt."})
    done = send(instance_of(DOG_TAX, twin))
    assert (done.kind, done.say) == ("rejected", "Die Hundesteuer nimmt die Angaben nicht an: Die Rasse fehlt.")


def test_a_wrong_path_is_for_it(twin: DogTax) -> None:
    wrong = Instance("wrong", 1, DOG_TAX, {"endpoint": twin.address + "/falsch"})
    assert lookup(DOG_TAX, "create-case", wrong, SAMPLE.message).kind in {"absent", "configuration"}
    broken = replace(SAMPLE.message, application={"halter": "x"}, key="")
    step = plan(DOG_TAX, "create-case")[0]
    assert perform(step, instance_of(DOG_TAX, twin), broken, []).kind in {"rejected", "configuration"}


def test_logs_hold_neither_values_nor_secrets(twin: DogTax) -> None:
    instance = instance_of(DOG_TAX, twin)
    instance = replace(instance, id="secret", settings={**instance.settings, "token": "streng-geheim"})
    done = send(instance)
    logged = repr(instance) + done.request + done.answer + done.detail
    assert "sha256:" in done.request
    for value in ("Mustermann", "Erika", "Bello", "Marktplatz", "streng-geheim", "nachweis"):
        assert value not in logged


def test_counts_survive_a_restart(tmp_path) -> None:
    for _ in range(2):
        twin = DogTax(tmp_path)
        with twin.running():
            assert send(instance_of(DOG_TAX, twin)).kind == "delivered"
    assert len(twin.records) == 1
    assert list(twin.calls.values()) == [2]


def test_a_changed_host_key_stops_the_transfer(tmp_path) -> None:
    manifest = LIBRARY["trade-register-sftp"]
    twin = TradeRegister(tmp_path)
    with twin.running():
        instance = instance_of(manifest, twin)
        assert check_connection(instance).kind == "delivered"
        kind, key = str(instance.settings["host_key"]).split()
        forged = {**instance.settings, "host_key": f"{kind} {key[:-3]}AAA"}
        assert check_connection(replace(instance, id="forged", settings=forged)).kind == "configuration"
        wrong = {**instance.settings, "password": "falsch"}
        assert check_connection(replace(instance, id="wrong", settings=wrong)).kind == "configuration"
