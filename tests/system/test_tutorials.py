"""Every block of the tutorials and of the first page of the documentation runs, in order, against a service.

`BRIEFLY` has the replacements: trainings are shorter, and digits, which need no download, replace CIFAR-10.
"""

from __future__ import annotations

import shutil
from typing import Any

import pytest

from .doc_blocks import SERVE, Reader, blocks_of

pytestmark = [pytest.mark.system, pytest.mark.timeout(1500), pytest.mark.xdist_group("pages")]

BRIEFLY = {
    "--data cifar10 --images 500 --epochs 2": "--data digits --images 64 --epochs 1",
    "--data digits --minutes 2": "--data digits --steps 3",
}


def follow(page: str, reader: Reader, monkeypatch: pytest.MonkeyPatch) -> str:
    """All that the commands print. Python blocks of a page share their names, as in a notebook."""
    monkeypatch.chdir(reader.clone)
    names: dict[str, Any] = {"__name__": page}
    printed = []
    for language, block in blocks_of(page):
        assert language in ("sh", "python", "json", "text"), language
        for long, brief in BRIEFLY.items():
            block = block.replace(long, brief)
        if language == "python":
            exec(compile(block.replace("http://127.0.0.1:8000", reader.service.url), page, "exec"), names)
        elif language == "sh" and not SERVE.fullmatch(block):
            printed.append(reader.run(language, block))
    return "\n".join(printed)


def test_the_first_page(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    printed = follow("docs/index.md", reader, monkeypatch)
    assert "torchvision:resnet50" in printed and "accuracy by ranker" in printed
    assert '"num_parameters":25557032' in printed.replace(" ", "")


@pytest.mark.slow  # a minute; its Python blocks run in tests/client/test_docs.py too
def test_the_tutorial_on_fine_tuning(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    printed = follow("docs/tutorials/fine-tune.md", reader, monkeypatch)
    assert "validation images" in printed and (reader.clone / "Net.safetensors").exists()
    assert (reader.clone / "predicted.safetensors").exists() and "my-digits" in printed


def test_the_tutorial_on_search(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(reader.clone / "examples" / "trained.jsonl", reader.clone / "trained.jsonl")
    printed = follow("docs/tutorials/search.md", reader, monkeypatch)
    assert "200 architectures of nasbench201 scored by mine" in printed
