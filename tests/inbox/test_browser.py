"""The pages in a real browser: by keyboard, with and without JavaScript, without a single complaint of the browser."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from hub.cases.model import Case
from tests.inbox.conftest import PASSWORD, Office

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser


@contextmanager
def signed_in(browser: Browser, office: Office, name: str, *, script: bool = True, width: int = 1280) -> Iterator[Page]:
    """A page of a person who signed in with the keyboard; complaints of the browser fail the test."""
    context = browser.new_context(
        java_script_enabled=script, viewport={"width": width, "height": 800}, locale="de-DE", base_url=office.address
    )
    page = context.new_page()
    complaints: list[str] = []
    page.on(
        "console",
        lambda said: (
            complaints.append(said.text)
            if said.type in {"error", "warning"} and "status of 422" not in said.text
            else None
        ),
    )
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto("/login")
    page.get_by_label("Anmeldename").fill(name)
    page.get_by_label("Passwort").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/")
    yield page
    context.close()
    assert complaints == []


def decide(page: Page) -> None:
    page.get_by_role("group", name="Wohnung im Melderegister").get_by_label("Ja").check()
    page.get_by_role("group", name="Fahrzeug und Kennzeichen").get_by_label("Ja").check()
    page.get_by_role("button", name="Erteilen").click()
    page.get_by_text("ist gespeichert").wait_for()


def test_claiming_in_place_and_deciding(browser: Browser, office: Office, permit: Case) -> None:
    with signed_in(browser, office, "plain") as page:
        page.get_by_role("button", name="Übernehmen").click()
        page.get_by_text("bei mir").wait_for()
        assert office.task(permit).claimed_by == "plain"
        page.get_by_role("link", name="Antrag prüfen und entscheiden").click()
        page.get_by_role("heading", name="Antrag", exact=True).wait_for()
        page.locator("#picture").scroll_into_view_if_needed()
        page.locator(".bpmn .mark-now").first.wait_for(state="attached")
        assert page.locator(".bpmn .mark-done").count() > 3
        decide(page)


def test_everything_works_without_javascript_on_a_small_screen(browser: Browser, office: Office, permit: Case) -> None:
    with signed_in(browser, office, "plain", script=False, width=390) as page:
        page.get_by_role("button", name="Übernehmen").click()
        page.get_by_text("Sie haben die Aufgabe übernommen.").wait_for()
        page.get_by_role("link", name="Antrag prüfen und entscheiden").click()
        page.get_by_role("button", name="Erteilen").click()
        page.get_by_text("Bitte prüfen Sie Ihre Eingaben").wait_for()
        decide(page)
        width = page.locator("body").bounding_box()
        assert width
        assert width["width"] <= 390


def test_the_skip_link_comes_first(browser: Browser, office: Office) -> None:
    with signed_in(browser, office, "plain") as page:
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Zum Inhalt springen"
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "content"
