"""The distribution's Chromium, driven by Playwright."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# Nothing of the browser's own traffic: a closed network would make every start slow.
_QUIET = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
)


def chromium_program() -> str:
    """The browser's path, or the one ``CHROMIUM`` names. Raises FileNotFoundError with the remedy."""
    if named := os.environ.get("CHROMIUM"):
        return named
    for name in _NAMES:
        if found := shutil.which(name):
            return found
    raise FileNotFoundError("Chromium is not installed: sudo apt-get install --no-install-recommends chromium")


@contextmanager
def running_browser() -> Iterator[Browser]:
    """A headless browser. Keep it short: Playwright keeps an event loop in this thread as long as it runs."""
    arguments = [*_QUIET, "--no-sandbox"] if os.getuid() == 0 else [*_QUIET]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_program(), args=arguments)
        try:
            yield browser
        finally:
            browser.close()
