"""FEEL: exact numbers, null semantics, dates, lists, bounds, and errors that name their place."""

from __future__ import annotations

import contextlib
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflows.feel import ExpressionError, Months, expression, scope, unary_tests
from workflows.feel.values import feel

NOW = datetime(2026, 11, 23, 23, 30, tzinfo=UTC)
NAMES = {
    "amount": 2000, "type": "b", "straße": {"plz": "67547"}, "none": None, "ratio": 0.1,
    "dogs": [{"name": "Balu", "age": 5}, {"name": "Rex", "age": 2}],
    "application": {"born": "1984-03-12"},
}  # fmt: skip


def value(source: str):
    return expression(source)(NAMES, now=NOW)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("0.1 + 0.2 = 0.3", True),
        ("ratio * 3 = 0.3", True),
        ("= 1 + 2 * 3", 7),
        ("2 ** 3", 8),
        ("10 / 4", Decimal("2.5")),
        ("1 / 0", None),
        ('amount > 1000 and type in ("a", "b")', True),
        ("amount in [1..2000]", True),
        ("amount in [1..2000)", False),
        ("amount in (< 10, > 1999)", True),
        ("5 between 1 and 10 and true", True),
        ("if amount > 1 then 1 else 2", 1),
        ("straße.plz", "67547"),
        ("missing", None),
        ("missing.deep.deeper", None),
        ("missing = null", True),
        ("null and false", False),
        ("null or true", True),
        ("null and true", None),
        ("1 = \"1\"", None),
        ("not(true)", False),
        ("is defined(none)", True),
        ("is defined(missing)", False),
        ("dogs[age > 3].name", ["Balu"]),
        ("dogs[2].name", "Rex"),
        ("dogs[-1].name", "Rex"),
        ("count(dogs)", 2),
        ("sum(dogs.age)", 7),
        ("some dog in dogs satisfies dog.age > 3", True),
        ("every dog in dogs satisfies dog.age > 3", False),
        ("for i in 1..3 return i * i", [1, 4, 9]),
        ("[1, 1, 2]", [1, 1, 2]),
        ("distinct values([1, 1, 2])", [1, 2]),
        ("{a: 1, b: a + 1}.b", 2),
        ('"Änd" + "erung"', "Änderung"),
        ('string length("äöü")', 3),
        ('starts with("Hundesteuer", "Hund")', True),
        ('substring("Aktenzeichen", 1, 4)', "Akte"),
        ("round half up(2.345, 2)", Decimal("2.35")),
        ("floor(-1.5)", -2),
        ("ceiling(1.2)", 2),
        ('date("2026-01-31") + duration("P1M")', date(2026, 2, 28)),
        ('date("2026-11-23") - date("2026-11-01")', timedelta(days=22)),
        ('(date("2026-11-23") - date("2026-11-01")).days', 22),
        ('date(application.born) < today() - duration("P18Y")', True),
        ("today()", date(2026, 11, 24)),  # the legal day in Germany
        ("now()", NOW),
        ('@"P3M"', Months(3)),
        ('date("2026-11-23").year', 2026),
        ('string(date("2026-11-23"))', "2026-11-23"),
        ("string(1.50)", "1.50"),
        ('number("1.234,5", ".", ",")', Decimal("1234.5")),
    ],
)  # fmt: skip
def test_values(source, expected):
    found = value(source)
    assert found == expected
    assert (found is None) == (expected is None)


@pytest.mark.parametrize(
    ("cell", "tested", "expected"),
    [("-", 1, True), ("", 1, True), ("< 5", 3, True), ('"a", "b"', "b", True), ('not("a")', "a", False),
     ("[1..3]", 2, True), ("]1..3[", 1, False), ("? > 2 and ? < 4", 3, True), ("-5", -5, True), ("null", None, True)],
)  # fmt: skip
def test_cells_of_a_table(cell, tested, expected):
    assert unary_tests(cell).run(scope(), feel(tested)) is expected


@pytest.mark.parametrize(
    "source",
    [
        "",
        "1 +",
        "foo(1)",
        "a == b",
        "'a'",
        "${a}",
        "if a then b",
        '"open',
        "(" * 200 + "1",
        "[1, 2",
        "a b",
        "1" * 30000,
    ],
)
def test_what_is_no_feel_is_refused(source):
    with pytest.raises(ExpressionError):
        expression(source)


@pytest.mark.parametrize(
    "source",
    ["for x in 1..1000000000 return x", "some x in 1..1000000000 satisfies false", "9**9**9**9",
     "for a in 1..9999 return for b in 1..9999 return 1", "count(1, 2, 3)"],
)  # fmt: skip
def test_what_never_ends_or_grows_without_bound_is_stopped(source):
    with pytest.raises(ExpressionError):
        value(source)


def test_an_error_names_its_place():
    with pytest.raises(ExpressionError, match="Element „x“"):
        expression("count(1, 2)").evaluate(scope(), "Element „x“")


def test_paths_tell_what_an_expression_reads():
    paths = expression("dogs[age > limit].name = application.x.y and case.n > 1").paths
    assert {("dogs",), ("application", "x", "y"), ("case", "n")} <= paths


@given(st.text(max_size=60))
def test_any_text_compiles_or_is_refused(text):
    for compile_it in (expression, unary_tests):
        with contextlib.suppress(ExpressionError):
            compile_it(text)


@given(st.decimals(-(10**9), 10**9, places=2), st.decimals(-(10**9), 10**9, places=2))
def test_sums_are_exact(a, b):
    assert expression("a + b")({"a": a, "b": b}) == a + b
