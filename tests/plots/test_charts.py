"""Charts show what the result says: points, intervals, labels. What they look like is looked at."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib import rc_context
from matplotlib.axes import Axes

from service.errors import InvalidRequest
from service.plots import (
    Chart,
    anytime_chart,
    fine_tuning_chart,
    predictor_chart,
    ranking_chart,
    search_chart,
    training_chart,
    weights_chart,
)
from service.weights.blocks import Provenance
from service.weights.scales import Scale


def points(axes: Axes, label: str) -> list[tuple[float, float]]:
    (line,) = (line for line in axes.get_lines() if line.get_label() == label)
    return [(float(x), float(y)) for x, y in zip(line.get_xdata(), line.get_ydata(), strict=True)]


def ranking(count: int, **more: Any) -> dict[str, Any]:
    rows = [
        {
            "rank": place + 1,
            "index": 2 * place,
            "name": None if place else "first",
            "score": -float(place),
            "value": 90.0 - place,
            "interval": [89.0 - place, 92.0 - place],
        }
        for place in range(count)
    ]
    return {"property": "accuracy", "predictor": "mine", "ranking": rows, **more}


def test_a_ranking_shows_values_and_intervals_best_first() -> None:
    chart = ranking_chart(ranking(3, unit="%"))
    (axes,) = chart.axes
    assert points(axes, "predicted") == [(90, 0), (89, 1), (88, 2)]
    (intervals,) = axes.collections
    assert [segment.tolist() for segment in intervals.get_segments()] == [
        [[89 - place, place], [92 - place, place]] for place in range(3)
    ]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["first", "number 3", "number 5"]
    assert axes.get_ylim()[0] > axes.get_ylim()[1]
    assert axes.get_xlabel() == "predicted accuracy, %"


def test_a_long_ranking_is_a_curve_over_the_rank() -> None:
    (axes,) = ranking_chart(ranking(500)).axes
    assert axes.get_xlabel() == "rank" and points(axes, "predicted")[499] == (500, 90 - 499)


def test_a_ranking_without_values_shows_scores_and_says_so() -> None:
    answer = ranking(2)
    answer["ranking"] = [{**row, "value": None, "interval": None} for row in answer["ranking"]]
    answer["ranking"].append({"rank": 3, "index": 9, "name": None, "score": None})
    (axes,) = ranking_chart(answer, name=lambda row: f"line {row['index']}").axes
    assert "score" in axes.get_xlabel() and axes.get_legend() is None
    assert [label.get_text() for label in axes.get_yticklabels()] == ["line 0", "line 2"]
    assert "1 without a score" in axes.get_title("left")


def test_a_predictor_shows_what_it_said_of_held_out_observations() -> None:
    fitted = {
        "name": "mine",
        "kendall_tau_cv": 0.5,
        "interval": [0.25, 0.75],
        "held_out": [{"value": 1.0, "predicted": 2.0}, {"value": 3.0, "predicted": 2.5}],
    }
    (axes,) = predictor_chart(fitted, measured="latency").axes
    assert [tuple(point) for point in axes.get_lines()[1].get_xydata()] == [(1, 2), (3, 2.5)]
    assert axes.get_xlim() == axes.get_ylim()
    assert axes.get_xlabel() == "measured latency"
    assert "0.50 (90% interval 0.25 to 0.75)" in axes.get_title("left")


def test_a_search_shows_its_progress_and_its_front() -> None:
    answer = {
        "space": "nasbench201",
        "predictor": "mine",
        "evaluations": 50,
        "trade_off": "multiply_adds",
        "curve": [{"evaluations": 1, "best": 0.1}, {"evaluations": 9, "best": 0.4}],
        "best": [{"score": 0.4, "costs": {"multiply_adds": 2e6}}],
        "front": [
            {"score": 0.4, "costs": {"multiply_adds": 2e6}},
            {"score": 0.1, "costs": {"multiply_adds": 1e6}},
        ],
    }
    progress, front = search_chart(answer).axes
    assert [tuple(point) for point in progress.get_lines()[0].get_xydata()] == [(1, 0.1), (9, 0.4), (50, 0.4)]
    assert points(front, "on the front") == [(1e6, 0.1), (2e6, 0.4)]
    assert front.get_xlabel() == "multiply-adds"
    assert front.get_ylabel() == "score"
    assert len(search_chart({**answer, "front": [], "trade_off": None}).axes) == 1


def test_a_front_shows_values_where_the_predictor_says_them() -> None:
    entry = {"score": 0.4, "value": 91.5, "costs": {"parameters": 5}}
    answer = {
        "space": "darts",
        "predictor": "mine",
        "property": "accuracy",
        "unit": "%",
        "evaluations": 1,
        "trade_off": "parameters",
        "curve": [{"evaluations": 1, "best": 0.4}],
        "best": [entry],
        "front": [entry],
    }
    _, front = search_chart(answer).axes
    assert points(front, "on the front") == [(5, 91.5)] and front.get_ylabel() == "predicted accuracy, %"


def test_a_training_that_was_resumed_is_drawn_once() -> None:
    records = [
        {"kind": "data", "images": 5},
        {"kind": "train", "step": 10, "loss": 2.0, "accuracy": 10.0},
        {"kind": "train", "step": 20, "loss": 9.0, "accuracy": 1.0},
        {"kind": "train", "step": 20, "loss": 1.0, "accuracy": 30.0},
        {"kind": "validation", "step": 20, "mean": 25.0, "networks": 8},
    ]
    loss, accuracy = training_chart(records, name="mine").axes
    assert points(loss, "training") == [(10, 2), (20, 1)]
    assert points(accuracy, "batch, in training") == [(10, 10), (20, 30)]
    assert points(accuracy, "validation, 8 unseen networks") == [(20, 25)]


def test_a_long_training_is_smoothed_by_what_came_before() -> None:
    records = [{"kind": "train", "step": step, "loss": float(step), "accuracy": 0.0} for step in range(100)]
    loss, _ = training_chart(records).axes
    smooth = points(loss, "training, mean of 5")
    assert smooth[0] == (0, 0) and smooth[1] == (1, 0.5) and smooth[99] == (99, 97)


def epochs(*accuracies: float) -> list[dict[str, Any]]:
    return [
        {"epoch": epoch, "loss": None if epoch == 0 else 1.0, "training_accuracy": accuracy,
         "validation_loss": 2.0, "validation_accuracy": accuracy}
        for epoch, accuracy in enumerate(accuracies)
    ]  # fmt: skip


def test_a_fine_tuning_shows_both_starts_in_one_chart() -> None:
    history = epochs(30, 60, 50)
    result = {
        "start": {"start": "predicted"},
        "history": history,
        "kept_epoch": 1,
        "test_accuracy": 58.0,
        "data": "digits",
        "predicted": {"history": history},
        "random": {"history": epochs(10, 40, 55)},
    }
    chart = fine_tuning_chart(result)
    accuracy, loss = chart.axes
    drawn = [line.get_ydata().tolist() for line in accuracy.get_lines() if line.get_linestyle() == "-"]
    assert drawn[:2] == [[30, 60, 50], [10, 40, 55]]
    assert accuracy.get_lines()[-1].get_xydata().tolist() == [[1, 60]]  # the ring around what was kept
    assert [line.get_xdata().tolist() for line in loss.get_lines()][1] == [1, 2]  # no loss before training
    labels = [text.get_text() for text in chart.legends[0].get_texts()]
    assert labels[:2] == ["from predicted weights", "from random weights"]
    alone = fine_tuning_chart({**result, "predicted": None, "random": None})
    rival = {"start": "random", "history": epochs(10, 12)}
    given_up = fine_tuning_chart({**result, "predicted": None, "random": None, "rival": rival}).axes[0]
    assert given_up.get_lines()[2].get_ydata().tolist() == [10, 12]
    assert alone.legends[0].get_texts()[0].get_text() == "from predicted weights"


def scale(name: str, std: float, provenance: Provenance, he: float | None = 0.1) -> Scale:
    return Scale(name, (8, 3, 3, 3), provenance, std, he)


def test_weights_are_shown_beside_he_initialisation() -> None:
    tensors = [
        scale("conv.weight", 0.2, Provenance.PREDICTED),
        scale("conv.bias", 0.3, Provenance.PREDICTED, None),
        scale("zeros.weight", 0.0, Provenance.DEFAULTED),
        scale("fc.weight", 0.05, Provenance.TILED),
    ]
    (axes,) = weights_chart(tensors, title="a network").axes
    assert points(axes, "He initialisation") == [(0, 0.1), (1, 0.1)]
    assert points(axes, "predicted") == [(0, 0.2)]
    assert points(axes, "tiled from a smaller prediction") == [(1, 0.05)]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["conv.weight", "fc.weight"]
    many = weights_chart([scale(f"{n}.weight", 0.1, Provenance.PREDICTED) for n in range(70)], title="")
    assert many.axes[0].get_xlabel() == "weight tensor, in order of execution"


@pytest.mark.parametrize("ending", ["png", "svg"])
def test_the_same_chart_gives_the_same_file(tmp_path: Path, ending: str) -> None:
    first = ranking_chart(ranking(5)).save(tmp_path / "deep" / f"one.{ending}")
    # A style of the user's changes nothing.
    with rc_context({"text.color": "white", "axes.facecolor": "black", "font.size": 30}):
        second = ranking_chart(ranking(5)).save(tmp_path / f"two.{ending}")
    assert first.read_bytes() == second.read_bytes()
    assert first.read_bytes().startswith(b"\x89PNG" if ending == "png" else b"<?xml")


def test_other_endings_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match=r"chart\.pdf"):
        ranking_chart(ranking(1)).save(tmp_path / "chart.pdf")
    assert not list(tmp_path.iterdir())


def test_a_notebook_shows_a_chart() -> None:
    assert ranking_chart(ranking(2))._repr_png_().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    "chart",
    [
        lambda: ranking_chart(ranking(0)),
        lambda: training_chart([]),
        lambda: weights_chart([], title="nothing"),
        lambda: predictor_chart(
            {"model": "m", "property": "accuracy", "kendall_tau_cv": 0.0, "interval": [0, 0], "held_out": []}
        ),
    ],
)
def test_nothing_to_show_is_an_empty_chart(chart: Any) -> None:
    assert isinstance(chart(), Chart) and chart()._repr_png_()


def test_charts_do_not_overlap_their_labels() -> None:
    """Of the names beside a full ranking."""
    chart = ranking_chart(ranking(40))
    chart._repr_png_()
    boxes = sorted(
        (box.y0, box.y1) for box in (label.get_window_extent() for label in chart.axes[0].get_yticklabels())
    )
    assert np.all(np.diff(np.array(boxes)[:, 0]) > 0)
    assert all(above[0] >= below[1] for below, above in pairwise(boxes))


def test_an_exit_counts_until_the_next_one_answers() -> None:
    curve = [(10.0, 40.0), (30.0, 60.0)]
    (axes,) = anytime_chart({"mine": curve, "dear": [(120.0, 90.0)]}, budget=100.0).axes
    assert points(axes, "mine") == [*curve, (100.0, 60.0)]
    assert points(axes, "dear") == [(120.0, 90.0), (120.0, 90.0)]
    (mine, *_) = [line for line in axes.get_lines() if line.get_label() == "mine"]
    assert mine.get_drawstyle() == "steps-post"
