"""Files that commands write: what their names say, in folders that are made."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import CELL, SMALL_GRAPH, Run, problems, write_json

SEARCH = ("search", "--space", "nasbench201", "--evaluations", "3")
SPLIT = ("architectures", "--split", "id-test", "-n", "2")


@pytest.mark.parametrize(
    ("command", "option", "name", "endings"),
    [
        (("embed", "net.json"), "-o", "e.csv", ".npz"),
        (("embed", "net.json"), "-o", "e", ".npz"),
        (("compare", "net.json"), "-o", "far.txt", ".csv"),
        (("rank", f"nasbench201:{CELL}"), "-o", "best.txt", ".jsonl or .csv"),
        (SEARCH, "-o", "best.csv", ".jsonl"),
        (SEARCH, "--weights", "best.json", ".safetensors"),
        (SPLIT, "-o", "nets.csv", ".jsonl"),
        (("finetune", "net.json", "--data", "digits"), "-o", "net.npz", ".safetensors or .onnx"),
    ],
)
def test_a_name_that_says_something_else_is_refused_before_any_work(
    run: Run, tmp_path: Path, command: tuple[str, ...], option: str, name: str, endings: str
) -> None:
    write_json(tmp_path / "net.json", SMALL_GRAPH)
    result = run(*command, option, name)
    assert result.exit_code == 2
    assert f"{option}: {name}:" in result.output and f"are written as {endings}" in result.output
    assert [path.name for path in tmp_path.iterdir()] == ["net.json"]


@pytest.mark.parametrize(
    ("command", "name"),
    [
        (("embed", "net.json"), "e.NPZ"),
        (("compare", "net.json"), "far.csv"),
        (("rank", f"nasbench201:{CELL}"), "best.csv"),
        (SEARCH, "best.jsonl"),
        (SPLIT, "nets.jsonl"),
        (("predict", "net.json"), "net.npz"),
    ],
)
def test_a_folder_is_made_and_nothing_else_lies_in_it(
    run: Run, tmp_path: Path, command: tuple[str, ...], name: str
) -> None:
    write_json(tmp_path / "net.json", SMALL_GRAPH)
    result = run(*command, "-o", f"new/deep/{name}")
    assert result.exit_code == 0, result.output
    assert [path.name for path in (tmp_path / "new" / "deep").iterdir()] == [name]


def test_a_source_is_not_overwritten(run: Run, tmp_path: Path) -> None:
    text = f"nasbench201:{CELL}\n"
    (tmp_path / "nets.jsonl").write_text(text)
    (tmp_path / "again").symlink_to(tmp_path)
    for name in ("nets.jsonl", "again/nets.jsonl"):
        result = run("rank", "nets.jsonl", "-o", name)
        assert result.exit_code == 2 and "is the source itself" in result.output
    assert (tmp_path / "nets.jsonl").read_text() == text


def test_a_source_may_be_longer_than_the_name_of_a_file(run: Run, tmp_path: Path) -> None:
    steps = "[" + ", ".join(["('sep_conv_3x3', 0), ('sep_conv_3x3', 1)"] * 4) + "]"
    cells = f"normal={steps}, normal_concat=[2, 3, 4, 5], reduce={steps}, reduce_concat=[2, 3, 4, 5]"
    genotype = f"darts:Genotype({cells})"
    assert len(genotype) > 255
    (tmp_path / "best.jsonl").touch()
    (tmp_path / "net.npz").touch()
    for command, name in (("rank", "best.jsonl"), ("predict", "net.npz"), ("embed", "e.npz")):
        result = run(command, genotype, "-o", name)
        assert result.exit_code == 0, result.output
        assert (tmp_path / name).stat().st_size


def test_a_file_that_cannot_be_written_is_named(run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder.jsonl").mkdir()
    for name in ("file/nets.jsonl", "folder.jsonl", f"{'x' * 300}.jsonl"):
        result = run(*SPLIT, "-o", name)
        (problem,) = problems(result)
        assert result.exit_code == 1 and name.removesuffix("/nets.jsonl") in problem["detail"]
    assert {path.name for path in tmp_path.iterdir()} == {"file", "folder.jsonl"}
