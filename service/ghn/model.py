"""The GHN: node features, GNN, decoders.

Shape legend: N nodes of all graphs in the batch, C node state width
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor, nn

from service.ghn.batch import GraphBatch
from service.ghn.config import GHNConfig
from service.ghn.decoder import Cuts, VectorDecoder, WeightDecoder
from service.ghn.gated_gnn import GatedGNN, NodeMLP
from service.ghn.normalization import fan_in_scale, squash
from service.ghn.shape_encoder import ShapeEncoder
from service.graph_io.operators import Primitive
from service.graph_io.primitives import Decoding, Target, position_shape


@dataclass(frozen=True, slots=True)
class DecodedBlock:
    """values: the block of one target in canonical layout, normalised except for `scale`."""

    graph: int
    target: Target
    values: Tensor
    scale: float


class GHN(nn.Module):
    """Graph HyperNetwork. `embed` gives node states, `decode` the blocks of every parameter it has a decoder
    for."""

    def __init__(self, config: GHNConfig) -> None:
        super().__init__()
        self.config = config
        self.primitive = nn.Embedding(len(Primitive), config.hidden)
        self.shape_encoder = ShapeEncoder(config)
        self.gnn: nn.Module = GatedGNN(config) if config.gnn == "gated" else NodeMLP(config)
        self.layer_norm = nn.LayerNorm(config.hidden) if config.layer_norm else nn.Identity()
        self.decoder = WeightDecoder(config)
        self.vector_decoder = VectorDecoder(config)

    def embed(self, batch: GraphBatch) -> Tensor:
        """Final node states h_NC, in the batch's own row order (`batch.rows` leads back to the graphs)."""
        x_NC = self.primitive(batch.primitive_N) + self.shape_encoder(batch.shape_N4)
        return self.layer_norm(self.gnn(x_NC, batch))  # type: ignore[no-any-return]

    def decode(
        self, h_NC: Tensor, batch: GraphBatch, *, include_classifier: bool = True, apply_scale: bool = False
    ) -> Iterator[DecodedBlock]:
        """One block for every target with a decoder. Targets of one kind and block shape are decoded,
        normalised and (on request) scaled together: networks have thousands of small tensors, and each
        operation on one costs as much as on all.
        """
        groups: dict[tuple[Decoding, tuple[int, ...]], list[tuple[int, Target]]] = {}
        for graph, primitives in enumerate(batch.graphs):
            for target in primitives.targets:
                is_classifier = target.decoding in (Decoding.CLASS_WEIGHT, Decoding.CLASS_BIAS)
                if target.decoding is Decoding.DEFAULT or (is_classifier and not include_classifier):
                    continue
                groups.setdefault((target.decoding, self._map_shape(target)), []).append((graph, target))
        cuts = self.decoder.cut(
            {shape for _, shape in groups if shape}
            | {self.decoder.classifier_shape for kind, _ in groups if kind is Decoding.CLASS_WEIGHT}
        )
        for (decoding, block_shape), members in groups.items():
            rows = torch.tensor(
                [int(batch.rows[graph][target.node]) for graph, target in members], device=h_NC.device
            )
            values = self._decode_group(decoding, block_shape, h_NC[rows], cuts)
            scales = [self._scale(target) for _, target in members]
            if self.config.normalize:
                values = squash(values, decoding)
            if apply_scale and decoding in (Decoding.WEIGHT, Decoding.CLASS_WEIGHT):
                values = values * values.new_tensor(scales).view(-1, *[1] * (values.ndim - 1))
                scales = [1.0] * len(scales)
            for (graph, target), value, scale in zip(members, values.unbind(0), scales, strict=True):
                yield DecodedBlock(graph, target, _fit(value, target), scale)

    def _map_shape(self, target: Target) -> tuple[int, ...]:
        """Block shape (out, in, height, width) that the decoder must compute for a weight or position table;
        () for others."""
        if target.decoding not in (Decoding.WEIGHT, Decoding.POSITION):
            return ()
        parameter = target.parameter
        shape = (
            position_shape(parameter) if target.decoding is Decoding.POSITION else parameter.canonical_shape
        )
        out, inp = (*shape, 1)[:2]
        height, width = shape[-2:] if len(shape) >= 4 else ((*shape, 1, 1)[2], 1)
        channels, kernel = self.config.max_channels, self.config.max_kernel
        return min(out, channels), min(inp, channels), min(height, kernel), min(width, kernel)

    def _decode_group(
        self, decoding: Decoding, block_shape: tuple[int, ...], h_PC: Tensor, cuts: Cuts
    ) -> Tensor:
        if decoding in (Decoding.WEIGHT, Decoding.POSITION):
            return self.decoder(h_PC, block_shape, cuts)  # type: ignore[no-any-return]
        if decoding is Decoding.CLASS_WEIGHT:
            return self.decoder.forward_classifier(h_PC, cuts)
        if decoding is Decoding.CLASS_BIAS:
            return self.vector_decoder.forward_classifier(h_PC)
        return self.vector_decoder(h_PC)[:, 0 if decoding is Decoding.NORM_WEIGHT else 1]  # type: ignore[no-any-return]

    def _scale(self, target: Target) -> float:
        """Fan-in scale of a weight; position tables and vectors keep theirs."""
        if self.config.normalize and target.decoding in (Decoding.WEIGHT, Decoding.CLASS_WEIGHT):
            return fan_in_scale(target.parameter.canonical_shape)
        return 1.0

    def predict_tensors(self, batch: GraphBatch) -> list[dict[str, Tensor]]:
        """For every graph: parameter name -> tensor in the network's own layout and full shape,
        differentiable.

        Parameters without a decoder are left out. Training uses this; answers use `predict.predict_blocks`.
        """
        results: list[dict[str, Tensor]] = [{} for _ in batch.graphs]
        for block in self.decode(self.embed(batch), batch, apply_scale=True):
            parameter = block.target.parameter
            full = tile(block.values, parameter.canonical_shape)
            if parameter.axes is not None:
                full = full.permute([parameter.axes.index(axis) for axis in range(len(parameter.axes))])
            results[block.graph][parameter.name] = full
        return results


