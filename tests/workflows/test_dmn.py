"""Decision tables: hit policies, aggregation, requirements, and errors that name the cell."""

from __future__ import annotations

from decimal import Decimal

import pytest

from workflows import ExpressionError, dmn
from workflows.feel import scope


def table(rules: list[tuple[str, str]], attributes: str = "", decision: str = "fee", more: str = "") -> str:
    rows = "".join(
        f"<rule><inputEntry><text>{test}</text></inputEntry><outputEntry><text>{out}</text></outputEntry></rule>"
        for test, out in rules
    )
    return (
        f'<decision id="{decision}" name="{decision}">{more}<decisionTable {attributes}><input label="Monate">'
        f'<inputExpression><text>months</text></inputExpression></input><output name="fee"/>{rows}</decisionTable>'
        "</decision>"
    )


def read(*decisions: str):
    text = '<definitions xmlns="https://www.omg.org/spec/DMN/20191111/MODEL/" id="d" name="d" namespace="n">'
    return dmn.read({"r.dmn": (text + "".join(decisions) + "</definitions>").encode()})


def decide(months: int, *decisions: str):
    found, faults = read(*decisions)
    assert faults == []
    return found.decide("fee", scope({"months": Decimal(months)}))


LOW, HIGH = ("&lt;= 6", "22.50"), ("&gt; 3", "45.00")


@pytest.mark.parametrize(
    ("attributes", "months", "expected"),
    [
        ("", 2, Decimal("22.50")),
        ("", 12, Decimal("45.00")),
        ('hitPolicy="FIRST"', 5, Decimal("22.50")),
        ('hitPolicy="COLLECT"', 5, [Decimal("22.50"), Decimal("45.00")]),
        ('hitPolicy="RULE ORDER"', 5, [Decimal("22.50"), Decimal("45.00")]),
        ('hitPolicy="COLLECT" aggregation="SUM"', 5, Decimal("67.50")),
        ('hitPolicy="COLLECT" aggregation="MIN"', 5, Decimal("22.50")),
        ('hitPolicy="COLLECT" aggregation="MAX"', 5, Decimal("45.00")),
        ('hitPolicy="COLLECT" aggregation="COUNT"', 5, 2),
    ],
)
def test_hit_policies(attributes, months, expected):
    assert decide(months, table([LOW, HIGH], attributes)) == expected


def test_several_hits_in_a_unique_table_name_the_rules():
    with pytest.raises(ExpressionError, match="1, 2"):
        decide(5, table([LOW, HIGH]))


def test_any_wants_equal_results():
    assert decide(5, table([("-", "1"), ("5", "1")], 'hitPolicy="ANY"')) == 1
    with pytest.raises(ExpressionError, match="ANY"):
        decide(5, table([("-", "1"), ("5", "2")], 'hitPolicy="ANY"'))


def test_a_decision_reads_what_it_requires():
    need = '<informationRequirement><requiredDecision href="#base"/></informationRequirement>'
    base = '<decision id="base" name="base"><literalExpression><text>months * 10</text></literalExpression></decision>'
    assert decide(3, base, table([("-", "base + 1")], more=need)) == 31


def test_faults_name_table_rule_and_cell():
    _, faults = read(table([("-", "1"), ("&lt;", "1")]))
    assert "Regel 2, Eingabe 1" in faults[0].message
    assert (faults[0].element, faults[0].code) == ("fee", "feel.syntax")


def test_circles_and_missing_requirements_are_refused():
    need = '<informationRequirement><requiredDecision href="#{}"/></informationRequirement>'
    _, faults = read(table([LOW], more=need.format("b")), table([LOW], decision="b", more=need.format("fee")))
    assert {fault.code for fault in faults} == {"dmn.cycle"}
    _, faults = read(table([LOW], more=need.format("none")))
    assert {fault.code for fault in faults} == {"dmn.missing"}
