"""What a ranker says of an architecture does not depend on what is ranked with it, to the last digit."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from service.graph_io.read import read_document
from service.predictors.rankers.ranking import FittedRanker
from service.predictors.regressors.few_shot import FewShotRegressor, SmoothRegressor


@pytest.mark.parametrize("make", [lambda: FewShotRegressor(num_trees=5), SmoothRegressor])
def test_scores_alone_and_in_company(make: Any) -> None:
    random = np.random.default_rng(0)
    feature_NF = random.normal(size=(40, 9)) ** 2
    value_N = 90 + feature_NF[:, 0] - feature_NF[:, 1] + random.normal(size=40) / 10
    predictor: Any = SimpleNamespace(
        regressor=make().fit(feature_NF, value_N), name="own", property="accuracy"
    )
    ranker = FittedRanker(predictor, read_document)
    rows = (random.normal(size=(60, 9)) ** 2).tolist()
    together = ranker.scores(rows)
    assert together == [ranker.scores([row])[0] for row in rows]
    assert together[::-1] == ranker.scores(rows[::-1])
    assert len({row["value"] for row in together}) > 10
