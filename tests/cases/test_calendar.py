"""Periods end when the law says (§31 VwVfG, §§187-193 BGB), in the calendar of Rheinland-Pfalz."""

from __future__ import annotations

from datetime import date

import pytest

from hub.cases.calendar import add_months, end_of_period, is_working_day


@pytest.mark.parametrize(
    ("event", "period", "unit", "end"),
    [
        ("2026-11-23", "P3D", "calendar", "2026-11-26"),
        ("2026-11-26", "P3D", "calendar", "2026-11-30"),  # would end on a Sunday
        ("2026-01-31", "P1M", "calendar", "2026-03-02"),  # 28 February 2026 is a Saturday
        ("2026-08-31", "P6M", "calendar", "2027-03-01"),  # 28 February 2027 is a Sunday
        ("2026-12-22", "P3D", "working-days", "2026-12-28"),  # both Christmas days are holidays
        ("2026-06-03", "P1D", "working-days", "2026-06-05"),  # Fronleichnam, 4 June, is a holiday here
        ("2026-11-23", "P2W", "calendar", "2026-12-07"),
    ],
)
def test_a_period_ends_on_its_legal_day(event: str, period: str, unit: str, end: str) -> None:
    assert end_of_period(date.fromisoformat(event), period, unit=unit) == date.fromisoformat(end)


def test_the_day_of_the_event_does_not_count_and_may_stay_on_a_weekend() -> None:
    assert end_of_period(date(2026, 11, 26), "P3D", shift=False) == date(2026, 11, 29)


def test_a_month_ends_on_its_last_day_where_the_number_is_missing() -> None:
    assert add_months(date(2027, 10, 31), 1) == date(2027, 11, 30)
    assert add_months(date(2027, 11, 30), 3) == date(2028, 2, 29)


def test_allerheiligen_is_no_working_day_in_rheinland_pfalz() -> None:
    assert not is_working_day(date(2027, 11, 1))


@pytest.mark.parametrize("wrong", ["", "P", "3 Tage", "PT5H", "P-1D"])
def test_what_is_no_period_of_days_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match="not a period"):
        end_of_period(date(2026, 1, 1), wrong)
