"""The GHN: node features, GNN, decoders.

Shape legend: N nodes of all graphs in the batch, C node state width
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from service.ghn.anytime import AnytimeFeatures, Edge, EdgeStates, joined_weights
from service.ghn.batch import GraphBatch
from service.ghn.branch_decoder import BranchDecoder
from service.ghn.config import GHNConfig
from service.ghn.decoder import BlockDecoder, Cuts, VectorDecoder, WeightDecoder
from service.ghn.gated_gnn import GatedGNN, NodeMLP
from service.ghn.initial import initialise_as_ghn3
from service.ghn.mlp_decoder import MLPDecoder
from service.ghn.normalization import fan_scale, squash
from service.ghn.shape_encoder import ShapeEncoder
from service.ghn.stacked_gnn import StackedGNN
from service.ghn.transformer import GraphTransformer
from service.graph_io.archgraph import Parameter
from service.graph_io.operators import Primitive
from service.graph_io.primitives import Decoding, Target, position_shape


@dataclass(frozen=True, slots=True)
class DecodedGroup:
    """Targets of one kind and one shape, of any of the batch's graphs.

    members: (graph, target). values: their blocks in canonical layout, stacked in that order, normalised
    except for `scale`.
    """

    members: list[tuple[int, Target]]
    values: Tensor
    scale: float


_GNNS: dict[str, Callable[[GHNConfig], nn.Module]] = {
    "gated": GatedGNN,
    "transformer": GraphTransformer,
    "mlp": NodeMLP,
    "stacked": StackedGNN,
}


_DECODERS: dict[str, Callable[[GHNConfig], BlockDecoder]] = {
    "conv": WeightDecoder,
    "mlp": MLPDecoder,
    "branches": BranchDecoder,
}


class GHN(nn.Module):
    """Graph HyperNetwork. `embed` gives node states, `decode` the blocks of every parameter it has a decoder
    for.

    Two ways to use a GPU: `to` moves all of it, for training; `decode_on` the decoders alone, for predicting.
    """

    def __init__(self, config: GHNConfig) -> None:
        super().__init__()
        self.config = config
        self.primitive = nn.Embedding(len(Primitive), config.hidden)
        self.shape_encoder = ShapeEncoder(config) if config.shape_encoding else None
        self.gnn: nn.Module = _GNNS[config.gnn](config)
        self.layer_norm = nn.LayerNorm(config.hidden) if config.layer_norm else nn.Identity()
        self.decoder: BlockDecoder = _DECODERS[config.decoder](config)
        self.vector_decoder = VectorDecoder(config)
        self.anytime = AnytimeFeatures(config.hidden) if config.anytime else None
        self.edge_states = EdgeStates(config.hidden) if config.anytime else None
        if config.is_transformer:
            initialise_as_ghn3(self)

    @property
    def device(self) -> torch.device:
        """Where weights are decoded."""
        return self.decoder.classifier.weight.device

    def decode_on(self, device: torch.device) -> GHN:
        """Move the decoders, in place; what comes before them stays.

        The GNN goes from level to level of a graph, in thousands of operations on a few rows each: starting
        one on a GPU takes longer than doing it on a CPU. The decoders take fewer than a hundred, each on the
        parameters of many layers.
        """
        self.decoder.to(device)
        self.vector_decoder.to(device)
        if self.edge_states is not None:
            self.edge_states.to(device)
        return self

    def embed(self, batch: GraphBatch) -> Tensor:
        """Final node states h_NC, in the batch's own row order (`batch.rows` leads back to the graphs)."""
        x_NC = self.primitive(batch.primitive_N)
        if self.shape_encoder is not None:
            x_NC = x_NC + self.shape_encoder(batch.shape_N4)
        if self.anytime is not None:
            x_NC = x_NC + self.anytime(batch.mark_N2)
        return self.layer_norm(self.gnn(x_NC, batch))  # type: ignore[no-any-return]

    def decode(
        self, h_NC: Tensor, batch: GraphBatch, *, include_classifier: bool = True
    ) -> Iterator[DecodedGroup]:
        """The blocks of every target with a decoder, on `device`. h_NC: on any device.

        Targets of one kind and block shape are decoded and normalised together, those of one shape stay
        together: networks have thousands of small tensors, and each operation on one costs as much as on all.
        """
        kinds: dict[tuple[Decoding, tuple[int, ...]], dict[tuple[int, ...], list[tuple[int, Target]]]] = {}
        joined: list[tuple[int, Target]] = []
        for graph, primitives in enumerate(batch.graphs):
            for target in primitives.targets:
                is_classifier = target.decoding in (Decoding.CLASS_WEIGHT, Decoding.CLASS_BIAS)
                if target.decoding is Decoding.DEFAULT or (is_classifier and not include_classifier):
                    continue
                if self.edge_states is not None and target.edges and target.decoding is Decoding.WEIGHT:
                    joined.append((graph, target))
                    continue
                shapes = kinds.setdefault((target.decoding, self._map_shape(target)), {})
                shapes.setdefault(target.parameter.canonical_shape, []).append((graph, target))
        edges = self._edges(joined, batch)
        cuts = self.decoder.cut(
            {shape for _, shape in kinds if shape}
            | {edge.shape for edge in edges}
            | {self.decoder.classifier_shape for kind, _ in kinds if kind is Decoding.CLASS_WEIGHT}
        )
        # All states in one step: every group's own would be one more copy to a GPU.
        rows = torch.tensor(
            [
                int(batch.rows[graph][target.node])
                for shapes in kinds.values()
                for each in shapes.values()
                for graph, target in each
            ],
            dtype=torch.int64,
            device=h_NC.device,
        )
        counts = [sum(len(each) for each in shapes.values()) for shapes in kinds.values()]
        states = torch.split(h_NC[rows].to(self.device), counts)
        for ((decoding, block_shape), shapes), h_PC in zip(kinds.items(), states, strict=True):
            values = self._decode_group(decoding, block_shape, h_PC, cuts)
            if self.config.normalize:
                values = squash(values, decoding)
            parts = torch.split(values, [len(members) for members in shapes.values()])
            for (shape, members), part in zip(shapes.items(), parts, strict=True):
                if decoding in (Decoding.CLASS_WEIGHT, Decoding.CLASS_BIAS) and shape:
                    part = part[:, self.config.class_rows(shape[0])]
                if self.config.is_transformer:
                    part = _stretch(part, decoding, members[0][1].parameter)
                yield DecodedGroup(members, _fit(part, decoding, shape), self._scale(decoding, shape))
        if joined:
            weights = joined_weights(edges, lambda shape, group: self._decode_edges(shape, group, h_NC, cuts))
            for member, w_OIHW in zip(joined, weights, strict=True):
                shape = member[1].parameter.canonical_shape
                value = w_OIHW[None]
                if self.config.is_transformer:
                    value = _stretch(value, Decoding.WEIGHT, member[1].parameter)
                value = _fit(value, Decoding.WEIGHT, shape)
                yield DecodedGroup([member], value, self._scale(Decoding.WEIGHT, shape))

    def _edges(self, joined: Sequence[tuple[int, Target]], batch: GraphBatch) -> list[Edge]:
        """Of all weights that are decoded edge by edge, one after the other."""
        edges = []
        for number, (graph, target) in enumerate(joined):
            out, _, height, width = self._map_shape(target)
            for source, channels in target.edges:
                shape = (out, min(channels, self.config.max_channels), height, width)
                rows = batch.rows[graph]
                edges.append(Edge(number, int(rows[source]), int(rows[target.node]), channels, shape))
        return edges

    def _decode_edges(
        self, shape: tuple[int, ...], edges: Sequence[Edge], h_NC: Tensor, cuts: Cuts
    ) -> Tensor:
        """w_EOIHW of edges whose blocks have one shape."""
        assert self.edge_states is not None
        source_EC, target_EC = (
            h_NC[torch.tensor(rows, device=h_NC.device)].to(self.device)
            for rows in ([edge.source for edge in edges], [edge.target for edge in edges])
        )
        return self.decoder(self.edge_states(source_EC, target_EC), shape, cuts)  # type: ignore[no-any-return]

    def _map_shape(self, target: Target) -> tuple[int, ...]:
        """Block shape (out, in, height, width) that the decoder must compute for a weight or position table;
        () for others."""
        if target.decoding not in (Decoding.WEIGHT, Decoding.POSITION):
            return ()
        shape = _map_target(target.decoding, target.parameter)
        out, inp = (*shape, 1)[:2]
        height, width = _kernel(shape)
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

    def _scale(self, decoding: Decoding, shape: tuple[int, ...]) -> float:
        """Scale of a weight; position tables and vectors keep theirs."""
        if self.config.normalize and decoding in (Decoding.WEIGHT, Decoding.CLASS_WEIGHT):
            return fan_scale(shape, self.config.fan)
        return 1.0

    def predict_tensors(self, batch: GraphBatch) -> list[dict[str, Tensor]]:
        """For every graph: parameter name -> tensor in the network's own layout and full shape,
        differentiable.

        Parameters without a decoder are left out. Training uses this; answers use `predict.predict_blocks`.
        """
        results: list[dict[str, Tensor]] = [{} for _ in batch.graphs]
        for group in self.decode(self.embed(batch), batch):
            shape = group.members[0][1].parameter.canonical_shape
            full = tile(group.values, (len(group.members), *shape), group.scale)
            for (graph, target), value in zip(group.members, full.unbind(0), strict=True):
                parameter = target.parameter
                if parameter.axes is not None:
                    value = value.permute([parameter.axes.index(axis) for axis in range(len(parameter.axes))])
                results[graph][parameter.name] = value
        return results


