"""What notebooks show: tables, charts, progress bars; and data frames."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from service.client import (
    FineTuned,
    FittedPredictor,
    Job,
    JobTable,
    PredictedWeights,
    Progress,
    Ranking,
    SearchResult,
)
from service.client import _notebook as notebook
from service.client._notebook import notebook_progress
from service.client._results import FineTuningResult
from service.contract.training_results import Rival
from service.extras import NotInstalled
from service.plots import Chart
from service.weights.blocks import Block, Provenance, WeightBlocks


def weights(count: int = 1) -> PredictedWeights:
    def block(*shape: int) -> Block:
        values = np.random.default_rng(0).normal(0, 0.5, shape).astype(np.float32)
        return Block(values, shape, 1.0, None, Provenance.PREDICTED)

    blocks = {}
    for number in range(count):
        blocks[f"layer{number}.weight"] = block(8, 8)
        blocks[f"layer{number}.bias"] = block(8)
    return PredictedWeights(WeightBlocks(blocks, "ghn<2>", "0" * 64))


RANKING = Ranking.model_validate(
    {
        "property": "latency",
        "predictor": "mine",
        "ranking": [
            {"rank": 1, "index": 4, "name": "<b>", "score": 1.5, "value": 92.24, "interval": [91.0, 93.5]},
            {"rank": 2, "index": 0, "name": None, "score": None},
        ],
        "skipped": [{"index": 1, "reason": "broken"}],
    }
)


def test_weights_as_a_table_and_a_frame() -> None:
    frame = weights().to_pandas()
    assert frame["name"].tolist() == ["layer0.weight", "layer0.bias"]
    assert frame["numbers"].tolist() == [64, 8]
    assert frame["from"].tolist() == ["predicted"] * 2
    assert frame["he_std"][0] == pytest.approx(0.5) and np.isnan(frame["he_std"][1])
    shown = weights(40)._repr_html_()
    assert "ghn&lt;2&gt;" in shown and "<td>8x8</td>" in shown
    assert shown.count("<tr>") == 31 and "and 50 more" in shown
    assert isinstance(weights().plot("a network"), Chart)


def test_a_ranking() -> None:
    frame = RANKING.to_pandas()
    assert list(frame.columns) == ["rank", "index", "name", "value", "low", "high", "score"]
    assert frame["value"][0] == 92.24 and np.isnan(frame["value"][1])
    shown = RANKING._repr_html_()
    assert "latency by mine: 2 architectures, 1 skipped" in shown
    assert "&lt;b&gt;" in shown and "<td>92.24</td>" in shown and "<b>" not in shown
    assert "1 without a score" in RANKING.plot().axes[0].get_title("left")


def test_a_search() -> None:
    found = SearchResult.model_validate(
        {
            "space": "darts",
            "predictor": "mine",
            "evaluations": 50,
            "ended": "evaluations",
            "best": [{"score": 1.0, "architecture": {}, "costs": {"parameters": 5e6}}],
            "curve": [{"evaluations": 3, "best": 1.0}],
        }
    )
    assert found.to_pandas()["parameters"].tolist() == [5e6]
    assert "<th>value</th>" not in found._repr_html_() and "<td>5e+06</td>" in found._repr_html_()
    assert found.plot().axes[0].get_title("left") == "Search of darts"


def test_a_fitted_predictor() -> None:
    fitted = FittedPredictor.model_validate(
        {
            "model": "mine",
            "property": "accuracy",
            "n": 9,
            "kendall_tau_cv": 0.5,
            "interval": [0.1, 0.9],
            "held_out": [{"value": 1.0, "predicted": 2.0}],
        }
    )
    assert fitted.plot().axes[0].get_xlabel() == "measured accuracy"


def test_a_fine_tuning_of_both_starts() -> None:
    def history(accuracy: float) -> list[dict[str, Any]]:
        return [{"epoch": 0, "training_accuracy": accuracy, "validation_accuracy": accuracy}]

    result = FineTuningResult.model_validate(
        {
            "digest": "0",
            "weights": {"url": "/weights/0"},
            "parameters": 1,
            "history": history(30),
            "test_accuracy": 31.0,
            "start": {"start": "predicted"},
            "data": "digits",
            "predicted": {"history": history(30), "test_accuracy": 31.0},
            "random": {"history": history(10), "test_accuracy": 11.0},
        }
    )
    tuned = FineTuned(b"\x02\0\0\0\0\0\0\0{}", result)
    frame = tuned.to_pandas()
    assert frame["start"].tolist() == ["predicted", "random"]
    assert frame["validation_accuracy"].tolist() == [30, 10]
    race = result.model_copy(
        update={"predicted": None, "random": None, "rival": Rival(start="random", history=result.history)}
    )
    assert list(race.histories) == ["predicted", "random"]
    assert "digits: 31.0% of test images" in tuned._repr_html_()
    assert len(tuned.plot().axes) == 2


def job(**more: Any) -> Job:
    return Job.model_validate({"id": "abc", "kind": "predict", "status": "running", **more})


def test_jobs() -> None:
    started = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    table = JobTable(
        iter(
            [
                job(progress={"done": 1, "total": 4}, about={"name": "resnet50"}),
                job(status="succeeded", started_at=started, finished_at=started.replace(second=35)),
                job(status="failed", created_at=started, error={"detail": "no & never"}),
            ]
        )
    )
    frame = table.to_pandas()
    assert frame["progress"].tolist()[:2] == [0.25, 1.0]
    assert frame["seconds"][1] == 30
    shown = table._repr_html_()
    assert "3 jobs" in shown and "no &amp; never" in shown and "2026-01-02 03:04:05" in shown
    assert "resnet50" in table[0]._repr_html_() and len(table[1:]) == 2


def test_frames_without_pandas_name_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(NotInstalled, match=r"'\.\[plots\]'"):
        RANKING.to_pandas()


class FakeIPython(SimpleNamespace):
    """As a notebook has it: what was shown is in `shown`, what it was replaced by in `updates`."""

    def __init__(self, kernel: object) -> None:
        self.shown: list[str] = []
        self.updates: list[str] = []
        handle = SimpleNamespace(update=self.updates.append)
        display = SimpleNamespace(
            HTML=str, display=lambda content, display_id: self.shown.append(content) or handle
        )
        super().__init__(get_ipython=lambda: SimpleNamespace(kernel=kernel), display=display)


def test_a_bar_for_long_calls_only(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SimpleNamespace(now=0.0, monotonic=lambda: clock.now)
    monkeypatch.setattr(notebook, "time", clock)
    ipython = FakeIPython(kernel=object())
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    tell = notebook_progress()
    assert tell is not None
    tell(Progress(done=1, total=4, message="reading"))
    assert not ipython.shown
    clock.now = 2.0
    tell(Progress(done=2, total=4, message="epoch <1>"))
    (shown,) = ipython.shown
    assert 'value="0.5000"' in shown and "50%, 2 s" in shown and "epoch &lt;1&gt;" in shown
    clock.now = 2.1
    tell(Progress(done=2.1, total=4))
    assert not ipython.updates  # too soon
    tell(Progress(done=4, total=4))
    assert "100%" in ipython.updates[0]
    clock.now = 3.0
    tell(Progress(done=5, total=None, message="queued"))
    assert "<progress></progress> 3 s" in ipython.updates[1]


def test_no_bar_outside_of_notebooks(monkeypatch: pytest.MonkeyPatch) -> None:
    assert notebook_progress() is None
    monkeypatch.setitem(sys.modules, "IPython", FakeIPython(kernel=None))  # IPython in a terminal
    assert notebook_progress() is None


def test_calls_have_a_bar_unless_they_bring_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    from service.client import Client

    monkeypatch.setitem(sys.modules, "IPython", FakeIPython(kernel=object()))
    with Client() as client:
        assert isinstance(client._session.call(None).progress, notebook._Bar)
        own = print
        assert client._session.call(None, own).progress is own
