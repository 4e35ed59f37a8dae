"""Functions of the page's modules that need neither a service nor a document, called in the browser."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

import pytest

from service.api.pages import MEDIA_TYPES
from service.graph_io.cells.nasbench201 import read_nasbench201
from service.weights.blocks import shares

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120), pytest.mark.xdist_group("web")]

ADDRESS = "http://page.test/"


@pytest.fixture(scope="module")
def modules(browser: Any) -> Iterator[Any]:
    """Calls `function` of a module of the page with JSON arguments."""
    page = browser.new_page()
    web = files("service.api").joinpath("web")

    def serve(route: Any) -> None:
        name = route.request.url.rsplit("/", 1)[1]
        if name:
            suffix = name[name.rfind(".") :]
            route.fulfill(body=web.joinpath(name).read_bytes(), content_type=MEDIA_TYPES[suffix])
        else:
            route.fulfill(body="<!doctype html><title>empty</title>", content_type="text/html")

    page.route(f"{ADDRESS}**", serve)
    page.goto(ADDRESS)

    def call(module: str, function: str, *arguments: Any) -> Any:
        script = "async ([m, f, a]) => (await import(`/web/${m}.js`))[f](...a)"
        return page.evaluate(script, [module, function, list(arguments)])

    yield call
    page.close()


CELL = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|avg_pool_3x3~0|nor_conv_1x1~1|none~2|"


def test_random_cells_are_networks(modules: Any) -> None:
    cells = modules("nasbench201", "randomCells", 300, 7)
    assert len(set(cells)) == 300
    assert cells == modules("nasbench201", "randomCells", 300, 7)
    assert cells != modules("nasbench201", "randomCells", 300, 8)
    for cell in cells:
        read_nasbench201({"format": "nasbench201", "cell": cell})
    assert modules("nasbench201", "cellOf", modules("nasbench201", "operationsOf", CELL)) == CELL


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", []),
        (f"{CELL}\r\n\n  {CELL} ", [{"format": "nasbench201", "cell": CELL}] * 2),
        (f'nasbench201:"{CELL}"', [{"format": "nasbench201", "cell": CELL}]),
        ("torchvision:resnet18", [{"format": "torchvision", "name": "resnet18"}]),
        ('{"a": 1}\n{"b": 2}', [{"a": 1}, {"b": 2}]),
        ('[{"a": 1},\n 3]', [{"a": 1}, None]),
        ('{"architectures": [{"a": 1}],\n "top_k": 3}', [{"a": 1}]),
        ('{\n "format": "graph",\n "nodes": []\n}', [{"format": "graph", "nodes": []}]),
        ('{"a": 1}\nwords\n[1]', [{"a": 1}, None, None]),
    ],
)
def test_lists_of_architectures(modules: Any, text: str, wanted: list[Any]) -> None:
    entries = modules("lists", "readArchitectures", text)
    assert [entry["architecture"] for entry in entries] == wanted
    assert all(entry["line"] and "\n" not in entry["line"] for entry in entries)


def test_lists_of_results(modules: Any) -> None:
    text = f'cell,accuracy\n{CELL},91.5\n"{CELL}"; 90\n{{"architecture": {{"a": 1}}, "value": 3}}\n{CELL}'
    read = modules("lists", "readObservations", text)
    cell = {"format": "nasbench201", "cell": CELL}
    assert read["observations"] == [
        {"architecture": cell, "value": 91.5},
        {"architecture": cell, "value": 90},
        {"architecture": {"a": 1}, "value": 3},
    ]
    assert read["wrong"] == [{"line": 5, "text": CELL}]


def test_shares_of_a_normal_distribution(modules: Any) -> None:
    shares = modules("stats", "normalShares", 0.5, 1.0)
    assert sum(shares) == pytest.approx(math.erf(math.sqrt(2)), abs=1e-6)
    centre = math.erf(1 / 75 / 0.5 / math.sqrt(2))
    assert shares[37] == pytest.approx(centre, abs=1e-6)
    assert shares == pytest.approx(shares[::-1], abs=1e-9)


def test_he_and_the_histogram_of_a_tiled_tensor(modules: Any) -> None:
    assert modules("stats", "heStd", [64, 16, 3, 3]) == pytest.approx(math.sqrt(2 / 144))
    # [1, 2, 3] repeated to five places and doubled: 2 4 6 2 4.
    found = modules("stats", "describeTensor", [1, 2, 3], [3], [5], 2, 10)
    assert found["mean"] == pytest.approx(3.6)
    assert found["std"] == pytest.approx(math.sqrt((2 * 1.6**2 + 2 * 0.4**2 + 2.4**2) / 5))
    assert (found["lowest"], found["highest"], found["reach"]) == (2, 6, 10)
    shares = {bin: share for bin, share in enumerate(found["bins"]) if share}
    assert shares == pytest.approx({45: 0.4, 52: 0.4, 60: 0.2})


def test_a_far_value_does_not_hide_the_others(modules: Any) -> None:
    found = modules("stats", "describeTensor", [-1, 1] * 500 + [90], [1001], [1001])
    mean, std = 90 / 1001, math.sqrt((1000 + 8100) / 1001 - (90 / 1001) ** 2)
    assert (found["mean"], found["std"]) == pytest.approx((mean, std))
    assert found["reach"] == pytest.approx(mean + 5 * std)
    assert (found["highest"], found["beyond"]) == (90, pytest.approx(1 / 1001))
    assert sum(found["bins"]) + found["beyond"] == pytest.approx(1)


def test_round_numbers(modules: Any) -> None:
    assert modules("scale", "ticks", 0.12, 0.98, 5) == [0.2, 0.4, 0.6, 0.8]
    assert modules("scale", "ticks", -30, 1020, 4) == [0, 500, 1000]
    assert modules("scale", "ticks", 3, 3) == [3]
    assert modules("scale", "logTicks", [0.3, 12]) == [0.5, 1, 2, 5, 10]
    written = [modules("scale", "short", value) for value in (0, 0.00012, 1 / 3, 1234.5678, 2e7)]
    assert written == ["0", "1.2e-4", "0.3333", "1234.57", "2.0e+7"]


def node(name: str, primitive: str, *inputs: int, shape: list[int] | None = None) -> dict[str, Any]:
    return {"name": name, "primitive": primitive, "shape": shape, "inputs": list(inputs), "cell": None}


def folded(modules: Any, nodes: list[dict[str, Any]]) -> list[tuple[str, int, int]]:
    """Title, nodes and repeats of every part."""
    return [
        (part["title"], part["to"] - part["from"], part["times"])
        for part in modules("folding", "partsOf", nodes)
    ]


def test_repeated_blocks_are_one_part(modules: Any) -> None:
    nodes = [node("image", "input"), node("stem.weight", "conv", 0, shape=[8, 3, 3, 3])]
    for block in range(4):
        first = len(nodes)
        nodes.append(node(f"blocks.{block}.conv.weight", "conv", first - 1, shape=[8, 8, 3, 3]))
        nodes.append(node(f"blocks.{block}.norm.weight", "bn", first, shape=[8]))
        nodes.append(node(f"add_{block}", "sum", first - 1, first + 1))
    nodes.append(node("head.weight", "conv", len(nodes) - 1, shape=[10, 8]))
    nodes.append(node("head.bias", "bias", len(nodes) - 1, shape=[10]))
    assert folded(modules, nodes) == [("", 1, 1), ("", 1, 1), ("blocks.0 – 3", 12, 4), ("head", 2, 1)]
    # Another width is another block.
    nodes[5]["shape"] = [16, 8, 3, 3]
    assert [times for _, _, times in folded(modules, nodes)] == [1, 1, 1, 1, 2, 1]


def test_edges_between_folded_parts(modules: Any) -> None:
    nodes = [
        node("a", "input"),
        node("b", "conv", 0),
        node("c", "conv", 0),
        node("d", "sum", 1, 2),
        node("e", "sum", 0, 3),
    ]
    parts = [
        {"from": 0, "to": 1, "parts": []},
        {"from": 1, "to": 4, "parts": []},
        {"from": 4, "to": 5, "parts": []},
    ]
    edges = modules("folding", "edgesBetween", nodes, parts)
    assert [edge["inputs"] for edge in edges] == [[], [0], [0, 1]]


@pytest.mark.parametrize(
    "architecture",
    [
        {"format": "torchvision", "name": "resnet50"},
        {"format": "nasbench201", "cell": CELL},
        {"format": "nasbench201", "cell": CELL, "channels": 8},
        {"format": "graph", "nodes": [{"name": "ü" * 100}] * 50},
    ],
)
def test_an_address_leads_back(modules: Any, architecture: dict[str, Any]) -> None:
    address = modules("address", "addressOf", architecture)
    assert re.fullmatch(r"[\w:.~%-]+", address) and len(address) < 400
    assert modules("address", "architectureAt", address) == architecture


@pytest.mark.parametrize("text", ["json:oops", "nasbench201:%", "resnet50", ""])
def test_an_address_that_leads_nowhere(modules: Any, text: str) -> None:
    assert modules("address", "architectureAt", text) is None


@pytest.mark.parametrize("numbers", [(1, 1), (1, 3), (1, 199), (0, 5), (5, 0), (124992, 25432040), (1, 9999)])
def test_percent_reads_as_on_the_command_line(modules: Any, numbers: tuple[int, int]) -> None:
    predicted, tiled = numbers
    line = shares({"predicted": predicted, "tiled": tiled})
    for name, count in (("predicted", predicted), ("tiled", tiled)):
        if count:
            assert f"{modules('summary', 'percent', count / sum(numbers))} {name}" in line


def test_suggestions_of_a_hint(modules: Any) -> None:
    assert modules("problem", "suggestionsOf", "Did you mean resnet50 or resnet34?") == [
        "resnet50",
        "resnet34",
    ]
    assert modules("problem", "suggestionsOf", "Did you mean 'ghn2-cifar10'? More.") == ["ghn2-cifar10"]
    assert modules("problem", "suggestionsOf", "Use another file.") == []


def test_times_of_jobs(modules: Any) -> None:
    assert [modules("run_words", "clock", 1000 * seconds) for seconds in (27, 245, 300, 7400)] == [
        "27 s", "4 min 5 s", "5 min", "2 h 3 min"
    ]  # fmt: skip


def test_csv(modules: Any) -> None:
    assert modules("save", "csv", ["a", "b"], [['x "y"', 1], ["p,q", None]]) == (
        'a,b\r\n"x ""y""",1\r\n"p,q",\r\n'
    )
