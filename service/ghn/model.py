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
from service.ghn.decoder import VectorDecoder, WeightDecoder
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
    """Graph HyperNetwork. `embed` gives node states, `decode` the blocks of every parameter it has a decoder for."""

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

    def decode(self, h_NC: Tensor, batch: GraphBatch, *, include_classifier: bool = True) -> Iterator[DecodedBlock]:
        """One block for every target with a decoder; targets of one block shape are decoded together."""
        groups: dict[tuple[Decoding | None, tuple[int, ...]], list[tuple[int, Target]]] = {}
        for graph, primitives in enumerate(batch.graphs):
            for target in primitives.targets:
                is_classifier = target.decoding in (Decoding.CLASS_WEIGHT, Decoding.CLASS_BIAS)
                if target.decoding is Decoding.DEFAULT or (is_classifier and not include_classifier):
                    continue
                groups.setdefault(self._group(target), []).append((graph, target))
        for (decoding, block_shape), members in groups.items():
            rows = torch.tensor([int(batch.rows[graph][target.node]) for graph, target in members], device=h_NC.device)
            values = self._decode_group(decoding, block_shape, h_NC[rows])
            for (graph, target), value in zip(members, values.unbind(0), strict=True):
                yield self._finish(graph, target, value)

    def _group(self, target: Target) -> tuple[Decoding | None, tuple[int, ...]]:
        """What is decoded together. All vectors but classifier biases share one decoder: None."""
        if target.decoding in (Decoding.WEIGHT, Decoding.POSITION):
            return Decoding.WEIGHT, self._map_shape(target)
        if target.decoding in (Decoding.CLASS_WEIGHT, Decoding.CLASS_BIAS):
            return target.decoding, ()
        return None, ()

    def _map_shape(self, target: Target) -> tuple[int, int, int, int]:
        """Block shape (out, in, height, width) that the decoder must compute for a weight or position table."""
        parameter = target.parameter
        shape = position_shape(parameter) if target.decoding is Decoding.POSITION else parameter.canonical_shape
        out, inp = (*shape, 1)[:2]
        height, width = shape[-2:] if len(shape) >= 4 else ((*shape, 1, 1)[2], 1)
        channels, kernel = self.config.max_channels, self.config.max_kernel
        return min(out, channels), min(inp, channels), min(height, kernel), min(width, kernel)

    def _decode_group(self, decoding: Decoding | None, block_shape: tuple[int, ...], h_PC: Tensor) -> Tensor:
        if decoding is Decoding.WEIGHT:
            return self.decoder(h_PC, *block_shape)  # type: ignore[no-any-return]
        if decoding is Decoding.CLASS_WEIGHT:
            return self.decoder.forward_classifier(h_PC)
        if decoding is Decoding.CLASS_BIAS:
            return self.vector_decoder.forward_classifier(h_PC)
        return self.vector_decoder(h_PC)  # type: ignore[no-any-return]

    def _finish(self, graph: int, target: Target, value: Tensor) -> DecodedBlock:
        """Give the decoded values the rank of their target and squash them."""
        shape = target.parameter.canonical_shape
        decoding, scale = target.decoding, 1.0
        if decoding is Decoding.WEIGHT:
            value = _fit_rank(value, shape)
            scale = fan_in_scale(shape)
        elif decoding is Decoding.CLASS_WEIGHT:
            value = value.reshape(*value.shape, *[1] * (len(shape) - 2))
            scale = fan_in_scale(shape)
        elif decoding is Decoding.POSITION:
            value = _fit_position(value, target)
        else:
            if decoding is not Decoding.CLASS_BIAS:
                value = value[0 if decoding is Decoding.NORM_WEIGHT else 1]
            # A vector whose target has more axes (a layer norm over C, H, W) varies along its longest axis.
            axis = max(range(len(shape)), key=lambda index: shape[index])
            value = value.reshape([-1 if index == axis else 1 for index in range(len(shape))])
        if self.config.normalize:
            value = squash(value, decoding)
        else:
            scale = 1.0
        cut = tuple(slice(0, size) for size in shape)
        return DecodedBlock(graph, target, value[cut], scale)

    def predict_tensors(self, batch: GraphBatch) -> list[dict[str, Tensor]]:
        """For every graph: parameter name -> tensor in the network's own layout and full shape, differentiable.

        Parameters without a decoder are left out. Training uses this; answers use `predict.predict_blocks`.
        """
        results: list[dict[str, Tensor]] = [{} for _ in batch.graphs]
        for block in self.decode(self.embed(batch), batch):
            parameter = block.target.parameter
            full = tile(block.values * block.scale, parameter.canonical_shape)
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
    return values[tuple(slice(0, size) for size in shape)]


def _fit_rank(w_OIHW: Tensor, shape: tuple[int, ...]) -> Tensor:
    """The decoder's (out, in, height, width) block with the rank of its target."""
    if len(shape) == 4:
        return w_OIHW
    if len(shape) == 5:
        return w_OIHW.unsqueeze(2)  # the same kernel at every depth
    return w_OIHW[..., 0] if len(shape) == 3 else w_OIHW[..., 0, 0]


def _fit_position(w_1DHW: Tensor, target: Target) -> Tensor:
    """A position map as its table: (1, D, H, W) stays; (1, length, D) lists the positions row by row.

    A table longer than its s x s grid starts with the extra positions (class token): the block is rolled so that, repeated,
    the grid sits at the table's end.
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
