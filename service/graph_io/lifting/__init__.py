"""What torch modules and ONNX files have in common: one form of nodes, and passes that bring them to one
network.

linked.py       the form: nodes that know what they read, and the shapes of their results
identities.py   what changes nothing is left out
spellings.py    a function has one name
kept_axes.py    a reduction keeps its axes if they are put back
activations.py  x * f(x) is one activation
norms.py        a mean, a root and what they scale and shift are one norm; group_norms.py of parts
biases.py       a layer and the vector behind it are one layer
constants.py    fixed numbers are one node
batch.py        which axis of each result is the batch's
padding.py      nor what pads by nothing
placement.py    a parameter says its shape beside the features only where that is not its own
axes.py         axes are counted one way
lengths.py      a vector divided by its length is normalised
rolls.py        two parts in the other order are a roll
parts.py        a part of a part is one part
gates.py        features times a factor a channel are a gate
attention.py    softmax(q k^T) v is one attention; relative.py tells its tables
views.py        chains of reshapes, permutations and parts in a normal form, with pieces.py, normal_form.py

regions.py and numbers.py tell which nodes lie between two others, and what they compute.

Most passes find nothing in most networks. So each first looks for the nodes that it may rewrite, and only
then at who reads what; one that may leave a node unread prunes the graph.

A reader translates what its format has to nodes; these passes see nothing of the format. The layers are
found first: which tensors are learned depends on them, where a format does not say it.
"""

from __future__ import annotations

from service.graph_io.archgraph import Node
from service.graph_io.lifting.activations import find_activations
from service.graph_io.lifting.attention import find_attention
from service.graph_io.lifting.axes import count_axes
from service.graph_io.lifting.batch import locate_batch
from service.graph_io.lifting.biases import join_biases
from service.graph_io.lifting.constants import join_constants
from service.graph_io.lifting.gates import find_gates
from service.graph_io.lifting.group_norms import find_group_norms
from service.graph_io.lifting.identities import drop_identities
from service.graph_io.lifting.kept_axes import keep_axes
from service.graph_io.lifting.lengths import find_unit_vectors
from service.graph_io.lifting.linked import LinkedGraph, plain, shape_sources
from service.graph_io.lifting.norms import find_norms
from service.graph_io.lifting.padding import trim_padding
from service.graph_io.lifting.parts import join_parts
from service.graph_io.lifting.placement import place_parameters
from service.graph_io.lifting.rolls import find_rolls
from service.graph_io.lifting.spellings import spell_functions
from service.graph_io.lifting.views import normalise_views

__all__ = ["find_layers", "lift"]

_LAYERS = (
    shape_sources,
    drop_identities,
    spell_functions,
    keep_axes,
    find_activations,
    find_norms,
    find_group_norms,
    join_biases,
)
_PASSES = (
    join_constants,
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


def find_layers(graph: LinkedGraph) -> None:
    """Activations, norms and biases that are written out become one node each."""
    graph.prune()
    for rewrite in _LAYERS:
        rewrite(graph)


def lift(graph: LinkedGraph) -> tuple[list[Node], tuple[str, ...]]:
    """The nodes of the same network, however it was written, and the names of its outputs."""
    graph.prune()
    for rewrite in _PASSES:
        rewrite(graph)
    return plain(graph)
