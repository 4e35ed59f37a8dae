"""The page before a service that asks for API keys."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.served import RunningService, end, soon, start
from service.weights.formats import read_tiles
from tests.web.conftest import SHIPPED_MODEL, watched_page

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300), pytest.mark.xdist_group("web")]

WHOLE, SMALL = "a-key-for-everything", "a-key-for-predictions"


@pytest.fixture(scope="module")
def locked(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    home: Path = tmp_path_factory.mktemp("locked") / "home"
    keys = f"{WHOLE}:predict+train,{SMALL}:predict"
    running = start(home, default_model=SHIPPED_MODEL, api_keys=keys)
    soon(running.is_ready, 120)
    yield running
    end(running)


@pytest.fixture
def page(browser: Any, locked: RunningService) -> Iterator[Any]:
    with watched_page(browser, locked) as page:
        yield page


def asked(page: Any, why: str) -> None:
    page.locator("#key-form:visible #key-said", has_text=why).wait_for()


def enter(page: Any, key: str) -> None:
    page.get_by_label("API key").fill(key)
    page.get_by_role("button", name="Use this key").click()


def predict_cell(page: Any) -> None:
    page.locator("#predict-form").get_by_role("radio", name="NAS-Bench-201 cell").check()
    page.get_by_role("button", name="Predict").click()


def test_a_key_is_asked_for_and_opens_everything(page: Any, locked: RunningService) -> None:
    page.goto(locked.url)
    asked(page, "This service asks for an API key.")
    enter(page, "no-such-key")
    asked(page, "This API key is not known.")
    field = page.get_by_label("API key")
    assert field.input_value() == "" and page.evaluate("document.activeElement.name") == "key"
    field.fill(WHOLE)
    field.press("Enter")
    page.locator("#predict-form [name=model] option", has_text=SHIPPED_MODEL).first.wait_for(state="attached")
    assert not field.is_visible()

    predict_cell(page)
    page.get_by_text("The curve over a histogram").wait_for()
    with page.expect_download() as saved:
        page.locator("[data-output=tiles]").click()
    assert saved.value.suggested_filename.endswith(".tiles.safetensors")
    assert len(read_tiles(saved.value.path()).blocks) == 201

    page.get_by_role("link", name="Rank").click()
    page.get_by_role("button", name="Try 50 random cells").click()
    page.get_by_role("button", name="Rank", exact=True).click()
    page.get_by_text("50 architectures, by accuracy").wait_for()
    page.get_by_role("link", name="Train").click()
    page.get_by_label("Search", exact=True).check()
    page.get_by_label("Architectures to score").fill("20")
    page.get_by_role("button", name="Start").click()
    # Its events come over a stream that carries the key.
    page.locator(".job").first.locator(".ranking tbody tr").first.wait_for()
    page.reload()
    page.locator(".job summary", has_text="search of nasbench201").wait_for()
    assert not field.is_visible()


def test_a_key_that_may_not_do_everything(page: Any, locked: RunningService) -> None:
    page.goto(f"{locked.url}/#predict")
    enter(page, SMALL)
    predict_cell(page)
    page.get_by_text("The curve over a histogram").wait_for()
    page.get_by_role("link", name="Train").click()
    asked(page, "This API key lacks the scope 'train'.")
    enter(page, WHOLE)
    page.locator("#training").get_by_text("lacks the scope").wait_for(state="detached")
    assert not page.get_by_label("API key").is_visible()


def test_a_key_is_gone_with_its_tab(browser: Any, page: Any, locked: RunningService) -> None:
    page.goto(locked.url)
    enter(page, WHOLE)
    page.locator("#predict-form [name=model] option", has_text=SHIPPED_MODEL).first.wait_for(state="attached")
    assert WHOLE not in page.content()
    with watched_page(browser, locked) as another:
        another.goto(locked.url)
        asked(another, "This service asks for an API key.")
