"""What a posted form says: values in one shape, faults in German, hidden questions without an answer."""

from __future__ import annotations

from typing import Any

import pytest

from hub.inbox import forms
from hub.kit import web
from hub.library.profile import Form

FORM = Form.model_validate(
    {
        "title": "Prüfen",
        "fields": [
            {
                "name": "exempt",
                "label": "Befreiung",
                "type": "choice",
                "required": True,
                "choices": [{"value": "granted", "label": "ja"}, {"value": "none", "label": "nein"}],
            },
            {"name": "until", "label": "Bis", "type": "date", "required": True, "show_when": 'exempt = "granted"'},
            {"name": "fee", "label": "Gebühr", "type": "money"},
            {"name": "dogs", "label": "Hunde", "type": "integer"},
            {"name": "checked", "label": "Geprüft", "type": "boolean", "required": True},
            {"name": "remark", "label": "Vermerk", "type": "longtext"},
            {"name": "papers", "label": "Unterlagen", "type": "documents"},
        ],
        "submit": {
            "name": "decision",
            "actions": [
                {"value": "accept", "label": "Annehmen"},
                {"value": "refuse", "label": "Ablehnen", "needs": ["remark"]},
            ],
        },
    }
)


def posted(**values: Any) -> web.Form:
    pairs = [
        (f"f_{name}", item)
        for name, value in values.items()
        for item in (value if isinstance(value, list) else [value])
    ]
    return web.Form(pairs)


def test_a_complete_form_gives_plain_values() -> None:
    answers = forms.read(
        FORM,
        posted(
            exempt="granted",
            until="2026-12-31",
            fee="1.234,5",
            dogs="2",
            checked="false",
            remark=" zwei\r\nZeilen ",
            papers=["a", "b"],
        ),
        ["a", "b"],
    )
    assert answers.faults == {}
    assert answers.values == {
        "exempt": "granted",
        "until": "2026-12-31",
        "fee": "1234.50",
        "dogs": 2,
        "checked": False,
        "remark": "zwei\nZeilen",
        "papers": ["a", "b"],
    }


def test_a_hidden_question_is_neither_asked_nor_answered() -> None:
    answers = forms.read(FORM, posted(exempt="none", until="not a date", checked="true"))
    assert answers.faults == {}
    assert "until" not in answers.values
    assert [item.name for item in forms.shown(FORM, {"exempt": "none"})][:2] == ["exempt", "fee"]


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("until", "31.02.2026", "Datum"),
        ("fee", "viel", "Betrag"),
        ("fee", "1,234", "Betrag"),
        ("dogs", "2,5", "ganze Zahl"),
        ("exempt", "perhaps", "Auswahl"),
        ("checked", "maybe", "nein"),
        ("papers", "of-another-case", "Dokumente"),
        ("remark", "x" * 20_001, "kürzen"),
    ],
)
def test_each_fault_says_what_is_expected(name: str, value: str, says: str) -> None:
    answers = forms.read(
        FORM, posted(**({"exempt": "granted", "until": "1.2.2027", "checked": "true"} | {name: value}))
    )
    assert says in answers.faults[name]
    assert len(answers.faults) == 1


def test_compulsory_questions_are_asked_for() -> None:
    assert set(forms.read(FORM, posted()).faults) == {"exempt", "checked", "until"} - {"until"}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("120", "120.00"),
        ("120,5", "120.50"),
        ("1.200", "1200.00"),
        ("1.200,00 €", "1200.00"),
        ("12.5", "12.50"),
        ("-3", "-3.00"),
    ],
)
def test_amounts_as_people_write_them(text: str, value: str) -> None:
    assert forms.read(FORM, posted(exempt="none", checked="true", fee=text)).values["fee"] == value


def test_only_buttons_of_the_form_count() -> None:
    assert forms.action(FORM, posted(decision="accept")) == "accept"
    assert forms.action(FORM, posted(decision="drop table")) is None


def test_answers_in_words() -> None:
    rows = forms.in_words(
        FORM,
        {
            "exempt": "granted",
            "until": "2026-12-31",
            "fee": "1234.50",
            "checked": False,
            "papers": ["a"],
            "decision": "accept",
        },
        {"a": "Plan"},
    )
    assert rows == [
        ("Befreiung", "ja"),
        ("Bis", "31.12.2026"),
        ("Gebühr", "1234,50 €"),
        ("Geprüft", "nein"),
        ("Unterlagen", "Plan"),
        ("Entscheidung", "Annehmen"),
    ]


def test_a_button_asks_for_the_fields_it_needs() -> None:
    complete = {"exempt": "none", "checked": "true"}
    assert forms.read(FORM, posted(**complete, decision="accept")).faults == {}
    refused = forms.read(FORM, posted(**complete, decision="refuse"))
    assert list(refused.faults) == ["remark"]
    assert "„Ablehnen“" in refused.faults["remark"]
    assert forms.read(FORM, posted(**complete, remark="weil", decision="refuse")).faults == {}
    assert [forms.needed_for(FORM, item) for item in FORM.fields if item.name in {"remark", "fee"}] == [
        [],
        ["Ablehnen"],
    ]


def test_a_button_cannot_need_what_the_form_does_not_ask() -> None:
    with pytest.raises(ValueError, match="nirgends"):
        Form.model_validate(
            {"title": "x", "submit": {"actions": [{"value": "a", "label": "A", "needs": ["nirgends"]}]}}
        )
