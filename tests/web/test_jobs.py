"""What the page starts: fits, searches, training runs; their curves, results and cancelling."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from benchmarks.served import RunningService
from service.api.architectures import NASBENCH201_EXAMPLE
from service.contract.search import SPACES
from service.graph_io.cells.nasbench201 import OPERATIONS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600), pytest.mark.xdist_group("web")]

PATIENCE_MS = 300_000
STARTS, PARTS = ("predicted", "random"), ("training", "validation")
CELL = "|{}~0|+|{}~0|{}~1|+|{}~0|{}~1|{}~2|"


def results(n: int) -> list[str]:
    """Lines `cell,value`: the more convolutions, the higher."""
    lines = []
    for number in range(n):
        names = [OPERATIONS[1 + (number // 4**edge) % 4] for edge in range(6)]
        cell = CELL.format(*names)
        value = sum({"nor_conv_3x3": 3.0, "nor_conv_1x1": 1.0}.get(name, 0.0) for name in names)
        lines.append(f"{cell},{70 + value}")
    return lines


def test_a_predictor_is_fitted_and_ranks(page: Any, web_service: RunningService) -> None:
    lines = results(24)
    page.goto(f"{web_service.url}/#rank")
    form = page.locator("#fit-form")
    form.locator("[name=name]").fill("from-the-page")
    form.get_by_role("button", name="Fit").click()
    form.get_by_text("No results yet").wait_for()
    form.locator("textarea").fill("\n".join(["cell,speed", *lines, "broken"]))
    form.get_by_text("24 results; 1 that cannot be read, first line 26").wait_for()
    form.get_by_role("button", name="Fit").click()
    assert "line 26" in form.get_by_role("alert").inner_text()
    form.locator("textarea").fill("\n".join(["cell,speed", *lines]))
    form.get_by_label("Property").fill("speed")
    form.get_by_role("button", name="Fit").click()
    form.get_by_text("is ready, and chosen above").wait_for(timeout=PATIENCE_MS)
    assert page.locator("#rank-form [name=predictor]").input_value() == "from-the-page"
    assert page.locator("#rank-form [name=property]").input_value() == "speed"
    page.get_by_role("button", name="Try 50 random cells").click()
    page.get_by_role("button", name="Rank", exact=True).click()
    page.get_by_text("50 architectures, by speed, with from-the-page").wait_for()
    titles = page.locator(".ranking thead th").all_inner_texts()
    assert [title.split()[0] for title in titles] == ["Rank", "Name", "speed", "90%", "Score"]
    whiskers = page.locator(".plot .whiskers").get_attribute("d")
    assert whiskers.count("V") == 50
    form.get_by_role("button", name="Fit").click()
    form.get_by_text("There is a model 'from-the-page' already").wait_for()
    form.get_by_label("Replace a predictor that has this name").check()
    form.get_by_role("button", name="Fit").click()
    form.get_by_text("is ready, and chosen above").wait_for(timeout=PATIENCE_MS)


def test_a_search_shows_what_it_found(page: Any, web_service: RunningService) -> None:
    page.goto(f"{web_service.url}/#train")
    page.get_by_label("Search", exact=True).check()
    page.get_by_label("Architectures to score").fill("60")
    page.get_by_label("Trade off against").select_option("parameters")
    page.get_by_role("button", name="Start").click()
    job = page.locator(".job").first
    job.locator(".ranking tbody tr").first.wait_for(timeout=PATIENCE_MS)
    assert job.locator(".tag").inner_text() == "succeeded"
    assert "60 architectures scored with" in job.inner_text()
    assert job.get_by_role("img", name="Pareto front: score: from").count() == 1
    assert job.get_by_role("img", name="Best score so far: from").count() == 1
    job.locator(".ranking").get_by_role("button", name="conv").first.click()
    page.get_by_text("The curve over a histogram").wait_for()


def test_a_network_is_fine_tuned_and_its_weights_are_saved(page: Any, web_service: RunningService) -> None:
    page.goto(f"{web_service.url}/#train")
    page.get_by_label("Fine-tune", exact=True).check()
    page.locator("#tuning-source").get_by_role("radio", name="JSON").check()
    network = page.locator("#tuning-source").get_by_label("Architecture")
    network.fill("{")
    page.get_by_role("button", name="Start").click()
    page.locator("#train-trouble").get_by_text("This is not JSON").wait_for()
    network.fill(json.dumps({**NASBENCH201_EXAMPLE, "channels": 4, "cells_per_stage": 1, "image_size": 16}))
    page.get_by_label("Epochs").fill("2")
    page.get_by_label("Images at most").fill("128")
    page.get_by_label("Train from both starts, and compare").check()
    page.get_by_role("button", name="Start").click()
    job = page.locator(".job").first
    button = job.get_by_role("button", name="Download the weights")
    button.wait_for(timeout=PATIENCE_MS)
    # Both starts, training and validation, in one chart each.
    accuracy = job.get_by_role("img", name="Accuracy, %").get_attribute("aria-label")
    assert all(f"{start} start, {part}: from" in accuracy for start in STARTS for part in PARTS)
    job.get_by_role("img", name="Loss, predicted start").hover()
    assert "epoch" in job.locator("figcaption").first.inner_text()
    job.get_by_text(re.compile("start was better by|both starts had the same accuracy")).wait_for()
    job.get_by_text("test accuracy, random start").wait_for()
    with page.expect_download() as download:
        button.click()
    assert download.value.suggested_filename.endswith(".safetensors")


def test_a_training_run_is_seen_and_cancelled(page: Any, web_service: RunningService) -> None:
    page.goto(f"{web_service.url}/#train")
    form = page.locator("#train-form")
    form.get_by_label("Name", exact=True).fill("web-cancelled")
    form.get_by_label("Minutes").fill("14")
    form.get_by_role("button", name="Start").click()
    job = page.locator(".job").first
    job.get_by_role("img", name="Loss, training: from").wait_for(timeout=PATIENCE_MS)
    form.get_by_role("button", name="Start").click()
    form.get_by_text("A job that trains 'web-cancelled' is under way").wait_for()
    # The list that is asked for again keeps what is open.
    page.get_by_role("button", name="Refresh").click()
    assert job.locator(".chart").count() > 0
    job.get_by_role("button", name="Cancel").click()
    job.locator(".tag.cancelled").wait_for()
    assert job.get_by_role("button", name="Cancel").count() == 0
    page.reload()
    again = page.locator(".job").first
    again.locator("summary").click()
    again.get_by_role("img", name="Loss, training: from").wait_for()


def test_a_job_without_measurements(page: Any, web_service: RunningService) -> None:
    config = {"data": "nowhere", "steps": 3}
    answer = web_service.post("/training-jobs", {"kind": "ghn", "name": "web-nowhere", "config": config})
    job = web_service.final(answer.json()["id"], 200)
    assert job["status"] == "failed", json.dumps(job)
    page.goto(f"{web_service.url}/#train")
    page.locator(".job summary", has_text="failed").first.click()
    page.locator(".job [role=alert]").get_by_text("nowhere").wait_for()


def test_a_search_of_any_space_trades_off_against_costs(page: Any, web_service: RunningService) -> None:
    page.goto(f"{web_service.url}/#train")
    page.get_by_label("Search", exact=True).check()
    space, other = page.locator("[name=space]"), page.locator("[name=trade_off]")
    titles = space.locator("option").all_inner_texts()
    assert titles == [each.title for each in SPACES.values()]
    other.locator("option", has_text="latency-cpu (latency)").wait_for(state="attached")
    assert not [text for text in other.locator("option").all_inner_texts() if "accuracy" in text]
    space.select_option("NATS-Bench sizes")
    other.select_option("latency-cpu (latency)")
    page.get_by_label("Architectures to score").fill("60")
    page.get_by_role("button", name="Start", exact=True).click()
    job = page.locator(".job").first
    job.locator(".tag.succeeded").wait_for(timeout=120_000)
    job.locator("summary").click()
    job.locator(".ranking tbody tr").first.wait_for()
    job.get_by_role("img", name="Pareto front: score").wait_for()


def test_runs_are_compared_filtered_and_deleted(page: Any, web_service: RunningService) -> None:
    found = []
    for evaluations in (30, 40):
        config = {"space": "nasbench201", "evaluations": evaluations, "predictor": "structure"}
        answer = web_service.post("/training-jobs", {"kind": "search", "config": config})
        found.append(web_service.final(answer.json()["id"], 200)["id"])
    page.goto(f"{web_service.url}/#train/{found[0]}")
    opened = page.locator(".run", has_text=found[0])
    opened.locator(".ranking tbody tr").first.wait_for()
    for run in found:
        page.locator(".run", has_text=run).locator("> input").check()
    page.get_by_role("button", name="Compare").click()
    title = page.get_by_role("rowheader", name="evaluations", exact=True)
    row = page.locator(".compared tr").filter(has=title).locator("td")
    row.first.wait_for()
    assert row.all_inner_texts() == ["30", "40"]
    best = (
        page.locator("#comparison").get_by_role("img", name="Best score so far").get_attribute("aria-label")
    )
    assert "search of nasbench201 1" in best and "search of nasbench201 2" in best
    page.get_by_label("Kind of job").select_option("GHN training")
    assert not opened.is_visible()
    page.get_by_label("Kind of job").select_option("Search")
    opened.get_by_role("button", name="Delete").click()
    opened.get_by_role("button", name="Delete for good?").click()
    opened.wait_for(state="detached")
    assert web_service.get(f"/jobs/{found[0]}").status_code == 404
