"""Ranking and fitting on the page, before the real service."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any

import pytest

from benchmarks.served import RunningService

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300), pytest.mark.xdist_group("web")]

# Every operation once; nothing; no cell at all.
GOOD = "|nor_conv_3x3~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+|skip_connect~0|nor_conv_1x1~1|nor_conv_3x3~2|"
EMPTY = "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"


def rank_examples(page: Any, service: RunningService) -> list[str]:
    """The names of 50 random cells, as they are ranked."""
    page.goto(f"{service.url}/#rank")
    page.get_by_role("button", name="Try 50 random cells").click()
    page.get_by_role("button", name="Rank", exact=True).click()
    page.locator(".ranking tbody tr").first.wait_for()
    names: list[str] = page.locator(".ranking tbody th").all_inner_texts()
    return names


def test_the_ranking_is_that_of_the_service(page: Any, web_service: RunningService, tmp_path: Path) -> None:
    names = rank_examples(page, web_service)
    assert len(names) == 50
    cells = page.get_by_label("Architectures, one per line").input_value().split("\n")
    assert len(set(cells)) == 50
    asked = {"architectures": [{"format": "nasbench201", "cell": cell} for cell in cells]}
    wanted = web_service.post("/rank-architectures", asked).json()["result"]["ranking"]
    with page.expect_download() as saved:
        page.get_by_role("button", name="Download JSON").click()
    told = json.loads(Path(saved.value.path()).read_text())
    assert told["predictor"] == "ranker"
    assert [(row["index"], row["score"]) for row in told["ranking"]] == [
        (row["index"], row["score"]) for row in wanted
    ]
    assert all(row["architecture"]["cell"] == cells[row["index"]] for row in told["ranking"])
    with page.expect_download() as saved:
        page.get_by_role("button", name="Download CSV").click()
    with Path(saved.value.path()).open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["index"]) for row in rows] == [row["index"] for row in wanted]
    assert [row["name"] for row in rows] == names
    assert json.loads(rows[0]["architecture"]) == told["ranking"][0]["architecture"]


def test_a_ranking_has_an_address(page: Any, web_service: RunningService) -> None:
    page.goto(f"{web_service.url}/#rank")
    page.get_by_label("Property").first.select_option("latency")
    page.get_by_label("Keep the best").fill("7")
    names = rank_examples(page, web_service)
    address = page.url
    assert "/#rank/list:" in address and "property=latency" in address and len(names) == 7
    cells = page.get_by_label("Architectures, one per line").input_value()
    # Another browser has nothing but the address.
    page.goto("about:blank")
    page.evaluate("() => { window.name = ''; }")
    page.goto(address)
    page.locator(".ranking tbody tr").first.wait_for()
    assert page.locator(".ranking tbody th").all_inner_texts() == names
    assert page.get_by_label("Architectures, one per line").input_value().count("\n") == cells.count("\n")
    assert page.get_by_label("Keep the best").input_value() == "7"
    page.get_by_role("button", name="Copy link").wait_for()
    page.goto(f"{web_service.url}/#rank/job:{'0' * 32}")
    page.locator("#ranking .problem").first.wait_for()


def test_the_button_waits_for_the_ranking(page: Any, web_service: RunningService) -> None:
    page.goto(f"{web_service.url}/#rank")
    page.get_by_role("button", name="Try 50 random cells").click()
    page.route("**/rank-architectures*", lambda route: None)  # never answered
    button = page.locator("#rank-form button[type=submit]")
    button.click()
    page.locator("#ranking progress").wait_for()
    assert button.is_disabled()
    page.unroute("**/rank-architectures*")


def test_the_fastest_come_first(page: Any, web_service: RunningService) -> None:
    """What ships predicts latency too; of that, less is better."""
    page.goto(f"{web_service.url}/#rank")
    form = page.locator("form:has([name=top_k])")
    page.get_by_role("button", name="Try 50 random cells").click()
    form.locator("[name=property]").select_option("latency")
    assert form.locator("[name=order]").input_value() == "ascending"
    assert form.locator("[name=predictor]").input_value() == "latency-cpu"
    page.get_by_role("button", name="Rank", exact=True).click()
    page.locator(".ranking tbody tr").first.wait_for()
    times = [
        float(text)
        for text in page.locator(".ranking tbody tr > [data-title='latency, ms']").all_inner_texts()
    ]
    assert len(times) == 50 and times == sorted(times) and times[0] < times[-1] / 2
    form.locator("[name=property]").select_option("robustness")
    assert form.locator("[name=order]").input_value() == "descending"


def test_columns_sort(page: Any, web_service: RunningService) -> None:
    names = rank_examples(page, web_service)
    page.locator(".ranking").get_by_role("button", name="Rank").click()
    assert page.locator(".ranking tbody th").all_inner_texts() == names[::-1]
    page.locator(".ranking").get_by_role("button", name="Name", exact=True).press("Enter")
    sorted_names = page.locator(".ranking tbody th").all_inner_texts()
    assert sorted(sorted_names) == sorted(names) and sorted_names != names
    assert page.locator("th[aria-sort=ascending]").inner_text().startswith("Name")


def test_the_chart_answers_keys_and_pointer(page: Any, web_service: RunningService) -> None:
    names = rank_examples(page, web_service)
    said = page.locator(".readout")
    page.locator(".plot").focus()
    page.keyboard.press("End")
    assert said.inner_text().startswith(f"50. {names[-1]}: score")
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    assert said.inner_text().startswith(f"2. {names[1]}: score")
    page.keyboard.press("Escape")
    assert "Point at a dot" in said.inner_text()
    page.locator(".plot").hover()
    assert names[int(said.inner_text().split(".")[0]) - 1] in said.inner_text()


def test_a_row_opens_in_the_predict_view(page: Any, web_service: RunningService) -> None:
    names = rank_examples(page, web_service)
    page.locator(".ranking").get_by_role("button", name=names[2]).first.press("Enter")
    page.get_by_text("The curve over a histogram").wait_for()
    assert page.locator("#predict-form").get_by_role("radio", name="NAS-Bench-201 cell").is_checked()
    chosen = page.locator("#predict-form .cell-edges select").evaluate_all(
        "all => all.map((each) => each.selectedOptions[0].textContent)"
    )
    assert " · ".join(chosen) == names[2]
    page.go_back()
    assert page.locator(".ranking tbody tr").count() == 50


def test_what_cannot_be_ranked_is_set_aside(page: Any, web_service: RunningService) -> None:
    page.goto(f"{web_service.url}/#rank")
    page.get_by_role("button", name="Rank", exact=True).click()
    assert "No architecture yet" in page.get_by_role("alert").inner_text()
    named = json.dumps({"format": "nasbench201", "name": "the best", "cell": GOOD, "channels": 8})
    page.get_by_label("Architectures, one per line").fill(
        f"{EMPTY}\n{named}\n\nno network\ntorchvision:resnet18"
    )
    page.get_by_text("3 architectures, 1 line that will be skipped").wait_for()
    page.get_by_label("Keep the best").fill("5")
    page.locator("#rank-form").get_by_label("Predictor").select_option("structure")
    page.locator("#rank-form").get_by_label("Order").select_option("lowest first")
    page.get_by_role("button", name="Rank", exact=True).click()
    page.get_by_text("2 skipped").click()
    assert page.locator(".ranking tbody th").all_inner_texts() == ["the best", "resnet18"]
    aside = page.locator(".skipped").inner_text()
    assert "3. line 3:" in aside and "1. none · none" in aside
    page.locator(".ranking").get_by_role("button", name="the best").click()
    page.get_by_text("The curve over a histogram").wait_for()
    assert page.locator("#predict-form").get_by_role("radio", name="JSON").is_checked()
    assert (
        json.loads(page.locator("#predict-form").get_by_label("Architecture").input_value())["channels"] == 8
    )


def test_a_list_comes_from_a_file(page: Any, web_service: RunningService, tmp_path: Path) -> None:
    lines = [json.dumps({"format": "nasbench201", "cell": GOOD, "name": f"net {i}"}) for i in range(8000)]
    (tmp_path / "many.jsonl").write_text("\n".join(lines))
    page.goto(f"{web_service.url}/#rank")
    page.locator("#rank-form input[type=file]").set_input_files(tmp_path / "many.jsonl")
    page.get_by_text(re.compile(r"many\.jsonl \(.* MB\): 8,000 architectures")).wait_for()
    page.get_by_role("button", name="Rank", exact=True).click()
    page.get_by_text("8,000 architectures, by accuracy").wait_for()
    assert page.locator(".ranking tbody tr").count() == 100
    page.get_by_role("button", name="Show more of the 8,000").click()
    assert page.locator(".ranking tbody tr").count() == 1000
