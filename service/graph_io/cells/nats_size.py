"""The size space of NATS-Bench (Dong et al. 2021): one cell of NAS-Bench-201, of chosen widths.

    {"format": "nats_size", "sizes": [8, 16, 24, 32, 40]}        or "8:16:24:32:40"

Optional: `num_classes` (10), `image_size` (32), `name`.

The network: a 3x3 convolution and batch norm of the first width; a cell of each width, of which the second
and the fourth are residual blocks of stride 2; batch norm, ReLU, global average pool, classifier. Where a
cell changes the width, the operations that read its input do. Parameter names are those of the benchmark's
own code.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from service.graph_io.archgraph import ArchGraph
from service.graph_io.cells import nasbench201
from service.graph_io.cells.network import NetworkBuilder
from service.graph_io.document_model import MAX_IMAGE_SIZE, Name, NumClasses, document_model, read_model
from service.graph_io.limits import DEFAULT_LIMITS, GraphLimits

# What the benchmark chooses each width from, and the cell that it fixes.
WIDTHS = (8, 16, 24, 32, 40, 48, 56, 64)
STAGES = 5
CELL = "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_3x3~2|"
_REDUCTIONS = (1, 3)


@document_model
class NatsSizeDocument:
    """Widths of NATS-Bench's size space, in the benchmark's full network."""

    format: Literal["nats_size"] = "nats_size"
    sizes: Annotated[
        tuple[Annotated[int, Field(ge=1, le=4096)], ...],
        Field(
            min_length=STAGES, max_length=STAGES, description="Of the five stages; the benchmark has 8 to 64."
        ),
    ]
    num_classes: NumClasses = 10
    image_size: Annotated[int, Field(ge=4, le=MAX_IMAGE_SIZE, description="Pixels a side.")] = 32
    name: Name = ""


def read_nats_size(document: Mapping[str, Any], *, limits: GraphLimits = DEFAULT_LIMITS) -> ArchGraph:
    """The network of a document as above. Raises InvalidArchitecture or LimitExceeded, naming the field."""
    network = read_model(NatsSizeDocument, document)
    net, before = NetworkBuilder(network.image_size, limits), network.sizes[0]
    state = net.batch_norm("stem.1", net.conv("stem.0", net.input(), (before, 3, 3, 3)), before)
    cell = nasbench201.parse_cell(CELL)
    for index, width in enumerate(network.sizes):
        net.cell = index
        if index in _REDUCTIONS:
            state = nasbench201.reduction(net, f"cells.{index}", state, before, width)
        else:
            state = nasbench201.add_cell(net, f"cells.{index}", state, cell, before, width)
        before = width
    net.cell = None
    state = net.relu("lastact.1", net.batch_norm("lastact.0", state, before))
    return net.build(net.classifier("classifier", state, before, network.num_classes), network.name)
