"""The page in a real browser, before the real service with the shipped model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from safetensors.numpy import load_file

from benchmarks.served import RunningService
from service.api.architectures import GRAPH_EXAMPLE
from service.weights.formats import read_tiles
from tests.api.onnx_files import small_onnx

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300), pytest.mark.xdist_group("web")]


def predict_cell(page: Any, service: RunningService) -> None:
    page.goto(service.url)
    page.get_by_role("radio", name="A NAS-Bench-201 cell").check()
    page.get_by_role("button", name="Predict").click()
    page.get_by_text("The line over a histogram").wait_for()


def test_a_cell_is_predicted_drawn_and_listed(page: Any, web_service: RunningService) -> None:
    predict_cell(page, web_service)
    answer = page.locator("#outcome")
    assert "830,426 in 201 tensors, complete" in answer.inner_text()
    assert "186 nodes, 232 edges" in answer.inner_text()
    assert page.locator(".layers tbody tr").count() == 201
    assert page.locator(".layers .histogram").count() > 150
    page.get_by_label("Filter parameters by name").fill("stem.0")
    assert page.locator(".layers tbody tr:visible").count() == 1


def test_numbers_of_the_table_are_those_of_the_file(page: Any, web_service: RunningService) -> None:
    predict_cell(page, web_service)
    with page.expect_download() as saved:
        page.locator("[data-output=tiles]").click()
    tensors = read_tiles(saved.value.path()).expand()
    rows = page.locator(".layers tbody tr").all_inner_texts()
    shown = {cells[0]: cells[3] for cells in (row.split("\t") for row in rows)}
    assert shown.keys() == tensors.keys()
    for name, std in shown.items():
        assert float(std) == pytest.approx(float(tensors[name].std()), rel=0.06, abs=1e-6), name


def test_the_graph_answers_pointer_and_keys(page: Any, web_service: RunningService) -> None:
    predict_cell(page, web_service)
    status = page.locator(".node-status")
    page.locator(".graph canvas").focus()
    page.keyboard.press("ArrowRight")
    assert "input" in status.inner_text() and "(1 of 186)" in status.inner_text()
    page.keyboard.press("ArrowRight")
    assert "conv 3×3 · stem.0.weight · 16 × 3 × 3 × 3" in status.inner_text()
    page.keyboard.press("Enter")
    assert page.locator("tr.found th").inner_text() == "stem.0.weight"
    page.keyboard.press("Escape")
    assert "Point at a node" in status.inner_text()
    page.locator(".graph canvas").scroll_into_view_if_needed()
    box = page.locator(".graph canvas").bounding_box()
    found = set()
    for x in range(10, int(box["width"]), 12):
        page.mouse.move(box["x"] + x, box["y"] + box["height"] * 0.1)
        found.add(status.inner_text())
    assert len(found) > 3


def test_an_onnx_file_comes_back_filled(page: Any, web_service: RunningService, tmp_path: Path) -> None:
    (tmp_path / "small.onnx").write_bytes(small_onnx())
    page.goto(web_service.url)
    page.locator("#predict-form input[type=file]").set_input_files(tmp_path / "small.onnx")
    page.keyboard.press("Tab")
    page.get_by_role("button", name="Predict").press("Enter")
    page.get_by_text("The line over a histogram").wait_for()
    for output, suffix in (("onnx", ".onnx"), ("safetensors", ".safetensors"), ("npz", ".npz")):
        with page.expect_download() as saved:
            page.locator(f"[data-output={output}]").click()
        assert saved.value.suggested_filename == "small" + suffix
    page.get_by_label("Number format").select_option("float16")
    with page.expect_download() as saved:
        page.locator("[data-output=safetensors]").click()
    saved.value.save_as(tmp_path / "half.safetensors")
    assert {str(tensor.dtype) for tensor in load_file(tmp_path / "half.safetensors").values()} == {"float16"}


def test_a_json_file_and_a_problem(page: Any, web_service: RunningService, tmp_path: Path) -> None:
    page.goto(web_service.url)
    page.get_by_role("button", name="Predict").click()
    assert "Choose an ONNX or JSON file first" in page.get_by_role("alert").inner_text()
    good, bad = tmp_path / "good.json", tmp_path / "bad.json"
    good.write_text(json.dumps(GRAPH_EXAMPLE))
    bad.write_text(json.dumps(GRAPH_EXAMPLE).replace('"conv"', '"konv"'))
    page.locator("#predict-form input[type=file]").set_input_files(bad)
    page.get_by_role("button", name="Predict").click()
    page.locator("[role=alert]", has_text="konv").wait_for()
    page.locator("#predict-form input[type=file]").set_input_files(good)
    page.get_by_role("button", name="Predict").click()
    page.get_by_text("The line over a histogram").wait_for()
    assert "1,226 in 4 tensors" in page.locator("#outcome").inner_text()


def test_a_torchvision_network_is_drawn_once_it_is_built(page: Any, web_service: RunningService) -> None:
    page.goto(web_service.url)
    page.get_by_label("A torchvision name").check()
    page.locator("input[name=torchvision]").fill("resnet18")
    page.keyboard.press("Enter")
    page.get_by_text("The line over a histogram").wait_for()
    assert "11,689,512" in page.locator("#outcome").inner_text()
    assert page.locator(".graph canvas").count() == 1


def test_a_histogram_opens_beside_he(page: Any, web_service: RunningService) -> None:
    predict_cell(page, web_service)
    page.get_by_role("button", name="Histogram of stem.0.weight").press("Enter")
    large = page.get_by_role("img", name="stem.0.weight: 75 intervals")
    # 3 channels of 3 x 3: the square root of 2 / 27.
    assert "He initialisation 0.2722" in large.get_attribute("aria-label")
    page.get_by_role("button", name="Histogram of stem.0.weight").press("Enter")
    assert large.count() == 0


def test_json_text(page: Any, web_service: RunningService) -> None:
    page.goto(web_service.url)
    page.get_by_role("radio", name="JSON text").check()
    page.locator("textarea[name=json]").fill("{oh")
    page.get_by_role("button", name="Predict").click()
    assert "This is not JSON" in page.get_by_role("alert").inner_text()
    page.locator("textarea[name=json]").fill(json.dumps(GRAPH_EXAMPLE))
    page.get_by_role("button", name="Predict").click()
    page.get_by_text("The line over a histogram").wait_for()
    assert "1,226 in 4 tensors" in page.locator("#outcome").inner_text()


def test_models_have_cards(page: Any, web_service: RunningService) -> None:
    page.goto(f"{web_service.url}/#models")
    card = page.locator("details.model[data-name=ghn2-cifar10]")
    card.locator("summary").first.click()
    assert "Score, id-test" in card.inner_text()
    assert card.locator("code").is_visible()


def test_views_are_addresses(page: Any, web_service: RunningService) -> None:
    page.goto(web_service.url)
    page.get_by_role("link", name="Rank").click()
    assert page.title() == "Rank architectures, Weightcast"
    assert page.get_by_role("link", name="Rank").get_attribute("aria-current") == "page"
    # Whoever reads with the ears hears where the link led.
    assert page.evaluate("document.activeElement.textContent") == "Rank architectures"
    page.go_back()
    assert page.locator("#predict-form").is_visible() and page.title() == "Weightcast"
    page.reload()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    assert page.locator("#predict-form").is_visible()


def test_everything_has_a_name(page: Any, web_service: RunningService) -> None:
    """What can be used says what it is, and shows that it is in focus."""
    predict_cell(page, web_service)
    for view in ("rank", "train", "models", "predict"):
        page.goto(f"{web_service.url}/#{view}")
        nameless = page.evaluate(
            """() => [...document.querySelectorAll("input, select, textarea, button, canvas")]
                 .filter((each) => each.offsetParent)
                 .filter((each) => !(each.labels?.length || each.getAttribute("aria-label")
                   || each.textContent.trim())).map((each) => each.outerHTML)"""
        )
        assert nameless == []


def test_keys_reach_everything_in_order(page: Any, web_service: RunningService) -> None:
    page.goto(f"{web_service.url}/#rank")
    page.get_by_label("Architectures, one a line").focus()
    reached = []
    for _ in range(7):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.name || document.activeElement.textContent"))
        outline = "getComputedStyle(document.activeElement.closest('.button') || document.activeElement)"
        assert page.evaluate(f"{outline}.outlineStyle") == "solid", reached
    wanted = ["file", "Try 50 random cells", "property", "predictor", "order", "top_k", "Rank"]
    assert reached == wanted


def test_trouble_of_the_service_is_told(page: Any, web_service: RunningService) -> None:
    checks = {"redis": {"ok": True}, "workers": {"ok": False, "predict": 0, "rank": 1, "training": 1}}
    answer = {"ready": False, "live": True, "checks": {**checks, "disk": {"ok": True}}}
    page.route("**/readyz", lambda route: route.fulfill(status=503, json=answer))
    page.goto(web_service.url)
    page.get_by_text("No worker serves the queue predict").wait_for()
    page.unroute("**/readyz")
    page.route("**/*", lambda route: route.abort())
    page.get_by_role("radio", name="A NAS-Bench-201 cell").check()
    page.get_by_role("button", name="Predict").click()
    page.get_by_role("alert").get_by_text("The service does not answer.").wait_for()
    page.locator("#health").get_by_text("The service does not answer.").wait_for()


@pytest.mark.parametrize("width", [360, 1200])
def test_nothing_overflows(page: Any, web_service: RunningService, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    predict_cell(page, web_service)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_thousands_of_nodes_stay_quick(page: Any, web_service: RunningService) -> None:
    """Laying out and painting 6,000 nodes, measured in the page."""
    page.goto(web_service.url)
    milliseconds = page.evaluate(
        """async () => {
          const { GraphView } = await import("/web/graph.js");
          const nodes = Array.from({ length: 6000 }, (_, i) => ({
            name: `n${i}`, primitive: i % 3 ? "conv" : "sum", shape: null, cell: null,
            inputs: [i - 1, i - 4].filter((j) => j >= 0) }));
          const started = performance.now();
          const view = new GraphView({ nodes }, () => {});
          document.querySelector("main").append(view.root);
          view.resize();
          const laid = performance.now();
          const pen = view.canvas.getContext("2d");
          for (let i = 0; i < 5; i += 1) {
            view.paint();
            // Asking for a pixel waits until everything is drawn.
            pen.getImageData(0, 0, 1, 1);
          }
          return [laid - started, (performance.now() - laid) / 5];
        }"""
    )
    assert milliseconds[0] < 3000 and milliseconds[1] < 300