def tile(values: Tensor, shape: tuple[int, ...], scale: float = 1.0) -> Tensor:
    """Repeat a block along every axis, and cut it, to `shape`, times `scale`; differentiable."""
    if tuple(values.shape) == shape:
        return values if scale == 1.0 else values * scale
    return _Tile.apply(values, shape, scale)  # type: ignore[no-any-return, no-untyped-call]


class _Tile(torch.autograd.Function):
    """Its own gradient adds the repetitions up, an axis at a time: torch's sums over them all at once, with
    strides that take it ten to thirty times as long.
    """

    @staticmethod
    def forward(ctx: Any, values: Tensor, shape: tuple[int, ...], scale: float) -> Tensor:  # type: ignore[override]
        ctx.shape, ctx.scale = values.shape, scale
        repeats = [-(-size // have) for size, have in zip(shape, values.shape, strict=True)]
        # A copy in any case; scaled while it is small.
        tiled = (values * scale).repeat(repeats) if max(repeats) > 1 else values * scale
        return tiled[tuple(slice(0, size) for size in shape)]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:  # type: ignore[override]
        total = gradient
        for axis, have in enumerate(ctx.shape):
            size = total.shape[axis]
            if size < have:
                padding = [0, 0] * (total.ndim - 1 - axis) + [0, have - size]
                total = torch.nn.functional.pad(total, padding)
            elif size > have:
                first, *others = torch.split(total, have, axis)
                total = first.clone()
                for other in others:
                    total.narrow(axis, 0, other.shape[axis]).add_(other)
        return total * ctx.scale, None, None


def _map_target(decoding: Decoding, parameter: Parameter) -> tuple[int, ...]:
    """The shape that a weight or a position table has on the decoder's map."""
    return position_shape(parameter) if decoding is Decoding.POSITION else parameter.canonical_shape


def _kernel(shape: tuple[int, ...]) -> tuple[int, int]:
    height, width = shape[-2:] if len(shape) >= 4 else ((*shape, 1, 1)[2], 1)
    return height, width


def _stretch(values: Tensor, decoding: Decoding, parameter: Parameter) -> Tensor:
    """GHN-3's kernels larger than the decoder's map are the map, stretched; GHN-2 repeats it (`tile`)."""
    if decoding not in (Decoding.WEIGHT, Decoding.POSITION):
        return values
    kernel = _kernel(_map_target(decoding, parameter))
    if kernel == tuple(values.shape[3:]):
        return values
    stretched = nn.functional.interpolate(values.flatten(0, 2)[:, None], kernel, mode="bilinear")
    return stretched.view(*values.shape[:3], *kernel)


def _fit(values: Tensor, decoding: Decoding, shape: tuple[int, ...]) -> Tensor:
    """Decoded values, stacked, with the rank of their targets, cut to their size where they are larger."""
    if decoding is Decoding.WEIGHT:
        return _fit_rank(values, shape)
    if decoding is Decoding.POSITION:
        return _fit_position(values, shape)
    if not shape:
        return values[:, 0]  # one number, which broadcasts over every output
    if decoding is Decoding.CLASS_WEIGHT:
        values = values.view(*values.shape, *[1] * (len(shape) - 2))
    elif len(shape) > 1:
        # A vector whose target has more axes (a layer norm over C, H, W) varies along its longest axis.
        axis = max(range(len(shape)), key=lambda index: shape[index])
        values = values.view([len(values), *(-1 if index == axis else 1 for index in range(len(shape)))])
    if any(have > size for have, size in zip(values.shape[1:], shape, strict=True)):
        values = values[(slice(None), *(slice(0, size) for size in shape))]
    return values


def _fit_rank(w_POIHW: Tensor, shape: tuple[int, ...]) -> Tensor:
    """The decoder's (out, in, height, width) blocks with the rank of their targets."""
    if len(shape) == 4:
        return w_POIHW
    if len(shape) == 5:
        return w_POIHW.unsqueeze(3)  # the same kernel at every depth
    return w_POIHW[..., 0] if len(shape) == 3 else w_POIHW[..., 0, 0]


def _fit_position(w_P1DHW: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Position maps as their tables: (1, D, H, W) stays; (1, length, D) lists the positions row by row.

    A table longer than its s x s grid starts with the extra positions (class token): the block is rolled so
    that, repeated, the grid sits at the table's end.
    """
    if len(shape) == 4:
        return w_P1DHW
    if len(shape) not in (2, 3):
        return _fit_rank(w_P1DHW, shape)
    length = shape[-2]
    side = int(length**0.5)
    count, _, width = w_P1DHW.shape[:3]
    grid = tile(w_P1DHW, (count, 1, width, side, side)).flatten(3).transpose(2, 3)
    grid = torch.roll(grid, length - side * side, dims=2)
    return grid if len(shape) == 3 else grid[:, 0]