def tile(values: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Repeat a block along every axis, and cut it, to `shape`; differentiable."""
    if tuple(values.shape) == shape:
        return values
    repeats = [-(-size // have) for size, have in zip(shape, values.shape, strict=True)]
    if prod(repeats) > 1:
        values = values.repeat(repeats)
    return values if tuple(values.shape) == shape else values[tuple(slice(0, size) for size in shape)]


def _fit(value: Tensor, target: Target) -> Tensor:
    """Decoded values with the rank of their target, cut to its size where they are larger."""
    shape = target.parameter.canonical_shape
    if target.decoding is Decoding.WEIGHT:
        return _fit_rank(value, shape)
    if target.decoding is Decoding.POSITION:
        return _fit_position(value, target)
    if target.decoding is Decoding.CLASS_WEIGHT:
        value = value.view(*value.shape, *[1] * (len(shape) - 2))
    elif len(shape) > 1:
        # A vector whose target has more axes (a layer norm over C, H, W) varies along its longest axis.
        axis = max(range(len(shape)), key=lambda index: shape[index])
        value = value.view([-1 if index == axis else 1 for index in range(len(shape))])
    if any(have > size for have, size in zip(value.shape, shape, strict=True)):
        value = value[tuple(slice(0, size) for size in shape)]
    return value


def _fit_rank(w_OIHW: Tensor, shape: tuple[int, ...]) -> Tensor:
    """The decoder's (out, in, height, width) block with the rank of its target."""
    if len(shape) == 4:
        return w_OIHW
    if len(shape) == 5:
        return w_OIHW.unsqueeze(2)  # the same kernel at every depth
    return w_OIHW[..., 0] if len(shape) == 3 else w_OIHW[..., 0, 0]


def _fit_position(w_1DHW: Tensor, target: Target) -> Tensor:
    """A position map as its table: (1, D, H, W) stays; (1, length, D) lists the positions row by row.

    A table longer than its s x s grid starts with the extra positions (class token): the block is rolled so
    that, repeated, the grid sits at the table's end.
    """
    shape = target.parameter.canonical_shape
    if len(shape) == 4:
        return w_1DHW
    if len(shape) not in (2, 3):
        return _fit_rank(w_1DHW, shape)
    length = shape[-2]
    side = int(length**0.5)
    grid = tile(w_1DHW, (1, w_1DHW.shape[1], side, side)).flatten(2).transpose(1, 2)
    grid = torch.roll(grid, length - side * side, dims=1)
    return grid if len(shape) == 3 else grid[0]
