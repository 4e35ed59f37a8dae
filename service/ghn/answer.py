"""What is said of predicted weights beside the numbers, and the check that they are whole."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import ml_dtypes
import numpy as np

from service.contract.results import Exit, PredictionResult, WeightsFile
from service.errors import ServiceError
from service.graph_io.archgraph import ArchGraph
from service.predictors.features.exits import exit_costs
from service.weights.blocks import DTYPES, WeightBlocks

if TYPE_CHECKING:
    from service.ghn.registry import LoadedModel


def describe_answer(
    model: LoadedModel, weights: WeightBlocks, graph: ArchGraph, *,
    from_onnx: bool, digest: str, file: WeightsFile,
) -> PredictionResult:  # fmt: skip
    """What is said, by whichever door, of weights that were checked. from_onnx: whether an exporter made the
    graph. digest: of the request.
    """
    return PredictionResult(
        digest=digest,
        model=model.card.name,
        num_tensors=len(weights.blocks),
        num_parameters=weights.num_parameters,
        complete=True,
        coverage=round(weights.coverage, 6),
        numbers=weights.numbers,
        defaulted=list(weights.defaulted),
        exits=[Exit(**asdict(cost)) for cost in exit_costs(graph)],
        notes=model.notes(graph, weights, from_onnx=from_onnx),
        weights=file,
    )


def check_answer(graph: ArchGraph, weights: WeightBlocks, dtype: str) -> None:
    """Every trainable parameter at its own shape, finite in the format. Raises ServiceError."""
    shapes = {parameter.name: parameter.shape for parameter in graph.parameters()}
    answered = {name: block.stored_shape for name, block in weights.blocks.items()}
    if shapes != answered:
        missing = sorted(name for name in shapes if shapes[name] != answered.get(name))
        raise ServiceError(
            f"the answer does not fit the network: {len(missing)} parameters missing or of another shape",
            parameters=missing[:10],
        )
    largest = float(ml_dtypes.finfo(DTYPES[dtype]).max)  # type: ignore[no-untyped-call]
    for name, block in weights.blocks.items():
        # A NaN fails this comparison as well.
        if not float(np.abs(block.values).max(initial=0)) * abs(block.scale) <= largest:
            raise ServiceError(f"the values predicted for {name} are not finite in {dtype}", parameter=name)
