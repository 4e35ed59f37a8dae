"""Files of results and lists as people have them, through `predictor fit` and `rank`."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from service.cli.records import RESULT_LINES, read_records
from service.cli.value_field import with_value
from service.errors import InvalidRequest
from service.predictors.rankers.number_texts import numbers_of
from service.predictors.rankers.observations import read_observation
from service.settings import get_settings
from tests.cli.conftest import Run, problems
from tests.predictors.rankers.test_ranking import cell, observations, some_cells

ITEMS = observations(some_cells(24))
LINES = "".join(json.dumps(item) + "\n" for item in ITEMS)
CSV = "arch,epochs,test_acc\n" + "".join(
    f"{item['architecture']['cell']},200,{item['value']}\n" for item in ITEMS
)


@pytest.fixture(autouse=True)
def own_home(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEIGHTCAST_HOME", str(tmp_path / "home"))
    get_settings.cache_clear()


def fit(run: Run, path: Path, data: str | bytes, *options: str) -> dict[str, Any]:
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    result = run("predictor", "fit", path.name, "--name", "mine", "--json", *options)
    assert result.exit_code == 0, result.output
    answer: dict[str, Any] = json.loads(result.stdout)
    return answer


@pytest.mark.parametrize(
    "data",
    [
        LINES,
        "\n\n" + LINES.replace("\n", "\r\n"),
        json.dumps(ITEMS),
        json.dumps(ITEMS, indent=2),
        json.dumps({"observations": ITEMS}),
        '{"observations": [\n' + ",\n".join(json.dumps(item) for item in ITEMS) + "\n]}\n",
        json.dumps({item["architecture"]["cell"]: item["value"] for item in ITEMS}),
        "".join(json.dumps({**item["architecture"], "value": item["value"]}) + "\n" for item in ITEMS),
        CSV,
        CSV.replace("\n", "\r\n").encode("utf-8-sig"),
        CSV.replace(",", ";").encode("utf-16"),
        CSV.replace(",", "\t"),
        "\n".join(f"{i if i >= 0 else ''},{line}" for i, line in enumerate(CSV.splitlines(), start=-1)),
        "format,cell,value\n"
        + "".join(f"nasbench201,{item['architecture']['cell']},{item['value']}\n" for item in ITEMS),
    ],
    ids=[
        "lines", "windows", "array", "pretty", "observations", "an item a line", "by text", "flat", "csv",
        "bom", "utf-16", "tabs", "pandas", "columns",
    ],
)  # fmt: skip
def test_the_forms_of_results(tmp_path: Path, data: str | bytes) -> None:
    path = tmp_path / "results"
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    items = with_value(read_records(path, RESULT_LINES).values, None, "accuracy")
    seen = [read_observation(item, index) for index, item in enumerate(items)]
    assert [(dict(observation.document), observation.value) for observation in seen] == [
        (item["architecture"], item["value"]) for item in ITEMS
    ]


def test_an_array_is_fitted(run: Run, tmp_path: Path) -> None:
    answer = fit(run, tmp_path / "results.json", json.dumps(ITEMS))
    assert (answer["n"], answer["networks"], answer["failed"]) == (24, 22, 0)


def test_a_table_with_decimal_commas(run: Run, tmp_path: Path) -> None:
    rows = (f"{item['architecture']['cell']};{item['value']:.2f}".replace(".", ",") for item in ITEMS)
    fit(run, tmp_path / "results.csv", "arch;value\n" + "\n".join(rows))
    card = json.loads((tmp_path / "home" / "models" / "mine" / "card.json").read_text())
    assert card["training"]["observations"] == 24


def test_failures_cells_without_a_path_and_metadata_are_told(run: Run, tmp_path: Path) -> None:
    items = [
        {**item, "architecture": {**item["architecture"], "channels": 4, "cells_per_stage": 1}, "epochs": 5}
        for item in ITEMS
        if "conv" in item["architecture"]["cell"]
    ][:12]
    items[3:3] = [
        {"architecture": {**cell(*["none"] * 6), "channels": 4}, "value": 10.0, "epochs": 5},
        {**items[0], "value": float("nan")},
    ]
    (tmp_path / "r.jsonl").write_text("".join(json.dumps(item) + "\n" for item in items))
    result = run("predictor", "fit", "r.jsonl", "--name", "mine")
    assert result.exit_code == 0, result.output
    assert "line 4 set aside: No path leads from" in result.stdout
    assert "1 trainings have no value: left out" in result.stdout
    card = json.loads((tmp_path / "home" / "models" / "mine" / "card.json").read_text())
    assert card["training"]["metadata"] == {"epochs": 5}


def test_which_column_is_the_value(run: Run, tmp_path: Path) -> None:
    rows = [f"{item['architecture']['cell']},{item['value']},{item['value'] / 2}" for item in ITEMS]
    (tmp_path / "two.csv").write_text("arch,val,test\n" + "\n".join(rows))
    refused = run("predictor", "fit", "two.csv", "--name", "mine")
    assert refused.exit_code == 3
    assert "val, test" in problems(refused)[0]["detail"] and "--value" in problems(refused)[0]["hint"]
    assert run("predictor", "fit", "two.csv", "--name", "mine", "--value", "test").exit_code == 0
    assert run("predictor", "fit", "two.csv", "--name", "other", "--property", "val").exit_code == 0
    missing = run("predictor", "fit", "two.csv", "--name", "more", "--value", "tset")
    assert missing.exit_code == 3 and "test" in problems(missing)[0]["hint"]


def test_a_wrong_line_is_named(run: Run, tmp_path: Path) -> None:
    broken = {"architecture": {"format": "nasbench201", "cell": "?"}, "value": 1}
    (tmp_path / "r.jsonl").write_text(LINES + "\n" + json.dumps(broken))
    problem = problems(run("predictor", "fit", "r.jsonl", "--name", "mine"))[0]
    assert problem["detail"].startswith("Line 26: ") and problem["observation"] == 24


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"PK\x03\x04rest", "zip"),
        (b"\x80\x04\x95pickle\xff", "pickle"),
        (b"epoch,loss\n1,2\n", "CSV"),
        (b"|a~0|,93.1\n", "CSV"),
        (b"{'architecture': 'x', 'value': 3}\n" * 8, "json.dumps"),
        (b"- arch: x\n  value: 3\n", "YAML"),
        (b"<html><body>", "HTML"),
        (b"a line of words", "plain text"),
    ],
)
def test_other_files_get_one_message(run: Run, tmp_path: Path, data: bytes, kind: str) -> None:
    (tmp_path / "file").write_bytes(data)
    for command in (("predictor", "fit", "file", "--name", "mine"), ("rank", "file")):
        refused = run(*command)
        assert refused.exit_code == 3, refused.output
        (problem,) = problems(refused)
        assert kind in problem["detail"]
        _, *right = problem["hint"].split("\n")
        assert len(right) == 2 and all(json.loads(line) for line in right)


@pytest.mark.parametrize(
    "data",
    [
        LINES,
        json.dumps([item["architecture"] for item in ITEMS]),
        json.dumps({"architectures": [item["architecture"] for item in ITEMS]}),
        CSV,
        "\n".join(item["architecture"]["cell"] for item in ITEMS),
        "\n".join(f"nasbench201:{item['architecture']['cell']}" for item in ITEMS),
        "arch_str\n" + "\n".join(item["architecture"]["cell"] for item in ITEMS),
        "my cells\n" + "\n".join(item["architecture"]["cell"] for item in ITEMS),
    ],
    ids=["results", "array", "architectures", "csv", "cells", "short texts", "one column", "other column"],
)
def test_the_forms_of_lists(run: Run, tmp_path: Path, data: str) -> None:
    (tmp_path / "nets").write_text(data)
    result = run("rank", "nets", "--predictor", "structure", "--json")
    assert result.exit_code == 0, result.output
    answer = json.loads(result.stdout)
    assert len(answer["ranking"]) + len(answer["skipped"]) == 24
    assert not [item for item in answer["skipped"] if "No path leads from" not in item["reason"]]


def test_cells_without_a_path_come_last_on_request(run: Run, tmp_path: Path) -> None:
    cells = [cell(*["none"] * 6), cell(*["nor_conv_3x3"] * 6), cell(*["skip_connect"] * 6)]
    (tmp_path / "nets.jsonl").write_text("\n".join(map(json.dumps, cells)))
    for order in ("ascending", "descending"):
        result = run("rank", "nets.jsonl", "--unconnected", "last", "--order", order, "--json")
        answer = json.loads(result.stdout)
        assert answer["skipped"] == []
        assert (answer["ranking"][-1]["index"], answer["ranking"][-1]["score"]) == (0, None)
    lines = run("rank", "nets.jsonl", "--unconnected", "last").stdout.splitlines()
    assert lines[-1].split() == ["3", "1", "-"]


# Texts, packed and encoded in other ways, and other shapes

CELLS = [item["architecture"]["cell"] for item in ITEMS[:3]]
PAIRS = list(zip(CELLS, (93.1, 91.2, 90), strict=True))
TABLE = "arch,accuracy\n" + "".join(f"{cell},{value}\n" for cell, value in PAIRS)


def packed(name: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(name, TABLE)
        archive.writestr(f"__MACOSX/._{name}", b"\0\5\x16\7")
    return buffer.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        gzip.compress(TABLE.encode()),
        packed("results.csv"),
        TABLE.replace("accuracy", "Genauigkeit f\u00fcr alle").encode("cp1252"),
        "sep=;\n" + TABLE.replace(",", ";"),
        "# seeds 1 to 3\n" + TABLE,
        TABLE.split("\n", 1)[1],
        TABLE.replace("arch", "my nets"),
        TABLE.replace("93.1", "93.1 %").replace("91.2", "91.2%"),
        TABLE.replace("93.1", "93.1 \u00b1 0.4").replace("91.2", "91.2 +/- 0.1"),
        TABLE.replace("93.1", '"93,1"').replace("91.2", '"91,2"'),
        json.dumps({"arch": CELLS, "accuracy": [93.1, 91.2, 90]}),
        json.dumps({"arch": dict(enumerate(CELLS)), "accuracy": {0: 93.1, 1: 91.2, 2: 90}}),
        json.dumps({"columns": ["arch", "accuracy"], "index": [0, 1, 2], "data": PAIRS}),
        json.dumps({cell: {"accuracy": value} for cell, value in PAIRS}),
        json.dumps(PAIRS),
        json.dumps({"results": [{"arch": cell, "value": value} for cell, value in PAIRS]}),
        "".join(
            json.dumps({"arch": cell, "metrics": {"accuracy": value, "loss": 1}}) + ",\n"
            for cell, value in PAIRS
        ),
        "".join(
            json.dumps({"arch": cell, "value": value}) + "\n"
            for cell, value in zip(CELLS, ("93.1", "91.2%", [89, 91, None]), strict=False)
        ),
    ],
    ids=[
        "gzip", "zip", "windows letters", "sep", "comment", "no header", "other header", "percent", "spread",
        "decimal commas", "columns", "pandas", "pandas split", "by text", "pairs", "results", "nested",
        "texts and seeds",
    ],
)  # fmt: skip
def test_more_forms_of_results(tmp_path: Path, data: str | bytes) -> None:
    path = tmp_path / "results"
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    items = with_value(read_records(path, RESULT_LINES).values, None, "accuracy")
    seen = [read_observation(item, index) for index, item in enumerate(items)]
    assert [observation.document["cell"] for observation in seen] == CELLS
    assert [observation.value for observation in seen] == [93.1, 91.2, 90]


@pytest.mark.parametrize(
    ("texts", "comma_is_decimal", "numbers"),
    [
        (["1,234", "1,234,567", "12"], False, [1234, 1234567, 12]),
        (["1,234", "2,5"], False, [1.234, 2.5]),
        (["1,234", "12"], True, [1.234, 12]),
        (["1.234,5", "12,25"], True, [1234.5, 12.25]),
        (["93.1%", "93.1 %", "12 ms", "1e-3"], False, [93.1, 93.1, 12, 0.001]),
        (["93.1 (0.2)", "93.1\u00b10.2", "n/a"], False, [93.1, 93.1, None]),
        (["(0.2)", "%", "1,2,3", "12 apples"], False, [None, None, None, None]),
    ],
)
def test_numbers_of_a_column(texts: list[str], comma_is_decimal: bool, numbers: list[float | None]) -> None:
    assert numbers_of(texts, comma_is_decimal=comma_is_decimal) == numbers


def test_columns_that_cannot_be_told_apart_are_refused(run: Run, tmp_path: Path) -> None:
    (tmp_path / "twice.csv").write_text(TABLE.replace("accuracy", "acc,acc"))
    refused = run("predictor", "fit", "twice.csv", "--name", "mine")
    assert refused.exit_code == 3 and "Two columns are called 'acc'" in problems(refused)[0]["detail"]


def test_a_row_that_is_too_short_is_a_training_without_a_value(tmp_path: Path) -> None:
    path = tmp_path / "results.csv"
    path.write_text(TABLE + f"{CELLS[0]}\n")
    items = with_value(read_records(path, RESULT_LINES).values, None, "accuracy")
    assert read_observation(items[-1], 3).value is None


def test_a_field_within_a_field_can_be_named(tmp_path: Path) -> None:
    items = [{"arch": cell, "test": {"acc": 90.0, "loss": 1.0}, "val": {"acc": 91.0}} for cell in CELLS]
    with pytest.raises(InvalidRequest, match=r"test\.acc, test\.loss, val\.acc"):
        with_value(items, None, "accuracy")
    named = with_value(items, "val.acc", "accuracy")
    assert named[0] == {**items[0], "value": 91.0}
