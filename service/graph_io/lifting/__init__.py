"""What torch modules and ONNX files have in common: one form of nodes, and passes that bring them to one
network.

linked.py       the form: nodes that know what they read, and the shapes of their results
batch.py        which axis of each result is the batch's
identities.py   what changes nothing is left out
padding.py      nor what pads by nothing
placement.py    a parameter says its shape beside the features only where that is not its own
axes.py         axes are counted one way
lengths.py      a vector divided by its length is normalised
rolls.py        two parts in the other order are a roll
parts.py        a part of a part is one part
gates.py        features times a factor a channel are a gate
attention.py    softmax(q k^T) v is one attention; relative.py tells its tables
views.py        chains of reshapes, permutations and parts in a normal form, with pieces.py, normal_form.py

A reader translates what its format has to nodes; these passes see nothing of the format.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from service.graph_io.archgraph import Node
from service.graph_io.lifting.attention import find_attention
from service.graph_io.lifting.axes import count_axes
from service.graph_io.lifting.batch import locate_batch
from service.graph_io.lifting.gates import find_gates
from service.graph_io.lifting.identities import drop_identities
from service.graph_io.lifting.lengths import find_unit_vectors
from service.graph_io.lifting.linked import LinkedGraph, Shape, linked, plain
from service.graph_io.lifting.padding import trim_padding
from service.graph_io.lifting.parts import join_parts
from service.graph_io.lifting.placement import place_parameters
from service.graph_io.lifting.rolls import find_rolls
from service.graph_io.lifting.views import normalise_views

__all__ = ["lift"]

_PASSES = (
    drop_identities,
    trim_padding,
    locate_batch,
    place_parameters,
    count_axes,
    find_unit_vectors,
    find_rolls,
    join_parts,
    find_attention,
    find_gates,
    normalise_views,
)


def lift(
    nodes: Iterable[Node], outputs: Sequence[str], shapes: Mapping[str, Shape], batch: int | None
) -> tuple[list[Node], tuple[str, ...]]:
    """The nodes of the same network, however it was written, and the names of its outputs.

    nodes: in execution order. shapes: of their results, the batch axis included, by name. batch: the size of
        that axis, None if it is not known.
    """
    graph: LinkedGraph = linked(nodes, outputs, shapes, batch)
    for rewrite in _PASSES:
        rewrite(graph)
    return plain(graph)
