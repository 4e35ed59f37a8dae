"""Lines of a list of networks, by their number."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from service.client._architectures import encode
from service.client._errors import WeightcastError
from service.errors import InvalidArchitecture, InvalidInput
from service.graph_io.listed import line_numbers, names_list, numbered_line
from service.graph_io.sources import Source, numbers_listed, parse_source, read_listed

RESNET = {"format": "torchvision", "name": "resnet18"}


@pytest.fixture
def nets(tmp_path: Path) -> Path:
    file = tmp_path / "nets.jsonl"
    beside = json.dumps({"rank": 1, "architecture": RESNET, "value": 93.1})
    file.write_text(f"{json.dumps(RESNET)}\n\ntorchvision:vit_b_16\n  \n{beside}\nno network\n{{}}")
    return file


def test_which_texts_name_a_line() -> None:
    assert numbered_line("a/nets.jsonl:12") == (Path("a/nets.jsonl"), 12)
    assert parse_source("C:Nets.JSONL:1") == Source(path=Path("C:Nets.JSONL"), line=1)
    for text in ("nets.jsonl", "nets.jsonl:", "nets.jsonl:x", "nets.json:1", "nets.jsonl:-1"):
        assert numbered_line(text) is None
    assert names_list("nets.jsonl") and not names_list("nets.jsonl:1")


def test_a_line_is_what_lists_take(nets: Path) -> None:
    assert line_numbers(nets) == (1, 3, 5, 6, 7)
    assert read_listed(nets, 1) == RESNET == read_listed(nets, 5)
    assert read_listed(nets, 3) == {"format": "torchvision", "name": "vit_b_16"}
    assert encode(f"{nets}:5").document == RESNET


@pytest.mark.parametrize(
    ("line", "error", "said"),
    [
        (0, InvalidInput, "has nothing in line 0; its last is 7"),
        (2, InvalidInput, "has nothing in line 2"),
        (8, InvalidInput, "has nothing in line 8"),
        (6, InvalidInput, "The JSON text is broken"),
        (7, InvalidArchitecture, "lacks its format"),
    ],
)
def test_what_is_no_network(nets: Path, line: int, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        read_listed(nets, line)
    with pytest.raises(WeightcastError, match=said):
        encode(f"{nets}:{line}")


def test_a_list_alone_is_no_network(nets: Path) -> None:
    with pytest.raises(InvalidInput, match="is a list of networks") as caught:
        parse_source(str(nets))
    assert caught.value.extra["hint"] == f"Name one by its line: {nets}:1."


def test_a_list_that_cannot_be_read(tmp_path: Path) -> None:
    for read in (numbers_listed, lambda path: read_listed(path, 1)):
        with pytest.raises(InvalidInput, match="No such file"):
            read(tmp_path / "none.jsonl")


def test_a_list_that_changes_is_read_anew(nets: Path) -> None:
    assert len(line_numbers(nets)) == 5
    nets.write_text("torchvision:resnet18\n")
    os.utime(nets, ns=(1, 1))
    assert line_numbers(nets) == (1,)
    assert read_listed(nets, 1) == RESNET
