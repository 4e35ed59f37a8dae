"""weightcast predict, in this process."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from safetensors.numpy import load_file

from service.settings import get_settings
from service.weights.formats import read_tiles
from tests.cli.conftest import CELL, SMALL_GRAPH, Run, problems, write_json
from tests.graph_io.test_onnx_strip import network

NAMES = {"conv.weight", "fc.weight", "fc.bias"}


def test_one_source_to_the_default_file(run: Run, tmp_path: Path) -> None:
    write_json(tmp_path / "net.json", SMALL_GRAPH)
    result = run("predict", "net.json")
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("net.json: 306 parameters, 100% predicted, by tiny in ")
    assert load_file(tmp_path / "net.safetensors").keys() == NAMES
    assert result.stderr == ""


def test_a_list_stands_for_its_lines(run: Run, tmp_path: Path) -> None:
    lines = [json.dumps(SMALL_GRAPH), "", "no network", json.dumps({"architecture": SMALL_GRAPH, "value": 1})]
    (tmp_path / "nets.jsonl").write_text("\n".join(lines))
    result = run("predict", "*.jsonl", "-o", "out/")
    assert result.exit_code == 3
    assert [problem["source"] for problem in problems(result)] == ["nets.jsonl:3"]
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == [
        "nets-1.safetensors",
        "nets-4.safetensors",
    ]
    assert run("predict", "nets.jsonl:4", "-o", "one.npz").exit_code == 0
    (tmp_path / "empty.jsonl").write_text("\n")
    result = run("predict", "empty.jsonl")
    assert (result.exit_code, "empty.jsonl is empty" in result.stderr) == (2, True)


def test_the_number_of_classes(run: Run, tmp_path: Path) -> None:
    source = f"nasbench201:{CELL}"
    assert run("predict", source, "--num-classes", "3", "-o", "a.npz").exit_code == 0
    (tmp_path / "nets.jsonl").write_text(source)
    assert run("predict", "nets.jsonl", "--num-classes", "3", "-o", "b.npz").exit_code == 0
    for file in ("a.npz", "b.npz"):
        with np.load(tmp_path / file) as weights:
            assert weights["classifier.bias"].shape == (3,)
    write_json(tmp_path / "net.json", SMALL_GRAPH)
    refused = run("predict", "net.json", "--num-classes", "3")
    (problem,) = problems(refused)
    assert (refused.exit_code, problem["field"], problem["source"]) == (3, "/num_classes", "net.json")
    assert run("predict", source, "--num-classes", "0").exit_code == 2
    too_many = run("predict", source, "--num-classes", "100001")
    assert (too_many.exit_code, problems(too_many)[0]["field"]) == (3, "/num_classes")


def test_json_is_one_document(run: Run, tmp_path: Path) -> None:
    write_json(tmp_path / "net.json", SMALL_GRAPH)
    result = run("predict", "net.json", "--json", "-o", "out.safetensors")
    (row,) = json.loads(result.stdout)
    assert row.pop("seconds") > 0 and row.pop("loading_seconds") > 0
    assert row == {
        "source": "net.json",
        "model": "tiny",
        "num_parameters": 306,
        "complete": True,
        "coverage": 1.0,
        "numbers": {"predicted": 306, "tiled": 0, "defaulted": 0},
        "notes": [],
        "defaulted": [],
        "file": "out.safetensors",
    }


def test_all_forms_hold_the_same_numbers(run: Run, tmp_path: Path) -> None:
    write_json(tmp_path / "net.json", SMALL_GRAPH)
    for file in ("a.safetensors", "a.npz", "a.tiles.safetensors"):
        assert run("predict", "net.json", "-o", file).exit_code == 0
    expected = load_file(tmp_path / "a.safetensors")
    tiles = read_tiles(tmp_path / "a.tiles.safetensors").expand()
    with np.load(tmp_path / "a.npz") as npz:
        for name, array in expected.items():
            np.testing.assert_array_equal(npz[name], array)
            np.testing.assert_array_equal(tiles[name], array)


def test_half_precision(run: Run, tmp_path: Path) -> None:
    write_json(tmp_path / "net.json", SMALL_GRAPH)
    assert run("predict", "net.json", "--dtype", "float16").exit_code == 0
    assert load_file(tmp_path / "net.safetensors")["fc.weight"].dtype == np.float16


def test_an_onnx_model_is_filled_in(run: Run, tmp_path: Path) -> None:
    source = tmp_path / "net.onnx"
    source.write_bytes(network().SerializeToString())
    before = source.read_bytes()

    result = run("predict", "net.onnx", "--format", "onnx")

    assert result.exit_code == 0, result.output
    assert source.read_bytes() == before  # a source is never overwritten
    filled = onnx.load(tmp_path / "net-2.onnx")
    onnx.checker.check_model(filled)
    assert run("predict", "net.onnx").exit_code == 0
    expected = load_file(tmp_path / "net.safetensors")
    found = {tensor.name: numpy_helper.to_array(tensor) for tensor in filled.graph.initializer}
    np.testing.assert_array_equal(found["conv.weight"], expected["conv.weight"])


def test_an_onnx_model_with_its_constants_beside_it_is_filled_in(run: Run, tmp_path: Path) -> None:
    model = network()
    onnx.save_model(model, tmp_path / "net.onnx", save_as_external_data=True, location="d", size_threshold=9)
    result = run("predict", "net.onnx", "-o", "filled.onnx")
    assert result.exit_code == 0, result.output
    (tmp_path / "d").unlink()
    onnx.checker.check_model(onnx.load(tmp_path / "filled.onnx"))


def test_an_onnx_model_with_more_weights_than_the_limit_for_graphs(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = network()
    padding = numpy_helper.from_array(np.zeros(17 * 2**20, np.float32), "unused")
    model.graph.initializer.append(padding)
    (tmp_path / "large.onnx").write_bytes(model.SerializeToString())
    assert (tmp_path / "large.onnx").stat().st_size > 64 * 2**20
    assert run("predict", "large.onnx").exit_code == 0


def test_onnx_output_needs_an_onnx_source(run: Run, tmp_path: Path) -> None:
    write_json(tmp_path / "net.json", SMALL_GRAPH)
    result = run("predict", "net.json", "--format", "onnx")
    assert result.exit_code == 3
    assert problems(result)[0]["field"] == "/output"
    assert [path.name for path in tmp_path.iterdir()] == ["net.json"]


def test_cells_and_standard_input(run: Run, tmp_path: Path) -> None:
    assert run("predict", f"nasbench201:{CELL}", "-o", "cell.safetensors").exit_code == 0
    assert run("predict", "-", "-o", "in.safetensors", stdin=json.dumps(SMALL_GRAPH)).exit_code == 0
    assert load_file(tmp_path / "in.safetensors").keys() == NAMES


@pytest.mark.parametrize("mark", ["\ufeff", "\n ", "\ufeff\n"])
def test_a_document_behind_a_byte_order_mark_or_blanks(run: Run, tmp_path: Path, mark: str) -> None:
    (tmp_path / "net.json").write_text(mark + json.dumps(SMALL_GRAPH), encoding="utf-8")
    assert run("predict", "net.json", "-o", "net.safetensors").exit_code == 0
    assert load_file(tmp_path / "net.safetensors").keys() == NAMES


def test_the_limits_of_the_settings_hold_here_too(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_json(tmp_path / "net.json", SMALL_GRAPH)
    monkeypatch.setenv("WEIGHTCAST_MAX_NODES", "4")
    get_settings.cache_clear()
    result = run("predict", "net.json")
    assert result.exit_code == 3 and problems(result)[0]["limit"] == 4


def test_torchvision(run: Run, tmp_path: Path) -> None:
    result = run("predict", "torchvision:squeezenet1_0", "--format", "tiles", "--json")
    assert result.exit_code == 0, result.output
    (row,) = json.loads(result.stdout)
    assert row["num_parameters"] == 1248424
    assert row["file"] == "squeezenet1_0.tiles.safetensors"


def test_several_sources_go_into_a_folder(run: Run, tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        write_json(tmp_path / folder / "net.json", SMALL_GRAPH)
    result = run("predict", "a/net.json", "b/*.json", "-o", "out/deep", "--json")
    assert result.exit_code == 0, result.output
    assert [row["file"] for row in json.loads(result.stdout)] == [
        "out/deep/net.safetensors",
        "out/deep/net-2.safetensors",
    ]


def test_one_bad_network_does_not_stop_the_others(run: Run, tmp_path: Path) -> None:
    cyclic = {
        **SMALL_GRAPH,
        "nodes": [*SMALL_GRAPH["nodes"], {"name": "loop", "op": "add", "inputs": ["loop"]}],
    }
    write_json(tmp_path / "bad.json", cyclic)
    write_json(tmp_path / "good.json", SMALL_GRAPH)
    result = run("predict", "bad.json", "good.json", "--json")
    assert result.exit_code == 3
    assert [row["source"] for row in json.loads(result.stdout)] == ["good.json"]
    (problem,) = problems(result)
    assert problem["status"] == 422
    assert problem["source"] == "bad.json"
    assert "loop" in problem["detail"]
    assert not (tmp_path / "bad.safetensors").exists()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("empty.onnx", b""),
        ("noise.onnx", bytes(range(256)) * 40),
        ("truncated.onnx", network().SerializeToString()[:5000]),
        ("broken.json", b"{"),
        ("list.json", b"[]"),
        ("unknown.json", b'{"format": "hieroglyphs"}'),
        ("deep.json", b'{"nodes":' + b"[" * 5000 + b"]" * 5000 + b"}"),
    ],
)
def test_what_cannot_be_read_is_refused(run: Run, tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    result = run("predict", name)
    assert result.exit_code == 3, result.output
    (problem,) = problems(result)
    assert problem["status"] in (400, 413, 422)
    assert problem["detail"]
    assert result.stdout == ""


@pytest.mark.parametrize("source", ["missing.onnx", "torchvision:resnet999", "what.is.this"])
def test_sources_that_do_not_exist(run: Run, source: str) -> None:
    result = run("predict", source)
    assert result.exit_code == 3
    assert problems(result)[0]["detail"]


def test_unknown_model(run: Run, tmp_path: Path) -> None:
    write_json(tmp_path / "net.json", SMALL_GRAPH)
    result = run("predict", "net.json", "--model", "tinny")
    assert result.exit_code == 3
    (problem,) = problems(result)
    assert problem["available"] == ["tiny"] or "tiny" in problem["available"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["predict"],
        ["predict", "net.json", "--dtype", "float8"],
        ["predict", "net.json", "--format", "pickle"],
        ["predict", "net.json", "-o", "net.pt"],
        ["predict", "net.json", "-o", "net.pt", "--format", "safetensors"],
        ["predict", "net.json", "-o", "net.npz", "--format", "safetensors"],
        ["predict", "net.json", "-o", "net.foo"],
        ["predict", "net.json", "-o", "net.json"],
        ["predict", "net.json", "net.json", "-o", "net.json"],
        ["predict", "none*.onnx"],
        ["predict", "-", "-"],
        ["predikt"],
    ],
)
def test_wrong_usage(run: Run, tmp_path: Path, arguments: list[str]) -> None:
    write_json(tmp_path / "net.json", SMALL_GRAPH)
    assert run(*arguments).exit_code == 2


def test_no_bfloat16_in_npz(run: Run, tmp_path: Path) -> None:
    write_json(tmp_path / "net.json", SMALL_GRAPH)
    result = run("predict", "net.json", "--format", "npz", "--dtype", "bfloat16")
    assert result.exit_code == 3
    assert problems(result)[0]["field"] == "/dtype"


def test_a_file_is_what_its_name_says(run: Run, tmp_path: Path) -> None:
    write_json(tmp_path / "net.json", SMALL_GRAPH)
    refused = run("predict", "net.json", "-o", "w.pt")
    assert refused.exit_code == 2 and "safetensors.torch.load_file" in " ".join(refused.stderr.split())
    assert not (tmp_path / "w.pt").exists()
    # A name without an ending of ours says nothing, so the form must be said; --output is its old name.
    for spelling in ("--format", "--output"):
        assert run("predict", "net.json", "-o", "weights", spelling, "npz").exit_code == 0
        with np.load(tmp_path / "weights") as file:
            assert "conv.weight" in file


CODE = """
from torch import nn

