"""A headless Chromium before a whole service. Skipped where there is no Chromium: nothing else needs one."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from benchmarks.served import RunningService, end, soon, start

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--no-proxy-server",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SHIPPED_MODEL = "ghn2-cifar10"


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("there is no Chromium on this machine (Debian: apt-get install chromium)")
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def web_service(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """Depends on the browser, so that nothing is started where there is none."""
    home: Path = tmp_path_factory.mktemp("web") / "home"
    running = start(home, default_model=SHIPPED_MODEL)
    soon(running.is_ready, 120)
    yield running
    end(running)


@pytest.fixture
def page(browser: Any, web_service: RunningService) -> Iterator[Any]:
    with watched_page(browser, web_service) as page:
        yield page


@contextmanager
def watched_page(browser: Any, service: RunningService) -> Iterator[Any]:
    """An empty page that fails the test for anything that goes wrong in it, or that asks elsewhere."""
    # Without motion, a place that was asked for is still the place when it is used.
    context = browser.new_context(
        accept_downloads=True, reduced_motion="reduce", viewport={"width": 1000, "height": 900}
    )
    page = context.new_page()
    page.set_default_timeout(90_000)
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda message: wrong.append(message.text) if is_alarming(message) else None)
    page.on("request", lambda r: None if is_ours(r.url, service.url) else wrong.append(r.url))
    yield page
    context.close()
    assert not wrong


def is_alarming(message: Any) -> bool:
    """Errors of scripts and of the content security policy; answers with problems are what tests ask for."""
    return message.type == "error" and "Failed to load resource" not in message.text


def is_ours(url: str, base: str) -> bool:
    return url.startswith((base, "blob:", "data:"))
