"""Groups of drafts that are one operation in our table.

Exporters write out what their target version of ONNX has no operator for. Each module here knows one
family of such groups; the last draft of a group becomes the operation, the others lose their readers and
are dropped.
"""

from __future__ import annotations

from service.graph_io.onnx.draft import Draft, pruned
from service.graph_io.onnx.fusions.activations import fuse_activations
from service.graph_io.onnx.fusions.biases import fuse_biases
from service.graph_io.onnx.fusions.norms import fuse_group_norms, fuse_norms


def fuse(drafts: list[Draft], outputs: list[Draft]) -> list[Draft]:
    """Replace the groups we know by one draft each."""
    drafts = pruned(drafts, outputs)
    for step in (fuse_activations, fuse_norms, fuse_group_norms, fuse_biases):
        drafts = pruned(step(drafts, outputs), outputs)
    return drafts
