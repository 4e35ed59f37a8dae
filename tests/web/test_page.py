"""The page in a real browser, before the real service with the shipped model."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from safetensors.numpy import load_file

from benchmarks.served import RunningService
from service.api.architectures import GRAPH_EXAMPLE
from service.models.catalog import SHIPPED_MODELS
from service.weights.formats import read_tiles
from tests.api.onnx_files import small_onnx

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300), pytest.mark.xdist_group("web")]


def predict_cell(page: Any, service: RunningService) -> None:
    page.goto(service.url)
    page.locator("#predict-form").get_by_role("radio", name="NAS-Bench-201 cell").check()
    page.get_by_role("button", name="Predict").click()
    page.get_by_text("The curve over a histogram").wait_for()


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
    shown = {cells[0]: cells[4] for cells in (row.split("\t") for row in rows)}
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
    assert status.inner_text() == "stem · 2 nodes, folded. Enter opens it."
    page.keyboard.press("Enter")
    assert "conv 3×3 · stem.0.weight · 16 × 3 × 3 × 3" in status.inner_text()
    panel = page.locator(".graph-panel").inner_text()
    assert "stem.0.weight" in panel and "stem.1.weight" in panel
    assert "Attributes" in panel and "padding: 1" in panel
    page.keyboard.press("Enter")
    assert page.locator("tr.found th").inner_text() == "stem.0.weight"
    page.locator(".graph canvas").focus()
    page.keyboard.press("Escape")
    assert "folded" in status.inner_text()
    page.keyboard.press("Escape")
    assert "Point at a box" in status.inner_text()
    page.locator(".graph canvas").scroll_into_view_if_needed()
    box = page.locator(".graph canvas").bounding_box()
    found = set()
    for x in range(10, int(box["width"]), 12):
        for share in (0.15, 0.4, 0.6, 0.85):
            page.mouse.move(box["x"] + x, box["y"] + box["height"] * share)
            if page.locator(".tip").is_visible():
                found.add(page.locator(".tip").inner_text())
    assert len(found) > 3


def test_a_node_is_found_by_name_and_drawn_as_svg(page: Any, web_service: RunningService) -> None:
    predict_cell(page, web_service)
    search = page.get_by_label("Find a node by name")
    search.fill("cells.7.layers.5.op.1")
    search.press("Enter")
    assert "1 found, number 1: cells.7.layers.5.op.1.weight" in page.locator(".node-status").inner_text()
    assert "cells.7.layers.5.op.1.weight" in page.locator(".graph-panel").inner_text()
    page.get_by_role("button", name="Fold blocks again").click()
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save the picture as SVG").click()
    drawn = Path(saved.value.path()).read_text()
    assert "×5 · 55 nodes" in drawn and "conv 3×3 · BN" in drawn and drawn.startswith("<svg")


def test_an_answer_has_an_address(page: Any, web_service: RunningService) -> None:
    page.goto(web_service.url)
    page.get_by_role("button", name="Small CNN").click()
    page.get_by_text("The curve over a histogram").wait_for()
    page.reload()
    page.get_by_text("The curve over a histogram").wait_for()
    assert page.locator("#outcome h2").inner_text() == "small CNN"
    assert page.locator("#outcome").get_by_text("% predicted").count() == 1
    page.locator("#recent").get_by_role("link", name="small CNN").wait_for()
    page.get_by_role("button", name="Fine-tune this").click()
    architecture = json.loads(page.locator("#tuning-source").get_by_label("Architecture").input_value())
    assert architecture["name"] == "small CNN"
    page.go_back()
    page.get_by_role("button", name="Rank with this").click()
    assert "small CNN" in page.get_by_label("Architectures, one per line").input_value()


def test_code_and_sizes_of_an_answer(page: Any, web_service: RunningService) -> None:
    predict_cell(page, web_service)
    files = page.get_by_role("region", name="Download")
    assert "safetensors, 3.32 MB" in files.inner_text()
    page.get_by_label("Number format").select_option("float16")
    assert "safetensors, 1.66 MB" in files.inner_text()
    code = page.locator("#outcome .code-box pre")
    assert "load_file" in code.inner_text() and "strict=False" in code.inner_text()
    page.get_by_role("tab", name="PyTorch").press("ArrowRight")
    assert f"curl -s {web_service.url}/predict-weights" in code.inner_text()


def test_columns_of_parameters_sort(page: Any, web_service: RunningService) -> None:
    predict_cell(page, web_service)
    page.locator(".layers").get_by_role("button", name="Std", exact=True).click()
    spreads = [float(text) for text in page.locator(".layers [data-title=Std]").all_inner_texts()]
    assert spreads == sorted(spreads) and spreads[0] < spreads[-1]
    page.locator(".layers").get_by_role("button", name="Std", exact=True).click()
    assert page.locator("th[aria-sort=descending]").inner_text().startswith("Std")


def test_a_name_that_is_wrong_offers_others(page: Any, web_service: RunningService) -> None:
    page.goto(f"{web_service.url}/#predict/torchvision:resnet81")
    alert = page.get_by_role("alert")
    alert.get_by_role("heading", name="resnet81").wait_for()
    alert.get_by_role("button", name="resnet18").click()
    page.get_by_text("The curve over a histogram").wait_for()
    assert "11,689,512" in page.locator("#outcome").inner_text()


def test_waiting_can_be_cancelled(page: Any, web_service: RunningService) -> None:
    job = {"id": "0" * 32, "kind": "predict", "about": {}, "status": "running", "error": None}
    job |= {
        "progress": {"done": 1, "total": 4, "message": "decoding"},
        "links": {"self": f"/jobs/{'0' * 32}"},
    }
    cancelled = {**job, "status": "cancelled"}
    asked: list[str] = []

    def answer(route: Any) -> None:
        asked.append(route.request.method)
        route.fulfill(json=cancelled if "DELETE" in asked else job)

    page.route("**/predict-weights", lambda route: route.fulfill(status=202, json=job))
    page.route(
        "**/jobs/*/events", lambda route: route.fulfill(status=503, json={"title": "later", "status": 503})
    )
    page.route("**/jobs/*", answer)
    page.route("**/jobs/*?wait=*", answer)
    page.goto(web_service.url)
    page.get_by_role("button", name="NAS-Bench-201 cell").click()
    page.locator("#outcome").get_by_text("decoding").wait_for()
    page.get_by_role("button", name="Cancel").click()
    page.get_by_role("heading", name="The job was cancelled").wait_for()


def test_an_onnx_file_comes_back_filled(page: Any, web_service: RunningService, tmp_path: Path) -> None:
    (tmp_path / "small.onnx").write_bytes(small_onnx())
    page.goto(web_service.url)
    page.locator("#predict-form input[type=file]").set_input_files(tmp_path / "small.onnx")
    page.keyboard.press("Tab")
    page.get_by_role("button", name="Predict").press("Enter")
    page.get_by_text("The curve over a histogram").wait_for()
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
    page.get_by_text("The curve over a histogram").wait_for()
    assert "1,226 in 4 tensors" in page.locator("#outcome").inner_text()


def test_a_torchvision_network_is_drawn_once_it_is_built(page: Any, web_service: RunningService) -> None:
    page.goto(web_service.url)
    page.get_by_role("radio", name="torchvision").first.check()
    page.get_by_label("Name of a torchvision network").first.fill("resnet18")
    page.keyboard.press("Enter")
    page.get_by_text("The curve over a histogram").wait_for()
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
    page.locator("#predict-form").get_by_role("radio", name="JSON").check()
    network = page.locator("#predict-form").get_by_label("Architecture")
    network.fill("{oh")
    page.get_by_role("button", name="Predict").click()
    assert "This is not JSON" in page.get_by_role("alert").inner_text()
    network.fill(json.dumps(GRAPH_EXAMPLE))
    page.get_by_role("button", name="Predict").click()
    page.get_by_text("The curve over a histogram").wait_for()
    assert "1,226 in 4 tensors" in page.locator("#outcome").inner_text()


def test_models_have_cards(page: Any, web_service: RunningService) -> None:
    page.goto(f"{web_service.url}/#models")
    card = page.locator(".model[data-name=ghn2-cifar10]")
    assert "default" in card.inner_text() and "mean of 60 networks" in card.inner_text()
    assert card.get_by_role("button", name="Delete").count() == 0
    card.locator("summary").first.click()
    assert "weightcast predict network.onnx --model ghn2-cifar10" in card.inner_text()


def test_a_model_of_ones_own_is_described_and_deleted(page: Any, web_service: RunningService) -> None:
    shutil.copytree(SHIPPED_MODELS / "ranker", web_service.home / "models" / "mine")
    page.goto(f"{web_service.url}/#models/mine")
    card = page.locator(".model[data-name=mine]")
    card.locator("summary").first.click()
    card.get_by_label("Description of mine").fill("For the night shift.")
    card.get_by_role("button", name="Save description").click()
    card.get_by_text("For the night shift.").wait_for()
    card.locator("summary").first.click()
    card.get_by_role("button", name="Delete").click()
    card.get_by_role("button", name="Delete for good?").click()
    card.wait_for(state="detached")
    assert not (web_service.home / "models" / "mine").exists()


def test_the_api_is_tried_on_its_own_page(page: Any, web_service: RunningService) -> None:
    page.goto(f"{web_service.url}/docs#getModel")
    call = page.locator("#getModel")
    assert (
        f"curl -s \\\n  '{web_service.url}/models/ghn2-cifar10'" in call.locator(".code-box pre").inner_text()
    )
    assert "required" in call.inner_text() and "`" not in call.locator("table").first.inner_text()
    call.get_by_text("Try it").click()
    call.get_by_role("button", name="Send").click()
    call.get_by_text("200 OK").wait_for()
    assert '"name": "ghn2-cifar10"' in call.get_by_role("status").inner_text()
    call.get_by_role("textbox").first.fill("none")
    call.get_by_role("button", name="Send").click()
    call.get_by_text("There is no model 'none'.").wait_for()
    call.get_by_role("link", name="ModelCard").first.click()
    assert page.locator("#schema-ModelCard").get_by_text("digest").first.is_visible()


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
    page.get_by_label("Architectures, one per line").focus()
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
    page.locator("#predict-form").get_by_role("radio", name="NAS-Bench-201 cell").check()
    page.get_by_role("button", name="Predict").click()
    page.get_by_role("alert").get_by_text("The service does not answer.").wait_for()
    page.locator("#health").get_by_text("The service does not answer.").wait_for()


@pytest.mark.parametrize("width", [360, 768, 1200])
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