class Net(nn.Module):
    def __init__(self, width=4):
        super().__init__()
        self.conv = nn.Conv2d(3, width, 3)
        self.fc = nn.Linear(width, 100)

    def forward(self, x):
        return self.fc(self.conv(x).mean((2, 3)))

net = Net(8)
number = 3

def needs(width):
    return Net(width)
"""


def test_a_network_in_code_needs_no_server(run: Run, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "nets.py").write_text(CODE)
    result = run("predict", "mine.nets:Net", "mine/nets.py:net", "--input-shape", "3,16,16", "-o", "out/")
    assert result.exit_code == 0, result.output
    names = {"conv.weight", "conv.bias", "fc.weight", "fc.bias"}
    assert load_file(tmp_path / "out" / "Net.safetensors").keys() == names
    assert load_file(tmp_path / "out" / "net.safetensors")["conv.weight"].shape == (8, 3, 3, 3)
    # Its 100 outputs are not the 10 classes of the model.
    assert result.stdout.count("note: The network has 100 outputs, and the GHN knows 10 classes") == 2


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("mine.absent:Net", "There is no Python module 'mine.absent'"),
        ("absent.py:Net", "There is no file 'absent.py'"),
        ("nets.py:Nothing", "has no 'Nothing'"),
        ("nets.py:number", "is not a torch.nn.Module, but a int"),
        ("nets.py:needs", "cannot be called without arguments"),
    ],
)
def test_code_that_cannot_be_used(run: Run, tmp_path: Path, source: str, said: str) -> None:
    (tmp_path / "nets.py").write_text(CODE)
    result = run("predict", source)
    assert result.exit_code == 3 and said in problems(result)[0]["detail"]


def test_a_shape_that_is_none(run: Run) -> None:
    result = run("predict", "nets.py:Net", "--input-shape", "3,-1,x")
    assert result.exit_code == 3 and "--input-shape 3,64,64" in problems(result)[0]["hint"]


def test_an_unknown_model_is_refused_before_anything_is_loaded(run: Run) -> None:
    result = run("predict", "torchvision:resnet18", "--model", "nope")
    assert result.exit_code == 3 and "nope" in problems(result)[0]["detail"]
