"""Predicted weights on the user's side: a state dict, arrays, a file, or written into a module.

The answer stays in its blocks until numbers are asked for; each request expands them anew, so nothing is held
twice and the arrays belong to the caller. Expanding runs at the speed of a memory copy (ResNet-50, 102 MB:
about 20 ms).
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from service.client import _summary, _views
from service.client._architectures import OnnxSource, onnx_file
from service.client._downloaded import read_download
from service.client._errors import refusal
from service.client._html import MOST_ROWS
from service.client.applied import Applied, WeightsDoNotFit
from service.contract.results import PredictionResult
from service.errors import InvalidRequest, ServiceError
from service.kit.whole_file import whole_file, write_whole
from service.weights.blocks import Array, Provenance, WeightBlocks, shares
from service.weights.formats import write_weights
from service.weights.output import check_output
from service.weights.scales import scales

if TYPE_CHECKING:
    import pandas
    import torch

    from service.plots import Chart


class PredictedWeights:
    """The predicted weights of one network.

    >>> weights = client.predict_weights(model)
    >>> weights.apply_to(model)
    >>> print(weights.summary())
    """

    def __init__(
        self,
        blocks: WeightBlocks,
        *,
        result: PredictionResult | None = None,
        source_onnx: OnnxSource | None = None,
        expected: Iterable[str] = (),
        notes: Iterable[str] = (),
    ) -> None:
        """result: what the service said about it; None for a prediction made in this process.
        expected, notes: names of every trainable parameter of the network, and what to know about it, where
            there is no such result.
        source_onnx: the ONNX model it was made for, which `save("model.onnx")` fills in.
        """
        self.blocks = blocks
        self.result = result
        self._source_onnx = source_onnx
        self._expected = frozenset(expected)
        self._notes = tuple(notes)

    @classmethod
    def from_download(
        cls,
        body: bytes | bytearray,
        *,
        output: str,
        dtype: str,
        result: PredictionResult,
        source_onnx: OnnxSource | None = None,
    ) -> PredictedWeights:
        """Read a weights file of the service. Raises UnexpectedAnswer if it is damaged or not what was asked
        for.
        """
        blocks = read_download(body, output=output, dtype=dtype, result=result)
        return cls(blocks, result=result, source_onnx=source_onnx)

    @property
    def model(self) -> str:
        """Name of the checkpoint that predicted them."""
        return self.blocks.model

    @property
    def dtype(self) -> str:
        return self.blocks.dtype

    @property
    def names(self) -> tuple[str, ...]:
        """Parameter names in execution order."""
        return tuple(self.blocks.blocks)

    @property
    def num_parameters(self) -> int:
        return self.blocks.num_parameters

    @property
    def complete(self) -> bool:
        """Whether every trainable parameter of the network is here."""
        return (
            self.result.complete if self.result is not None else self._expected <= self.blocks.blocks.keys()
        )

    @property
    def coverage(self) -> float:
        """Share of the parameters, counted in numbers, whose values come from the GHN: 0 to 1."""
        return self.result.coverage if self.result is not None else self.blocks.coverage

    @property
    def numbers(self) -> dict[str, int]:
        """How many numbers were predicted at full shape, tiled from a smaller prediction, and defaulted."""
        numbers = {} if self.result is None else self.result.numbers
        return dict(numbers or self.blocks.numbers)

    @property
    def notes(self) -> tuple[str, ...]:
        """What to know before trusting the weights, a sentence each."""
        return self._notes if self.result is None else tuple(self.result.notes)

    @property
    def defaulted(self) -> tuple[str, ...]:
        """Names that the GHN has no decoder for: initialised by the field's standard rule."""
        return self.blocks.defaulted

    @property
    def provenance(self) -> dict[str, Provenance]:
        """Where each parameter's values come from: predicted, tiled or defaulted."""
        return {name: block.provenance for name, block in self.blocks.blocks.items()}

    @property
    def digest(self) -> str | None:
        """The answer's address on the service; None for a prediction made in this process."""
        return None if self.result is None else self.result.digest

    def __len__(self) -> int:
        return len(self.blocks.blocks)

    def __repr__(self) -> str:
        return (
            f"<PredictedWeights of {self.model}: {len(self)} tensors, {self.num_parameters:,} parameters, "
            f"{shares(self.numbers)}>"
        )

    def numpy(self) -> dict[str, Array]:
        """Every parameter as an array in the user's own layout (bfloat16 as `ml_dtypes.bfloat16`)."""
        return self.blocks.expand()

    def state_dict(self) -> dict[str, torch.Tensor]:
        """Every parameter as a torch tensor on the CPU.

        For `load_state_dict(..., strict=False)`: buffers, and second names of tied parameters, are not in it.
        """
        from service.client._torch import tensors_of

        return tensors_of(self.numpy())

    def apply_to(self, module: torch.nn.Module, *, strict: bool = True) -> Applied:
        """Overwrite the module's parameters in place, tied ones too. Buffers stay as they are, and parameters
        with requires_grad=False.

        Raises WeightsDoNotFit before anything is written if a name or shape differs and `strict` is true;
        otherwise what fits is written, and the report says what did not.
        """
        from service.client._torch import match, write_parameters

        report, matches = match(module, self.blocks.blocks)
        if strict and not report.fits:
            raise WeightsDoNotFit(report)
        write_parameters(matches, self.dtype)
        return report

    def save(self, path: str | PathLike[str], *, output: str | None = None) -> Path:
        """Write a file, all or nothing.

        output: safetensors, tiles, npz or onnx; without it the ending says which: .safetensors,
            .tiles.safetensors, .npz, .onnx.

        Raises Refused for another ending, or for onnx when the architecture was not an ONNX model.
        """
        target = Path(path)
        try:
            form = output or _form_of(target)
            check_output(form, self.dtype)
            filled = self._filled_onnx() if form == "onnx" else None
        except ServiceError as error:
            raise refusal(error.problem()) from error

        if filled is not None:
            return write_whole(target, filled)
        with whole_file(target) as path:
            write_weights(path, self.blocks, output=form, dtype=self.dtype)
        return target

    def _filled_onnx(self) -> bytes:
        if self._source_onnx is None:
            raise InvalidRequest(
                "There is no ONNX model to fill in: the architecture was given in another form.",
                field="/output",
                hint="Predict for an ONNX file, or save as .safetensors or .npz.",
            )
        from service.graph_io.onnx_writer import fill_onnx

        data, folder = onnx_file(self._source_onnx)
        return fill_onnx(data, self.numpy(), folder)

    def plot(self, title: str | None = None) -> Chart:
        """A chart of the deviation of every weight beside He initialisation; a notebook shows it.

        Raises NotInstalled without the extra `plots`.
        """
        from service.plots import weights_chart

        weights = f"{len(self)} tensors, {self.num_parameters:,} parameters"
        return weights_chart(scales(self.blocks.blocks), title=f"{title or weights}, by {self.model}")

    def to_pandas(self) -> pandas.DataFrame:
        """A row for each parameter: where its values come from, and how large they are beside He
        initialisation. Raises NotInstalled without the extra `plots`.
        """
        return _views.to_frame(_views.scale_rows(scales(self.blocks.blocks)), _views.SCALES)

    def _repr_html_(self) -> str:
        # Only what is shown is expanded.
        shown = dict(islice(self.blocks.blocks.items(), MOST_ROWS))
        rows = _views.scale_rows(scales(shown))
        return _views.to_html(repr(self).strip("<>"), rows, _views.SCALES, count=len(self))

    def summary(self) -> str:
        """A table: for each parameter its layer, shape, provenance, standard deviation, and how that compares
        with He initialisation (1.00: the same); blank for vectors.
        """
        return _summary.table(self.blocks)


def _form_of(path: Path) -> str:
    if path.name.endswith(".tiles.safetensors") or path.suffix == ".tiles":
        return "tiles"
    if path.suffix in (".safetensors", ".npz", ".onnx"):
        return path.suffix[1:]
    raise InvalidRequest(
        f"The ending of {path.name!r} names no form that weights are saved in.",
        field="/path",
        hint="Use .safetensors, .npz, .onnx or .tiles.safetensors.",
    )
