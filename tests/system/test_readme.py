"""Every block of the README runs as it stands, in order, against a real service (see `doc_blocks`)."""

from __future__ import annotations

import json
import re
import tomllib

import pytest

from .doc_blocks import ROOT, SERVE, Reader, blocks_of

pytestmark = [pytest.mark.system, pytest.mark.timeout(1200), pytest.mark.xdist_group("pages")]

README = (ROOT / "README.md").read_text()
BLOCKS = blocks_of("README.md")


def test_every_block_runs_in_order(reader: Reader) -> None:
    printed = []
    for language, block in BLOCKS:
        assert language in ("sh", "python", "json"), language
        if language != "json":
            printed.append(reader.run(language, block))
    assert any(SERVE.fullmatch(block) for _, block in BLOCKS)
    clone = reader.clone
    text = "\n".join(printed)
    assert "weightcast" in text and "<PredictedWeights of ghn2-cifar10" in text
    assert (clone / "net.safetensors").exists() and (clone / "Net.safetensors").exists()
    assert "validation images" in text  # which start was better, and on how many images
    assert "accuracy by ranker, highest first" in text and "value" in text
    assert "200 architectures of nasbench201 scored by mine" in text
    answer = next(json.loads(line) for line in text.splitlines() if line.startswith('{"id"'))
    (shown,) = (block for language, block in BLOCKS if language == "json")
    documented = json.loads(shown)
    assert documented.keys() <= answer.keys()
    result = answer["result"]
    for key, value in documented["result"].items():
        assert key in result
        if key in ("model", "num_tensors", "num_parameters", "complete", "coverage", "numbers"):
            assert result[key] == value, key
    assert result["weights"]["size"] == documented["result"]["weights"]["size"]
    assert [note[:20] for note in result["notes"]] == [note[:20] for note in documented["result"]["notes"]]


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)", README):
        assert target.startswith("https://") or (ROOT / target).exists(), target


def test_the_package_says_who_it_is_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["urls"] and project["classifiers"] and project["authors"]
    for name in ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "docs/install.md", ".env.example"):
        assert (ROOT / name).read_text().strip()
    extras = set(project["optional-dependencies"])
    shown = set(re.findall(r"`\.\[(\w+)\]`", (ROOT / "docs" / "install.md").read_text()))
    assert shown == extras - {"docs"}
