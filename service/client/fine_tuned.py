"""A fine-tuned network on the user's side: its weights, and how its training went."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from service.client import _views
from service.client._architectures import OnnxSource, onnx_file
from service.client._errors import UnexpectedAnswer, refusal
from service.client._results import FineTuningResult
from service.contract.training_results import Epoch
from service.errors import InvalidRequest, ServiceError
from service.kit.json_types import JsonObject
from service.kit.whole_file import write_whole
from service.weights.blocks import DTYPES, Array
from service.weights.safetensors_layout import read_contents

if TYPE_CHECKING:
    import pandas
    import torch

    from service.plots import Chart


class FineTuned:
    """The weights of a network that was trained from predicted ones.

    >>> tuned = client.fine_tune(model, data="photos", epochs=3)
    >>> model.load_state_dict(tuned.state_dict())
    >>> print(tuned.test_accuracy)
    """

    def __init__(
        self, body: bytes | bytearray, result: FineTuningResult, source_onnx: OnnxSource | None = None
    ) -> None:
        """body: the safetensors file. source_onnx: the ONNX model that was trained, which `save("net.onnx")`
        fills in. Raises UnexpectedAnswer if the file is damaged.
        """
        self.result = result
        self._source_onnx = source_onnx
        self._body = bytes(body)
        try:
            self._contents = read_contents(self._body)
        except ServiceError as error:
            raise UnexpectedAnswer(f"the weights file cannot be read: {error.detail}") from error

    @property
    def history(self) -> list[Epoch]:
        """What was measured before training (epoch 0) and after every epoch."""
        return self.result.history

    @property
    def test_accuracy(self) -> float:
        """Percent of the test images that the network classifies correctly in `eval()` mode."""
        return self.result.test_accuracy

    @property
    def start(self) -> JsonObject:
        """What the training started from: model, coverage, whether the classifier was predicted."""
        return self.result.start

    def __repr__(self) -> str:
        return (
            f"<FineTuned on {self.result.data}: {self.result.parameters:,} parameters, "
            f"{self.test_accuracy:.1f}% of test images>"
        )

    def plot(self) -> Chart:
        """A chart of accuracy and loss over the epochs, of both starts where both were trained to the end.

        Raises NotInstalled without the extra `plots`.
        """
        from service.plots import fine_tuning_chart

        return fine_tuning_chart(self.result.model_dump())

    def to_pandas(self) -> pandas.DataFrame:
        """A row for each start and epoch. Raises NotInstalled without the extra `plots`."""
        return _views.to_frame(_views.history_rows(self.result.histories), _views.HISTORY)

    def _repr_html_(self) -> str:
        caption = f"{self.result.data}: {self.test_accuracy:.1f}% of test images"
        return _views.to_html(caption, _views.history_rows(self.result.histories), _views.HISTORY)

    def numpy(self) -> dict[str, Array]:
        """Every parameter, and running statistics of batch norms, by name: float32, read-only."""
        return {
            name: np.frombuffer(data, dtype=DTYPES[dtype]).reshape(shape)
            for name, (dtype, shape, data) in self._contents.tensors.items()
        }

    def state_dict(self) -> dict[str, torch.Tensor]:
        """For `load_state_dict`. Second names of tied parameters are not in it: give `strict=False` then."""
        from service.client._torch import tensors_of

        return tensors_of({name: array.copy() for name, array in self.numpy().items()})

    def save(self, path: str | PathLike[str]) -> Path:
        """Write a file, all or nothing: `.safetensors`, or `.onnx` if the architecture was an ONNX model.

        Raises Refused for another ending, and for an ONNX model that the weights cannot be put into.
        """
        target = Path(path)
        try:
            body = self._filled_onnx() if target.suffix == ".onnx" else self._body
            if target.suffix not in (".safetensors", ".onnx"):
                raise InvalidRequest(
                    f"The ending of {target.name!r} names no form that trained weights are saved in.",
                    field="/path",
                    hint="Use .safetensors or .onnx.",
                )
        except ServiceError as error:
            raise refusal(error.problem()) from error
        return write_whole(target, body)

    def _filled_onnx(self) -> bytes:
        if self._source_onnx is None:
            raise InvalidRequest(
                "There is no ONNX model to fill in: the architecture was given in another form.",
                field="/path",
                hint="Save as .safetensors.",
            )
        from service.graph_io.onnx_writer import fill_trained_onnx

        data, folder = onnx_file(self._source_onnx)
        return fill_trained_onnx(data, self.numpy(), folder)
