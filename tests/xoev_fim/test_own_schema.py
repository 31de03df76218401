"""A schema written by hand, data that fits it, and data that does not."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from xoev import fim

DATA = Path(__file__).parent / "data"


@pytest.fixture(scope="module")
def schema() -> fim.DataSchema:
    return fim.load((DATA / "S99000000900.xdf3.xml").read_bytes())


@pytest.fixture
def report() -> dict[str, Any]:
    data: dict[str, Any] = json.loads((DATA / "fundtier.json").read_text())
    return data


def codes(schema: fim.DataSchema, data: object) -> dict[str, str]:
    return {fault.path: fault.code for fault in schema.check(data)}


def test_good_data_is_accepted_and_readable_by_names(schema: fim.DataSchema, report: dict[str, Any]) -> None:
    assert schema.uri == "urn:fim:S99000000900:1.0"
    assert schema.check(report) == []
    readable = schema.readable(report)
    assert readable["tier"][0]["groesse_in_metern"] == 0.55
    assert schema.from_readable(readable) == report


def test_every_fault_is_named_as_people_know_the_field(schema: fim.DataSchema, report: dict[str, Any]) -> None:
    del report["G99000000901"]["F99000000901"]
    fault = schema.check(report)[0]
    assert fault.message == "Pflichtangabe fehlt: Familienname (Meldende Person)"
    assert fault.path == "/G99000000901/F99000000901"
    assert fault.code == "schema.required"


@pytest.mark.parametrize(
    ("path", "value", "code"),
    [
        (["G99000000901", "F99000000901"], "", "schema.required"),
        (["G99000000901", "F99000000901"], "x" * 121, "schema.length"),
        (["G99000000901", "F99000000901"], 7, "schema.type"),
        (["G99000000901", "F99000000902"], "1984-02-30", "schema.format"),
        (["G99000000901", "F99000000903"], "abc", "schema.pattern"),
        (["G99000000902", 0, "F99000000911"], "007", "schema.enum"),
        (["G99000000902", 0, "F99000000914"], 400, "schema.range"),
        (["G99000000902", 0, "F99000000916"], ["a"] * 6, "schema.count"),
        (["G99000000902"], [], "schema.count"),
        (["F99000000931"], 1.999, "schema.format"),
        (["F99000000932"], "25:00", "schema.format"),
        (["F99000000999"], "x", "schema.additional"),
        (["G99000000903", "F99000000921"], "Tierheim", "schema.choice"),
    ],
)
def test_wrong_values(
    schema: fim.DataSchema, report: dict[str, Any], path: list[Any], value: object, code: str
) -> None:
    place: Any = report
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    assert code in codes(schema, report).values()


def test_rules_in_fixed_wording_are_checked(schema: fim.DataSchema, report: dict[str, Any]) -> None:
    broken = copy.deepcopy(report)
    del broken["G99000000901"]["F99000000903"]
    del broken["G99000000902"][1]["F99000000912"]
    assert codes(schema, broken) == {"/G99000000901": "schema.rule", "/G99000000902/1": "schema.rule"}


def test_the_reading_view_is_german_and_shows_rules_left_to_people(
    schema: fim.DataSchema, report: dict[str, Any]
) -> None:
    sections = schema.view(report)
    rows = {row.label: row.value for section in sections for row in section.rows}
    assert rows["Auslagen"] == "19,90 €"
    assert rows["Tierart"] == "Sonstiges"
    assert rows["Geburtsdatum"] == "12.08.1984"
    assert rows["Bei der meldenden Person seit"] == "20.11.2026, 18:30 Uhr"
    assert "Jungtiere" in rows["Hinweis: Jungtiere"]


def test_xml_and_json_are_two_forms_of_one_thing(schema: fim.DataSchema, report: dict[str, Any]) -> None:
    root = etree.fromstring(schema.write_xml(report))
    assert schema.read_xml(root) == report
    assert schema.check_xml(root) == []
    xsd = etree.XMLSchema(etree.fromstring(schema.to_xsd()))
    assert xsd.validate(root), xsd.error_log


def test_faults_in_xml_carry_the_line(schema: fim.DataSchema, report: dict[str, Any]) -> None:
    text = schema.write_xml(report).replace(b">true<", b">ja<").replace(b"<tier>", b"<tier><quatsch/>", 1)
    found = {fault.code: fault.line for fault in schema.check_xml(etree.fromstring(text))}
    assert found == {"schema.additional": 8, "schema.type": 10}


def test_a_foreign_root_is_one_fault(schema: fim.DataSchema) -> None:
    assert [fault.code for fault in schema.check_xml(etree.fromstring("<x/>"))] == ["schema.root"]


def test_the_form_lists_every_field(schema: fim.DataSchema) -> None:
    form = json.loads(json.dumps(schema.form()))
    assert [element["kind"] for element in form["elements"]] == ["group", "group", "choice", "field", "field", "text"]


@pytest.mark.parametrize("value", [None, 3, "text", [], ["x"], {"G99000000902": "x"}, {"G99000000901": ["x"]}])
def test_data_of_any_shape_gives_faults_and_no_crash(schema: fim.DataSchema, value: Any) -> None:
    assert schema.check(value)
    if isinstance(value, dict):
        schema.readable(value)
        schema.view(value)


def test_a_broken_file_lists_all_its_faults() -> None:
    text = (DATA / "S99000000900.xdf3.xml").read_text()
    text = text.replace("<xdf:anzahl>1:*</xdf:anzahl>", "<xdf:anzahl>viele</xdf:anzahl>")
    text = text.replace("<code>bool</code>", "<code>janein</code>").replace('pattern="[0-9', 'pattern="([0-9')
    with pytest.raises(fim.SchemaError) as caught:
        fim.load(text.encode())
    assert {fault.code for fault in caught.value.faults} >= {"fim.multiplicity", "fim.code"}
    assert all(fault.line for fault in caught.value.faults)
