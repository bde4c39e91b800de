"""A browser before a running router. Everything here is skipped where there is no Chromium or no Playwright."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.luci.lab import Lab

from cwmp.lab.jsonrpc import Call

PAGES = ("status", "sessions", "parameters", "transfers", "diagnostics", "settings")
WIDE, NARROW = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
SHOTS = Path(__file__).parents[2] / "build/luci"

_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
_OURS = ("cwmp", "uci")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    program = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.skip("there is no chromium: apt-get install chromium")
    sync_api = pytest.importorskip(
        "playwright.sync_api", reason="there is no Playwright: pip install playwright"
    )
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=_ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def lab(browser: Any) -> Iterator[Lab]:
    with tempfile.TemporaryDirectory(prefix="cwmp-luci-", ignore_cleanup_errors=True) as directory:
        lab = Lab(Path(directory) / "r")
        lab.start()
        yield lab
        lab.stop()
        print(lab.log())


@dataclass
class Tab:
    """A page of the application in a browser, and everything that went wrong in it; `expected` may."""

    lab: Lab
    page: Any
    wrong: list[str] = field(default_factory=list)
    expected: str = ""

    def open(self, name: str) -> Any:
        self.page.goto(f"{self.lab.url}/cgi-bin/luci/admin/services/tr069/{name}")
        self.page.wait_for_selector("#view .tr069, #view .cbi-map")
        return self.page

    def calls(self) -> list[Call]:
        """What was called since this was last asked, LuCI's own calls left out."""
        found = [call for call in self.lab.calls if call.object.startswith(_OURS)]
        self.lab.calls.clear()
        return found


@pytest.fixture
def new_tab(lab: Lab, browser: Any) -> Iterator[Any]:
    """``new_tab(user="admin", viewport=WIDE, dark=False)``. An error in a page is an error of the test."""
    tabs: list[Tab] = []

    def make(user: str = "admin", viewport: dict[str, int] = WIDE, *, dark: bool = False) -> Tab:
        context = browser.new_context(
            viewport=viewport,
            screen=viewport,
            color_scheme="dark" if dark else "light",
            reduced_motion="reduce",
        )
        context.add_cookies([{"name": "sysauth", "value": lab.login(user), "url": lab.url}])
        context.set_default_timeout(10_000)
        page = context.new_page()
        tab = Tab(lab, page)
        page.on("pageerror", lambda error: tab.wrong.append(f"error in the page: {error}"))
        page.on("console", lambda m: m.type == "error" and tab.wrong.append(f"console: {m.text}"))
        page.on("response", lambda r: r.status >= 400 and tab.wrong.append(f"{r.status} {r.url}"))
        page.on("dialog", lambda dialog: tab.wrong.append(f"dialog: {dialog.message}") or dialog.dismiss())
        tabs.append(tab)
        return tab

    lab.calls.clear()
    yield make
    for tab in tabs:
        tab.page.context.close()
    wrong = [text for tab in tabs for text in tab.wrong if not tab.expected or tab.expected not in text]
    unknown = [call for call in lab.calls if call.code in {-32601, -32002, 2, 3}]
    assert not wrong
    assert not unknown
