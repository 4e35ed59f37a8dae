"""DARTS genotypes and their DeepNets-1M extension: a genotype with a stem, a head and a depth becomes a
full network.

DARTS (Liu et al. 2019); the extension is section 3 and appendix A.1 of the GHN-2 paper: dense
convolutions, squeeze and excite, self-attention with a position table, networks without batch
normalisation, without preprocessing layers, without channel expansion, VGG-style heads, and two stems for
each image size. Parameter names are those of the usual implementation (`cells.3._ops.1.op.2.weight`), so
that a state dict of one fits the other.

The fields of a document: `DartsDocument` in `darts_document.py`.

A network whose cells use self-attention has a patch stem and a position table, and keeps its resolution
throughout.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from service.errors import NotConnected
from service.graph_io.archgraph import ArchGraph, AttrValue, Node, Parameter
from service.graph_io.cells.darts_document import DartsDocument, parse_document
from service.graph_io.checks import build_graph
from service.graph_io.limits import DEFAULT_LIMITS, GraphLimits

# State of a cell that nothing reaches, because every operation into it is `none`.
_NOTHING = ""


def read_darts(document: Mapping[str, Any], *, limits: GraphLimits = DEFAULT_LIMITS) -> ArchGraph:
    """The network of a document as above.

    Modules that the network owns but that never reach its output (behind `none`, or feeding a state that no
    one reads) are left out of the graph; their parameters are in `ArchGraph.unattached`.

    Raises InvalidArchitecture naming the field: unknown operations, wrong indices, combinations that no
    network has. Raises LimitExceeded for a network that is too large.
    """
    return _Builder(parse_document(document), limits).build()


class _Builder:
    """Adds nodes in execution order. Every method returns the name of the node that holds its result."""

    def __init__(self, network: DartsDocument, limits: GraphLimits) -> None:
        self.net, self.limits = network, limits
        self.nodes: list[Node] = []
        self.cell: int | None = None
        # An attention network never changes its resolution: its strides are all 1.
        self.keeps_resolution = network.has_attention
        self.unread: list[Parameter] = []

    def build(self) -> ArchGraph:
        previous, current = self.stem()
        channels = self.net.channels
        widths = (self.stem_width, self.stem_width)
        shrunk = self.net.stem == "strided" and not self.keeps_resolution
        for index in range(self.net.cells):
            reduction = index in (self.net.cells // 3, 2 * self.net.cells // 3)
            if reduction:
                channels *= self.net.channel_multiplier
            self.cell = index
            output = self.cell_output(previous, current, widths, channels, reduction, shrunk)
            concat = self.net.genotype.reduce_concat if reduction else self.net.genotype.normal_concat
            widths = (widths[1], channels * len(concat))
            previous, current, shrunk = current, output, reduction and not self.keeps_resolution
        self.cell = None
        logits = self.head(current, widths[1])
        return self.finish(logits)

    # Elements

    def add(
        self,
        name: str,
        op: str,
        inputs: Sequence[str],
        params: tuple[Parameter, ...] = (),
        **attrs: AttrValue,
    ) -> str:
        if _NOTHING in inputs:
            self.unread.extend(params)
            return _NOTHING
        self.nodes.append(Node(name, op, tuple(inputs), params, attrs, self.cell))
        return name

    def relu(self, name: str, source: str) -> str:
        return self.add(name, "activation", (source,), kind="relu")

    def conv(
        self,
        name: str,
        source: str,
        shape: tuple[int, int, int, int],
        *,
        stride: int | tuple[int, int] = 1,
        padding: tuple[int, int] | None = None,
        dilation: int = 1,
        groups: int = 1,
    ) -> str:
        """No bias, with or without a norm behind it. shape: (out, in / groups, height, width). Padding
        keeps the resolution unless it is given.
        """
        if padding is None:
            padding = (dilation * (shape[2] - 1) // 2, dilation * (shape[3] - 1) // 2)
        return self.add(
            name, "conv", (source,), (Parameter(f"{name}.weight", shape),),
            stride=(stride, stride) if isinstance(stride, int) else stride,
            padding=padding, dilation=(dilation, dilation), groups=groups,
        )  # fmt: skip

    def linear(self, name: str, source: str, width_in: int, width_out: int, *, bias: bool = True) -> str:
        params: tuple[Parameter, ...] = (Parameter(f"{name}.weight", (width_out, width_in)),)
        if bias:
            params = (*params, Parameter(f"{name}.bias", (width_out,), "bias"))
        return self.add(name, "linear", (source,), params)

    def norm(self, name: str, source: str, width: int) -> str:
        if self.net.norm == "none":
            return source
        return self.add(name, "batch_norm", (source,), _norm_parameters(name, width), eps=1e-5)

    def layer_norm(self, name: str, source: str, width: int) -> str:
        return self.add(name, "layer_norm", (source,), _norm_parameters(name, width), eps=1e-5, axis=-1)

    # Stems

    @property
    def stem_width(self) -> int:
        plain = self.net.stem == "plain" and not self.net.has_attention
        return 3 * self.net.channels if plain and self.net.input == "cifar" else self.net.channels

    def stem(self) -> tuple[str, str]:
        """What the first cell reads as its two inputs."""
        net, channels = self.net, self.net.channels
        image = self.add("input", "input", ())
        if net.has_attention:
            patch, side = (16, 14) if net.input == "imagenet" else (3, 11)
            tokens = self.conv(
                "stem0",
                image,
                (channels, 3, patch, patch),
                stride=patch,
                padding=(1, 1) if patch == 3 else (0, 0),
            )
            table = Parameter("pos_enc.weight", (1, channels, side, side))
            return (out := self.add("pos_enc", "position", (tokens,), (table,)), out)
        kernel = net.stem_kernel
        big = 2 if net.input == "imagenet" else 1
        if net.stem == "plain":
            out = self.conv("stem.0", image, (self.stem_width, 3, kernel, kernel), stride=big * big)
            out = self.norm("stem.1", out, self.stem_width)
            if net.stem_pool:
                out = self.pool("stem.2", "max_pool", out, 2)
            return out, out
        out = self.conv("stem0.0", image, (channels // 2, 3, kernel, kernel), stride=big)
        out = self.relu("stem0.2", self.norm("stem0.1", out, channels // 2))
        out = self.conv("stem0.3", out, (channels, channels // 2, 3, 3), stride=big)
        first = self.norm("stem0.4", out, channels)
        out = self.conv("stem1.1", self.relu("stem1.0", first), (channels, channels, 3, 3), stride=2)
        return first, self.norm("stem1.2", out, channels)

    # Cells

    def cell_output(
        self,
        previous: str,
        current: str,
        widths: tuple[int, int],
        channels: int,
        reduction: bool,
        shrunk: bool,
    ) -> str:
        """shrunk: the older input has twice the resolution of the newer one."""
        prefix = f"cells.{self.cell}"
        if self.net.preprocess:
            if shrunk:
                older = self.factorized_reduce(f"{prefix}.preprocess0", previous, widths[0], channels)
            else:
                older = self.relu_conv_norm(f"{prefix}.preprocess0.op", previous, widths[0], channels)
            newer = self.relu_conv_norm(f"{prefix}.preprocess1.op", current, widths[1], channels)
        else:
            older = self.every_second(f"{prefix}.preprocess0", previous, 2 if shrunk else 1)
            newer = current
        genotype = self.net.genotype
        operations, concat = (
            (genotype.reduce, genotype.reduce_concat)
            if reduction
            else (genotype.normal, genotype.normal_concat)
        )
        states = [older, newer]
        for step in range(len(operations) // 2):
            terms = []
            for index in (2 * step, 2 * step + 1):
                operation, source = operations[index]
                # Only what reads the cell's inputs changes the resolution.
                stride = 2 if reduction and source < 2 and not self.keeps_resolution else 1
                terms.append(
                    self.operation(f"{prefix}._ops.{index}", operation, states[source], channels, stride)
                )
            present = [term for term in terms if term != _NOTHING]
            state = present[0] if present else _NOTHING
            states.append(self.add(f"{prefix}.sum{step + 2}", "add", present) if len(present) > 1 else state)
        chosen = [states[index] for index in concat]
        if len(chosen) == 1 or all(state == _NOTHING for state in chosen):
            return chosen[0]
        for position, state in enumerate(chosen):
            if state == _NOTHING:
                # Only `none` leads here, but the channels are there: zeros, at the resolution of the other
                # states.
                chosen[position] = self.add(
                    f"{prefix}.zeros{position}", "constant", (), kind="zeros", channels=channels
                )
        return self.add(f"{prefix}.concat", "concat", chosen, axis=1)

    def operation(self, name: str, operation: str, source: str, channels: int, stride: int) -> str:
        kind, _, size = operation.rpartition("_")
        if operation == "none":
            return _NOTHING
        if operation == "skip_connect":
            return source if stride == 1 else self.factorized_reduce(name, source, channels, channels)
        if operation in ("max_pool_3x3", "avg_pool_3x3"):
            return self.pool(name, kind, source, stride)
        if operation == "cse":
            return self.squeeze_excite(name, source, channels, stride)
        if operation == "msa":
            return self.transformer(name, source, channels)
        if operation == "conv_7x1_1x7":
            return self.factorized_conv(name, source, channels, stride)
        kernel = int(size[0])
        if kind == "sep_conv":
            out = self.depthwise_separable(name, 0, source, channels, kernel, stride, 1)
            return self.depthwise_separable(name, 4, out, channels, kernel, 1, 1)
        if kind == "dil_conv":
            return self.depthwise_separable(name, 0, source, channels, kernel, stride, 2)
        return self.relu_conv_norm(f"{name}.op", source, channels, channels, kernel, stride)

    def relu_conv_norm(
        self, name: str, source: str, width_in: int, width_out: int, kernel: int = 1, stride: int = 1
    ) -> str:
        out = self.relu(f"{name}.0", source)
        out = self.conv(f"{name}.1", out, (width_out, width_in, kernel, kernel), stride=stride)
        return self.norm(f"{name}.2", out, width_out)

    def depthwise_separable(
        self, name: str, first: int, source: str, channels: int, kernel: int, stride: int, dilation: int
    ) -> str:
        out = self.relu(f"{name}.op.{first}", source)
        out = self.conv(
            f"{name}.op.{first + 1}", out, (channels, 1, kernel, kernel),
            stride=stride, dilation=dilation, groups=channels,
        )  # fmt: skip
        out = self.conv(f"{name}.op.{first + 2}", out, (channels, channels, 1, 1))
        return self.norm(f"{name}.op.{first + 3}", out, channels)

    def factorized_conv(self, name: str, source: str, channels: int, stride: int) -> str:
        out = self.relu(f"{name}.op.0", source)
        out = self.conv(f"{name}.op.1", out, (channels, channels, 1, 7), stride=(1, stride))
        out = self.conv(f"{name}.op.2", out, (channels, channels, 7, 1), stride=(stride, 1))
        return self.norm(f"{name}.op.3", out, channels)

    def factorized_reduce(self, name: str, source: str, width_in: int, width_out: int) -> str:
        """Halve the resolution with two 1x1 convolutions, one of which looks at every other pixel than the
        other.
        """
        out = self.relu(f"{name}.relu", source)
        even = self.conv(f"{name}.conv_1", out, (width_out // 2, width_in, 1, 1), stride=2)
        # One pixel off on both axes; the zeros at the far end are read only where the size is odd.
        moved = self.add(f"{name}.shift", "pad", (out,), pads=(-1, 1, -1, 1))
        odd = self.conv(f"{name}.conv_2", moved, (width_out - width_out // 2, width_in, 1, 1), stride=2)
        return self.norm(f"{name}.bn", self.add(f"{name}.cat", "concat", (even, odd), axis=1), width_out)

    def pool(self, name: str, op: str, source: str, stride: int) -> str:
        strides = (stride, stride)
        if op == "max_pool":
            return self.add(name, op, (source,), kernel_size=(3, 3), stride=strides, padding=(1, 1))
        return self.add(
            name, op, (source,), kernel_size=(3, 3), stride=strides, padding=(1, 1), count_include_pad=False
        )

    def every_second(self, name: str, source: str, stride: int) -> str:
        if stride == 1:
            return source
        return self.add(name, "slice", (source,), axes=(2, 3), steps=(stride, stride))

    def squeeze_excite(self, name: str, source: str, channels: int, stride: int) -> str:
        """The squeeze is a plain mean, not a `global_avg_pool`: a GHN sees squeeze and excite as one
        primitive.
        """
        features = self.every_second(f"{name}.stride", source, stride)
        out = self.add(f"{name}.squeeze", "unary", (source,), kind="mean", axes=(2, 3))
        out = self.linear(f"{name}.fc1", out, channels, channels // 2)
        out = self.relu(f"{name}.relu", out)
        out = self.linear(f"{name}.fc2", out, channels // 2, channels)
        out = self.add(f"{name}.sigmoid", "activation", (out,), kind="sigmoid")
        return self.add(f"{name}.gate", "channel_gate", (features, out))

    def transformer(self, name: str, source: str, channels: int) -> str:
        """A transformer block over the positions of a feature map: (N, C, H, W) -> (N, H*W, C) and back."""
        tokens = self.add(f"{name}.tokens", "permute", (source,), kind="image_to_tokens")
        out = self.layer_norm(f"{name}.ln1", tokens, channels)
        out = self.linear(f"{name}.to_qkv", out, channels, 3 * channels, bias=False)
        out = self.add(f"{name}.attention", "attention", (out,), heads=8)
        out = self.linear(f"{name}.to_out.0", out, channels, channels)
        tokens = self.add(f"{name}.sum1", "add", (tokens, out))
        out = self.layer_norm(f"{name}.ln2", tokens, channels)
        out = self.linear(f"{name}.ff.net.0", out, channels, channels)
        out = self.add(f"{name}.ff.net.1", "activation", (out,), kind="gelu")
        out = self.linear(f"{name}.ff.net.3", out, channels, channels)
        out = self.add(f"{name}.sum2", "add", (tokens, out))
        return self.add(f"{name}.image", "permute", (out,), kind="tokens_to_image")

    # Head

    def head(self, features: str, width: int) -> str:
        net = self.net
        if net.global_pool:
            out = self.add(
                "global_pooling", "global_avg_pool", (features,), output_size=(1, 1), keepdims=False
            )
        else:
            side = net.final_side
            # Other image sizes than the network's own are brought to the head's resolution.
            out = self.add("resize", "resize", (features,), size=(side, side), kind="area")
            out = self.add("flatten", "flatten", (out,), start_axis=1)
            width *= side * side
        for layer in range(net.fc_layers - 1):
            out = self.linear(f"classifier.{3 * layer}", out, width, net.fc_dim)
            out = self.relu(f"classifier.{3 * layer + 1}", out)
            width = net.fc_dim
        return self.linear(f"classifier.{3 * (net.fc_layers - 1)}", out, width, net.num_classes)

    def finish(self, logits: str) -> ArchGraph:
        if logits == _NOTHING:
            raise NotConnected(
                "The image never reaches the classifier: every path to it has a `none` operation.",
                field="/genotype",
                hint="Replace `none` where a cell would be left without inputs.",
            )
        read = {logits}
        for node in reversed(self.nodes):
            if node.name in read:
                read.update(node.inputs)
        unread = [parameter for node in self.nodes if node.name not in read for parameter in node.params]
        return build_graph(
            [node for node in self.nodes if node.name in read],
            outputs=(logits,),
            input_shape=(3, self.net.side, self.net.side),
            name=self.net.name or "darts",
            unattached=(*unread, *self.unread),
            limits=self.limits,
        )


def _norm_parameters(name: str, width: int) -> tuple[Parameter, Parameter]:
    return (Parameter(f"{name}.weight", (width,)), Parameter(f"{name}.bias", (width,), "bias"))
