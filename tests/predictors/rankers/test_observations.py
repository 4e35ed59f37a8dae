"""Observations as people have them: repeated, failed, of any size, of cells that are no network."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from service.errors import InvalidRequest
from service.graph_io.cells.nasbench201 import live_edges, parse_cell
from service.graph_io.cells.nasbench201_isomorphism import canonical
from service.graph_io.read import read_document
from service.predictors.rankers.fit_report import fit_report
from service.predictors.rankers.fitted import FittedPredictor, observe
from service.predictors.rankers.identity import cell_identity, graph_identity
from service.predictors.rankers.observations import common_metadata, read_observation
from service.predictors.regressors.scores import hold_out
from tests.predictors.rankers.test_ranking import GRAPH, OPERATIONS, cell, observations, some_cells
from tests.predictors.regressors.test_few_shot import problem

SKIP, CONV1, CONV3, NONE = "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "none"
NOTHING = cell(*[NONE] * 6)


def test_cells_that_are_one_network() -> None:
    # The 3x3 convolution reads the input, over node 1 or over node 2.
    over_1 = cell(CONV3, NONE, NONE, NONE, SKIP, NONE)
    over_2 = cell(NONE, CONV3, NONE, NONE, NONE, SKIP)
    with_dead_end = cell(CONV3, CONV1, NONE, NONE, SKIP, NONE)
    through_a_skip = cell(SKIP, NONE, CONV3, NONE, NONE, SKIP)
    assert len({cell_identity(document) for document in (over_1, over_2, with_dead_end, through_a_skip)}) == 1
    assert cell_identity(over_1) != cell_identity({**over_1, "num_classes": 100})
    assert cell_identity(over_1) == cell_identity({**over_1, "name": "another"})
    twice = cell(CONV3, CONV3, NONE, NONE, SKIP, SKIP)
    assert cell_identity(twice) != cell_identity(over_1)  # a sum of two is not one of them


def test_all_cells_of_nasbench201_have_a_canonical_form() -> None:
    """One form for each different value at the output, where operations are functions that have nothing in
    common.
    """
    functions = {CONV1: np.sin, CONV3: np.exp, "avg_pool_3x3": lambda x: x * x + 0.3}
    outputs: dict[str, float] = {}
    for operations in itertools.product(OPERATIONS, repeat=6):
        parsed = parse_cell(cell(*operations)["cell"])
        form = canonical(parsed)
        assert bool(form) == bool(live_edges(parsed))
        values: list[float | None] = [0.7, None, None, None]
        for edge in parsed:
            source = values[edge.source]
            if edge.operation != NONE and source is not None:
                term = source if edge.operation == SKIP else float(functions[edge.operation](source))
                values[edge.target] = (values[edge.target] or 0.0) + term
        output = round(values[3] or 0.0, 9)
        assert outputs.setdefault(form, output) == output
    assert len(set(outputs.values())) == len(outputs) == 4930


def test_parameters_and_nodes_may_be_called_anything() -> None:
    renamed = {**GRAPH, "nodes": [dict(node) for node in GRAPH["nodes"]]}
    renamed["nodes"][1] = {**renamed["nodes"][1], "params": {"weight": {"name": "v", "shape": [8, 3, 3, 3]}}}
    assert graph_identity(read_document(renamed)) == graph_identity(read_document(GRAPH))
    wider = {**GRAPH, "input_shape": [3, 16, 16]}
    assert graph_identity(read_document(wider)) != graph_identity(read_document(GRAPH))


def test_one_network_many_times_is_too_little() -> None:
    again = [
        {"architecture": cell(CONV3, NONE, NONE, NONE, SKIP, NONE), "value": 90 + seed} for seed in range(9)
    ]
    with pytest.raises(InvalidRequest, match=r"9 observations of 1 network; a predictor takes 7 to"):
        FittedPredictor("again", "accuracy", observe(again))


def test_repeated_networks_teach_nothing_about_others() -> None:
    """Values of chance, measured eight times: within folds drawn over measurements tau would be 0.9."""
    generator = np.random.default_rng(7)
    items = []
    for document in [document for document in some_cells(40, seed=5) if "conv" in document["cell"]][:14]:
        value = generator.uniform(60, 95)
        items += [{"architecture": document, "value": value + generator.normal(0, 0.3)} for _ in range(8)]
    predictor = FittedPredictor("seeds", "accuracy", observe(items))
    report = fit_report(predictor, predictor.cross_validate())
    assert (report.n, report.networks) == (112, 14)
    assert report.interval[0] <= 0 and "cannot be told" in report.certainty
    assert "112 observations of 14 different networks" in report.certainty


def test_repeats_do_not_change_what_is_learned() -> None:
    items = observations(some_cells(24))
    once = FittedPredictor("once", "accuracy", observe(items))
    around = [{**items[0], "value": items[0]["value"] + change} for change in (-3, 0, 3)]
    often = FittedPredictor("often", "accuracy", observe([*around, *items[1:]]))
    rows = np.array([once.features(document) for document in some_cells(30, seed=1)])
    np.testing.assert_allclose(
        often.regressor.predict(rows).score_M, once.regressor.predict(rows).score_M, atol=1e-9
    )


def test_groups_are_held_out_together() -> None:
    features, values = problem(40)
    seen: list[set[float]] = []

    class Spy:
        def fit(self, feature_NF: Any, value_N: Any) -> Spy:
            seen.append(set(value_N.tolist()))
            return self

        def predict(self, feature_MF: Any) -> Any:
            from service.predictors.regressors.few_shot import FewShotRegressor

            return FewShotRegressor(num_trees=5).fit(features, values).predict(feature_MF)

        def scores(self, value_M: Any) -> Any:
            return value_M

    group = np.arange(40) // 4
    hold_out(Spy, features, values, group)
    for learned in seen:
        for number in range(10):
            members = set(values[group == number].tolist())
            assert members <= learned or not members & learned


@pytest.mark.parametrize("nothing", [None, float("nan"), float("inf"), float("-inf"), "NaN", "diverged"])
def test_failed_trainings_are_counted_and_left_out(nothing: Any) -> None:
    items = observations(some_cells(20))
    failures = [{"architecture": document, "value": nothing} for document in some_cells(3, seed=4)]
    seen = observe([failures[0], *items, *failures[1:]])
    assert seen.tally is not None
    assert (seen.tally.used, seen.tally.failed) == (20, 3)
    np.testing.assert_array_equal(seen.value_N, observe(items).value_N)


def test_failed_trainings_may_be_worse_than_all_others() -> None:
    items = observations(some_cells(20))
    failed = [*items, {"architecture": some_cells(1, seed=4)[0], "value": None}]
    lowest, highest = observe(failed, failed="lowest"), observe(failed, failed="highest")
    assert lowest.value_N[-1] < lowest.value_N[:-1].min()
    assert highest.value_N[-1] > highest.value_N[:-1].max()
    assert lowest.tally is not None and (lowest.tally.used, lowest.tally.failed) == (21, 1)
    with pytest.raises(InvalidRequest, match="6 observations beside 2 failed trainings"):
        observe([*items[:6], *[{**items[0], "value": None}] * 2])


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("scale", [1e306, 1e200, 1e-200, 1e-320, -1e306])
def test_values_of_any_size(scale: float) -> None:
    items = [{**item, "value": item["value"] * scale} for item in observations(some_cells(30))]
    sized = FittedPredictor("sized", "accuracy", observe(items))
    score = sized.cross_validate()
    assert score.low <= score.tau <= score.high and score.tau > 0.3
    rows = np.array([sized.features(document) for document in some_cells(10, seed=1)])
    found = sized.regressor.predict(rows)
    for numbers in (found.value_M, found.low_M, found.high_M, found.score_M):
        assert np.isfinite(numbers).all()
    assert (found.low_M <= found.high_M).all()


def test_ordinary_values_keep_their_predictions_exactly() -> None:
    items = observations(some_cells(24))
    rows = np.array([observe(items).feature_NF[3]])
    plain = FittedPredictor("a", "accuracy", observe(items)).regressor.predict(rows)
    doubled = [{**item, "value": 2 * item["value"]} for item in items]
    twice = FittedPredictor("b", "accuracy", observe(doubled)).regressor.predict(rows)
    np.testing.assert_array_equal(2 * plain.value_M, twice.value_M)
    np.testing.assert_array_equal(plain.score_M, twice.score_M)


def test_a_cell_that_connects_nothing_spoils_no_file() -> None:
    """In cells it has the value of chance; as a network it is set aside, with its place."""
    items = observations(some_cells(20))
    bare = observe([*items, {"architecture": NOTHING, "value": 10.0}])
    assert bare.tally is not None and bare.tally.used == 21 and not bare.tally.set_aside
    classes = [{**item, "architecture": {**item["architecture"], "num_classes": 100}} for item in items]
    with_classes = observe([*classes, {"architecture": {**NOTHING, "num_classes": 100}, "value": 1.0}])
    assert with_classes.view == "cell" and len(with_classes.value_N) == 21
    small = [
        {**item, "architecture": {**item["architecture"], "channels": 4, "cells_per_stage": 1}}
        for item in items
    ]
    unconnected = {"architecture": {**NOTHING, "channels": 4}, "value": 10.0}
    networks = observe([*small[:7], unconnected, *small[7:]])
    assert networks.tally is not None and networks.tally.used >= 18
    assert 7 in [item.index for item in networks.tally.set_aside]
    assert all("No path leads from" in item.error.detail for item in networks.tally.set_aside)


def test_other_fields_are_metadata() -> None:
    document = some_cells(1)[0]
    nested = read_observation({"architecture": document, "value": 1, "epochs": 200, "seed": 3}, 0)
    flat = read_observation({**document, "value": 1, "epochs": 200, "seed": 4}, 1)
    assert dict(nested.document) == dict(flat.document) == document
    assert common_metadata([nested, flat]) == {"epochs": 200, "seed": None}
