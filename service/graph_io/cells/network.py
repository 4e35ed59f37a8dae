"""Writing down the layers of a convolutional network, as the cell formats expand to them."""

from __future__ import annotations

from collections.abc import Sequence

from service.graph_io.archgraph import ArchGraph, AttrValue, Node, Parameter
from service.graph_io.checks import build_graph
from service.graph_io.limits import DEFAULT_LIMITS, GraphLimits


class NetworkBuilder:
    """Adds nodes in execution order; every method returns the name of the node that holds its result.

    The name of a layer with parameters is the prefix of theirs (`stem.0` owns `stem.0.weight`), as in a
    torch module.

    cell: the cell that new nodes belong to, None outside of cells. marks: attributes that new nodes get in
    addition to their own.
    """

    def __init__(self, image_size: int, limits: GraphLimits = DEFAULT_LIMITS) -> None:
        self.cell: int | None = None
        self.marks: dict[str, AttrValue] = {}
        self._limits = limits
        self._nodes: list[Node] = []
        self._unread: list[Parameter] = []
        self._image_size = image_size

    def input(self) -> str:
        return self._add("input", "input", ())

    def conv(
        self,
        name: str,
        source: str,
        shape: tuple[int, int, int, int],
        *,
        stride: int = 1,
        dilation: int = 1,
        groups: int = 1,
        parts: tuple[int, ...] | None = None,
    ) -> str:
        """A convolution without bias that keeps the size of its input, apart from the stride.

        shape: (out, in / groups, height, width) of the weight. parts: input channels of each source that was
        joined for it, where its weight is to be decoded edge by edge.
        """
        paddings = tuple(dilation * (size // 2) for size in shape[2:])
        padding: AttrValue = paddings[0] if len(set(paddings)) == 1 else paddings
        by_edges: dict[str, AttrValue] = {} if parts is None else {"parts": parts}
        return self._add(
            name,
            "conv",
            (source,),
            (Parameter(f"{name}.weight", shape),),
            stride=stride,
            padding=padding,
            dilation=dilation,
            groups=groups,
            **by_edges,
        )

    def upsample(self, name: str, source: str, factor: int) -> str:
        """Every pixel repeated, `factor` times along each axis."""
        return self._add(name, "resize", (source,), kind="nearest", scale=(float(factor), float(factor)))

    def batch_norm(self, name: str, source: str, channels: int) -> str:
        return self._add(name, "batch_norm", (source,), _norm_parameters(name, channels))

    def relu(self, name: str, source: str) -> str:
        return self._add(name, "activation", (source,), kind="relu")

    def relu6(self, name: str, source: str) -> str:
        return self._add(name, "activation", (source,), kind="relu6")

    def max_pool(self, name: str, source: str, kernel_size: int, *, stride: int, padding: int = 0) -> str:
        return self._add(name, "max_pool", (source,), kernel_size=kernel_size, stride=stride, padding=padding)

    def avg_pool(
        self,
        name: str,
        source: str,
        kernel_size: int,
        *,
        stride: int,
        padding: int = 0,
        count_include_pad: bool = True,
    ) -> str:
        return self._add(
            name,
            "avg_pool",
            (source,),
            kernel_size=kernel_size,
            stride=stride,
            padding=padding,
            count_include_pad=count_include_pad,
        )

    def add(self, name: str, sources: Sequence[str]) -> str:
        """The sum; of one term, the term itself."""
        return sources[0] if len(sources) == 1 else self._add(name, "add", tuple(sources))

    def concat(self, name: str, sources: Sequence[str]) -> str:
        """The channels of all sources; of one source, the source itself."""
        return sources[0] if len(sources) == 1 else self._add(name, "concat", tuple(sources), axis=1)

    def channels_of(self, name: str, source: str, start: int, channels: int, have: int) -> str:
        """`channels` of the `have` channels of the source, from `start` on; of all of them, the source
        itself.
        """
        if channels == have:
            return source
        return self._add(
            name, "slice", (source,), axes=(1,), starts=(start,), ends=(start + channels,), steps=(1,)
        )

    def classifier(self, name: str, source: str, channels: int, num_classes: int) -> str:
        """Global average pool and a linear layer with bias."""
        pooled = self._add(f"{name}.pool", "global_avg_pool", (source,), keepdims=False)
        weight = Parameter(f"{name}.weight", (num_classes, channels))
        return self._add(
            name, "linear", (pooled,), (weight, Parameter(f"{name}.bias", (num_classes,), "bias"))
        )

    def unread_conv_norm(self, conv: str, shape: tuple[int, int, int, int], norm: str) -> None:
        """A convolution and its norm that the network owns, but that do not reach its output."""
        self._unread += [Parameter(f"{conv}.weight", shape), *_norm_parameters(norm, shape[0])]

    def build(self, output: str | tuple[str, ...], name: str) -> ArchGraph:
        return build_graph(
            self._nodes,
            outputs=(output,) if isinstance(output, str) else output,
            input_shape=(3, self._image_size, self._image_size),
            name=name,
            unattached=tuple(self._unread),
            limits=self._limits,
        )

    def _add(
        self,
        name: str,
        op: str,
        inputs: tuple[str, ...],
        params: tuple[Parameter, ...] = (),
        **attrs: AttrValue,
    ) -> str:
        self._nodes.append(Node(name, op, inputs, params, {**attrs, **self.marks}, self.cell))
        return name


def _norm_parameters(name: str, channels: int) -> tuple[Parameter, Parameter]:
    return Parameter(f"{name}.weight", (channels,)), Parameter(f"{name}.bias", (channels,), "bias")
