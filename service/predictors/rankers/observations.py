"""What somebody observed: architectures, each with the value that was measured of it, or with none where its
training failed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import fsum, isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.contract.predictor import Failed
from service.errors import ServiceError
from service.graph_io.entries import read_entry
from service.graph_io.fields import Place, kind_of
from service.kit.json_types import JsonObject
from service.predictors.rankers.number_texts import FAILED_WORDS, number_of
from service.predictors.regressors.scores import Floats

# That far beyond, in spreads of the values.
_BEYOND = 0.01


@dataclass(frozen=True, slots=True)
class Observation:
    """value: None where the training failed: null, NaN or infinite. metadata: whatever else was said."""

    document: Any
    value: float | None
    metadata: Mapping[str, Any]


def read_observation(item: Any, index: int) -> Observation:
    """The item at this place of a list. Raises InvalidArchitecture or InvalidInput, naming the field."""
    place = Place() / "observations" / index
    try:
        entry = read_entry(item, place)
    except ServiceError as error:
        error.extra.setdefault("field", place.pointer)
        raise
    if "value" not in entry.others:
        raise place.refuse(f"{place.named} lacks the key 'value'.")
    metadata = {key: value for key, value in entry.others.items() if key != "value"}
    return Observation(entry.document, _value(entry.others["value"], place / "value"), metadata)


def _value(value: Any, place: Place) -> float | None:
    if value is None or (isinstance(value, str) and value.strip().lower() in FAILED_WORDS):
        return None
    if isinstance(value, str):
        value = number_of(value) if number_of(value) is not None else value
    if isinstance(value, list) and value:
        return _of_several([_value(one, place / index) for index, one in enumerate(value)])
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise place.refuse(
            f"{place.named} must be a number, not {kind_of(value)}.",
            "null or NaN stands for a training that failed.",
        )
    try:
        number = float(value)
    except OverflowError:
        raise place.refuse(f"{place.named} is larger than any floating point number.") from None
    return number if isfinite(number) else None


def _of_several(values: Sequence[float | None]) -> float | None:
    """The mean of several trainings of one network; of those that did not fail."""
    finite = np.array([value for value in values if value is not None])
    return mean_value(finite) if len(finite) else None


def common_metadata(observations: Sequence[Observation]) -> JsonObject:
    """What all of them say alike, by name; None for a name whose values differ, or that some lack."""
    names = dict.fromkeys(name for observation in observations for name in observation.metadata)
    common = {}
    for name in names:
        values = [observation.metadata.get(name) for observation in observations]
        common[name] = values[0] if all(value == values[0] for value in values) else None
    return common


def beyond(value_N: Floats, failed: Failed) -> float:
    """The value of failed trainings: a little lower, or higher, than every other, so that a search keeps away
    from what is like them.
    """
    least, most = float(value_N.min()), float(value_N.max())
    # Halves first: the spread of the largest numbers is no number.
    step = 2 * (_BEYOND * (most / 2 - least / 2)) or _BEYOND * abs(least) or _BEYOND
    limit = float(np.finfo(np.float64).max)
    return max(least - step, -limit) if failed == "lowest" else min(most + step, limit)


def merge_equal_rows(
    feature_NF: Floats, value_N: Floats, group_N: NDArray[np.int64]
) -> tuple[Floats, Floats, NDArray[np.int64]]:
    """One row for each set of equal ones, with the mean of their values, in the order of the first of each;
    the numbers of their networks, from 0 without gaps.
    """
    _, first, place_N = np.unique(feature_NF, axis=0, return_index=True, return_inverse=True)
    place_N = place_N.reshape(-1)
    means = np.array([mean_value(value_N[place_N == place]) for place in range(len(first))])
    order = np.argsort(first)
    kept = first[order]
    _, number_N = np.unique(group_N[kept], return_inverse=True)
    return feature_NF[kept], means[order], number_N.reshape(-1)


def mean_value(values: Floats) -> float:
    """The mean of numbers of any size."""
    return fsum((values / len(values)).tolist()) if len(values) > 1 else float(values[0])
