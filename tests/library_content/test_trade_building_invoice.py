"""What the three services with a leading application, or with two checkers, must never get wrong."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

import workflows
from hub.library.process import Process, read_folder
from hub.library.samples import read_application
from tests.library_content.conftest import LIBRARY
from workflows import Context, Step, TaskDone, UserTask
from workflows.feel import expression
from xoev import validate, xrechnung
from xoev.leitweg import leitweg_valid

TRADE = LIBRARY / "99050012104000-gewerbeanmeldung"
BUILDING = LIBRARY / "99012008001001-baugenehmigung-vereinfacht"
INVOICE = LIBRARY / "xrechnung-eingang"
# Leitweg-IDs of the sample routing table: the building office, and the city as a whole
BUILDINGS, GENERAL, SUPPLIER = "073190000000-GEB-49", "073190000000-001-29", "DE000000019"
NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)


def context(application: dict[str, Any], **more: Any) -> Context:
    case = {"number": "V-1", "received_on": NOW.date(), "department": "finanzen", "duplicate_of": None}
    return Context(NOW, "test", application, case, **more)


def invoice(**more: Any) -> dict[str, Any]:
    """Only what the routing asks for."""
    signs = dict.fromkeys(("buyer_reference", "order_number", "supplier_vat", "discount"))
    return {"number": "1", **signs, **more}


def only_task(step: Step) -> UserTask:
    (task,) = (effect for effect in step.effects if isinstance(effect, UserTask))
    return task


class TestTradeNotice:
    def test_samples_keep_the_xsd_made_from_the_data_schema(self) -> None:
        schema = Process(read_folder(TRADE)).schema
        assert schema is not None
        xsd = etree.XMLSchema(etree.fromstring(schema.to_xsd()))
        for sample in sorted((TRADE / "samples").glob("*.xml")):
            assert xsd.validate(etree.parse(sample)), (sample.name, xsd.error_log)

    def test_a_missing_permit_never_stops_the_certificate(self) -> None:
        process = Process(read_folder(TRADE))
        application = read_application(process, (TRADE / "samples/restaurant-residence-permit.xml").read_bytes())
        step = process.model.start(context(application))
        task = only_task(step)
        assert task.element == "review_special"
        step = process.model.resume(step.state, TaskDone(task.wait, {"review_result": "certify"}), context(application))
        assert [effect.element for effect in step.effects if isinstance(effect, workflows.Notice)] == ["issue_receipt"]

    @pytest.mark.parametrize(
        ("nationalities", "title", "missing"),
        [
            (["TR"], None, True),
            (["TR", "DE"], None, False),
            (["FR"], None, False),
            (["TR"], {"status": "unbefristet"}, False),
        ],
    )
    def test_a_residence_title_is_asked_for_only_outside_the_single_market(
        self, nationalities: list[str], title: dict[str, Any] | None, missing: bool
    ) -> None:
        process = Process(read_folder(TRADE))
        application = read_application(process, (TRADE / "samples/plain.xml").read_bytes())
        person = {**application["anzeigende_person"], "staatsangehoerigkeit": nationalities, "aufenthaltstitel": title}
        step = process.model.start(context({**application, "anzeigende_person": person}))
        assert ("Angaben zum Aufenthaltstitel" in step.variables["missing"]) is missing


class TestBuildingPermit:
    @pytest.mark.parametrize(
        ("sample", "first", "second"),
        [("house", date(2026, 12, 23), None), ("apartments", None, date(2027, 2, 23))],
    )
    def test_one_of_the_two_periods_applies(self, sample: str, first: date | None, second: date | None) -> None:
        process = Process(read_folder(BUILDING))
        application = read_application(process, (BUILDING / f"samples/{sample}.json").read_bytes())
        rules = {rule.id: rule for rule in process.profile.deadlines}
        scope = {"application": application, "starts_on": NOW.date()}
        assert expression(rules["decision_66_1"].due or "")(scope) == first
        assert expression(rules["decision_66_2"].due or "")(scope) == second
        assert {rules[name].starts for name in ("decision_66_1", "decision_66_2")} == {"complete-confirmed"}
        assert rules["decision_66_1"].fiction

    def test_the_building_application_decides_alone(self) -> None:
        """No form of the hub asks a caseworker to grant or refuse."""
        process = Process(read_folder(BUILDING))
        forms = [process.form(path.stem) for path in (BUILDING / "forms").glob("*.yaml")]
        asked = {action.value for form in forms for action in form.submit.actions}
        assert not asked & {"grant", "granted", "refuse", "refused", "approve"}
        assert process.profile.leads.notice == process.profile.leads.deadline == "specialist-app"


class TestInvoice:
    @pytest.mark.parametrize(
        ("given", "department", "via"),
        [
            ({"buyer_reference": BUILDINGS, "order_number": "TB-1"}, "gebaeudewirtschaft", "leitweg-id"),
            ({"buyer_reference": GENERAL, "order_number": "tb-1", "supplier_vat": SUPPLIER}, "tiefbau", "order-number"),
            ({"buyer_reference": GENERAL, "supplier_vat": SUPPLIER}, "gebaeudewirtschaft", "supplier"),
            ({}, None, "person"),
        ],
        ids=["leitweg-id first", "then order number", "then supplier", "then a person"],
    )
    def test_routing_goes_from_the_surest_sign_to_a_person(
        self, given: dict[str, Any], department: str | None, via: str
    ) -> None:
        step = Process(read_folder(INVOICE)).model.start(context(invoice(**given)))
        assert (step.variables["routing"]["department"], step.variables["routing"]["via"]) == (department, via)
        assert only_task(step).element == ("check_factual" if department else "assign")

    def test_the_second_check_is_closed_to_the_person_of_the_first(self) -> None:
        model = Process(read_folder(INVOICE)).model
        given = context(invoice(buyer_reference=BUILDINGS))
        step = model.start(given)
        step = model.resume(step.state, TaskDone(only_task(step).wait, {"factual_decision": "confirm"}), given)
        assert only_task(step).element == "check_arithmetical"
        assert only_task(step).not_by == ("check_factual",)

    def test_the_department_of_a_check_is_the_one_that_was_found(self) -> None:
        step = Process(read_folder(INVOICE)).model.start(context(invoice(buyer_reference=BUILDINGS)))
        assert only_task(step).department == "gebaeudewirtschaft"

    def test_samples_are_valid_invoices_with_true_addresses_and_sums(self) -> None:
        for sample in sorted((INVOICE / "samples").glob("*.xml")):
            report = validate(sample.read_bytes())
            assert report.ok, (sample.name, report.faults)
            assert report.validated
            found = xrechnung.read(sample.read_bytes())
            assert leitweg_valid(found.buyer_reference or "")
            assert found.net_total == sum((line.net or Decimal(0) for line in found.lines), Decimal(0))
            assert found.total == (found.net_total or 0) + (found.tax_total or 0)


def test_a_rejected_hand_over_is_caught_by_each_model() -> None:
    for folder, element in ((TRADE, "hand_over"), (BUILDING, "create_case"), (INVOICE, "post_invoice")):
        assert Process(read_folder(folder)).model.catches(element, "rejected"), Path(folder).name
