"""SOURCE texts, and one document through every door."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from service.cli import sources
from service.errors import InvalidInput
from service.graph_io.sources import Source, parse_source, read_file

CELL = "|nor_conv_3x3~0|+|none~0|none~1|+|skip_connect~0|skip_connect~1|none~2|"


def test_texts_that_say_it_all() -> None:
    assert parse_source("torchvision:resnet50").document == {"format": "torchvision", "name": "resnet50"}
    for text in (f"nasbench201:{CELL}", f'nasbench201:"{CELL}"'):
        assert parse_source(text).document == {"format": "nasbench201", "cell": CELL}


def test_texts_that_name_a_file() -> None:
    for name in ("net.onnx", "a/b.json", "C:net.onnx", "UPPER.JSON"):
        assert parse_source(name) == Source(path=Path(name))
    assert parse_source("-") == Source()


@pytest.mark.parametrize("text", ["", "model.foo", "keras:x", "torchvision", "--"])
def test_what_is_no_source_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="is not a recognised source") as caught:
        parse_source(text)
    assert "nasbench201:CELL" in caught.value.extra["hint"]


@pytest.mark.parametrize(
    ("text", "what", "hint"),
    [
        ("model.PT", "a file of weights", "torch.onnx.export"),
        ("a/b.safetensors", "a file of weights", "file.py:MyNet"),
        ("net.py", "a file of Python code", "file.py:MyNet"),
        ("net.h5", "another framework", "ONNX"),
    ],
)
def test_what_people_take_for_an_architecture_is_told_from_one(text: str, what: str, hint: str) -> None:
    with pytest.raises(InvalidInput, match=what) as caught:
        parse_source(text)
    assert hint in caught.value.extra["hint"] and caught.value.extra["source"] == text


@pytest.mark.parametrize("text", ["missing.onnx", "missing.json", "a\0.onnx", "x" * 5000 + ".onnx"])
def test_a_file_that_cannot_be_read_is_named(text: str) -> None:
    with pytest.raises(InvalidInput, match="cannot be read") as caught:
        read_file(Path(text))
    assert len(json.dumps(caught.value.problem())) < 2000


def test_names_for_files_made_from_a_source() -> None:
    assert sources.stem("torchvision:resnet50") == "resnet50"
    assert sources.stem("nets/model.ONNX") == "model"
    assert sources.stem("-") == "stdin"
    assert sources.stem(f"nasbench201:{CELL}").startswith("nasbench201-")
    assert sources.stem("torchvision:../x").startswith("torchvision-")
