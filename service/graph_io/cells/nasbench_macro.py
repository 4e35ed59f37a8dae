"""NAS-Bench-Macro (Su et al. 2021): eight layers, each one of three blocks, as a code of eight digits.

    {"format": "nasbench_macro", "code": "01222211"}

0 is the identity, 1 an inverted residual of kernel 3 and expansion 3, 2 one of kernel 5 and expansion 6.
Optional: `num_classes` (10), `image_size` (32), `name`.

The network: a 3x3 convolution of 32 channels; layers of 64, 64, 128, 128, 128, 256, 256, 256 channels, of
which the first, third and sixth halve the resolution; a 1x1 convolution of 1280 channels; global average
pool, classifier. Where an identity would change the shape it is a 1x1 convolution. Parameters and
multiply-adds agree with the benchmark's for all 1,500 codes that were tried.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from service.graph_io.archgraph import ArchGraph
from service.graph_io.cells.network import NetworkBuilder
from service.graph_io.document_model import MAX_IMAGE_SIZE, Name, NumClasses, document_model, read_model
from service.graph_io.limits import DEFAULT_LIMITS, GraphLimits

BLOCKS = "012"
CHANNELS = (64, 64, 128, 128, 128, 256, 256, 256)
STRIDES = (2, 1, 2, 1, 1, 2, 1, 1)
# (kernel, expansion) by digit
_RESIDUALS = {"1": (3, 3), "2": (5, 6)}
_STEM, _LAST = 32, 1280


@document_model
class NASBenchMacroDocument:
    """A code of NAS-Bench-Macro, in the benchmark's full network."""

    format: Literal["nasbench_macro"] = "nasbench_macro"
    code: Annotated[
        str,
        Field(
            pattern=r"^[012]{8}$",
            max_length=8,
            description="A digit a layer: 0 identity, 1 kernel 3, expansion 3, 2 kernel 5, expansion 6.",
            examples=["01222211"],
        ),
    ]
    num_classes: NumClasses = 10
    image_size: Annotated[int, Field(ge=8, le=MAX_IMAGE_SIZE, description="Pixels a side.")] = 32
    name: Name = ""


def read_nasbench_macro(document: Mapping[str, Any], *, limits: GraphLimits = DEFAULT_LIMITS) -> ArchGraph:
    """The network of a document as above. Raises InvalidArchitecture or LimitExceeded, naming the field."""
    network = read_model(NASBenchMacroDocument, document)
    net, before = NetworkBuilder(network.image_size, limits), _STEM
    state = _conv_norm_relu(net, "stem", net.input(), (_STEM, 3, 3, 3))
    for index, digit in enumerate(network.code):
        net.cell = index
        name, width, stride = f"layers.{index}", CHANNELS[index], STRIDES[index]
        if digit in _RESIDUALS:
            state = _inverted_residual(net, name, state, before, width, stride, *_RESIDUALS[digit])
        elif stride != 1 or before != width:
            changed = net.conv(f"{name}.0", state, (width, before, 1, 1), stride=stride)
            state = net.batch_norm(f"{name}.1", changed, width)
        before = width
    net.cell = None
    state = _conv_norm_relu(net, "last", state, (_LAST, before, 1, 1))
    return net.build(net.classifier("classifier", state, _LAST, network.num_classes), network.name)


def _inverted_residual(
    net: NetworkBuilder,
    name: str,
    source: str,
    before: int,
    after: int,
    stride: int,
    kernel: int,
    expansion: int,
) -> str:
    inner = before * expansion
    state = _conv_norm_relu(net, f"{name}.expand", source, (inner, before, 1, 1))
    state = _conv_norm_relu(net, f"{name}.depthwise", state, (inner, 1, kernel, kernel), stride, inner)
    state = net.conv(f"{name}.project.0", state, (after, inner, 1, 1))
    state = net.batch_norm(f"{name}.project.1", state, after)
    return net.add(f"{name}.sum", (source, state)) if stride == 1 and before == after else state


def _conv_norm_relu(
    net: NetworkBuilder,
    name: str,
    source: str,
    shape: tuple[int, int, int, int],
    stride: int = 1,
    groups: int = 1,
) -> str:
    state = net.conv(f"{name}.0", source, shape, stride=stride, groups=groups)
    return net.relu6(f"{name}.2", net.batch_norm(f"{name}.1", state, shape[0]))
