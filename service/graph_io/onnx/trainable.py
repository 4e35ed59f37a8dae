"""Which tensors in doubtful places are parameters.

ONNX does not say what was trained. A tensor that a convolution, a linear layer or a norm takes is a
parameter. A tensor that is added, multiplied or joined may also be a constant: normalisation of the input,
anchors of a detector, a mask, rotary tables.
"""

from __future__ import annotations

from collections.abc import Iterable

from service.graph_io.onnx.draft import Draft, Owned, Shape
from service.graph_io.onnx.fixed import is_anonymous
from service.graph_io.onnx.tensors import Leaf, Origin
from service.graph_io.operators import NORMS

# Last parts of names that frameworks give to tensors they do not train.
_BUFFER_NAMES = frozenset(
    "filt kernel_blur mean std variance pixel_mean pixel_std anchors anchor_grid grid mask attn_mask "
    "attention_mask causal_mask inv_freq cos_cached sin_cached freqs_cis position_ids token_type_ids "
    "relative_coords_table relative_position_index num_batches_tracked running_mean running_var moving_mean "
    "moving_variance".split()
)
_MOVING = frozenset({"reshape", "permute", "flatten", "slice", "bias"})
_BRANCH_ENDS = NORMS | {
    "conv", "conv_transpose", "linear", "attention", "avg_pool", "max_pool", "recurrent"
}  # fmt: skip
_NORMALISING = frozenset({"Sub", "Div", "Pow", "Mod"})
_LAYERS = frozenset({"conv", "conv_transpose", "linear", "recurrent", "embedding"})


def is_buffer(leaf: Leaf) -> bool:
    if leaf.kind:
        return leaf.kind != "PARAMETER"
    return leaf.name.replace("/", ".").rsplit(".", 1)[-1] in _BUFFER_NAMES


def is_vector(shape: Shape) -> bool:
    """At most one axis that is longer than 1: one number a channel."""
    return shape is not None and sum(dim != 1 for dim in shape) <= 1


def is_plain_number(leaf: Leaf) -> bool:
    """A single number that nobody trained, as far as its name and place tell: ReZero gains and temperatures
    have a module's name in front, the bias of a layer with one output has an axis.
    """
    if leaf.numel != 1:
        return False
    named = leaf.origin in (Origin.INITIALIZER, Origin.INPUT) and not is_anonymous(leaf.name)
    return not (named and ("." in leaf.name or len(leaf.shape) == 1) and leaf.kind != "BUFFER")


def settle(drafts: list[Draft]) -> None:
    """Decide the doubtful parameters; nodes that lose theirs become functions without parameters."""
    certain = [
        owned.leaf for draft in drafts for owned in draft.owned if not owned.doubtful and draft.op in _LAYERS
    ]
    constants = sum(leaf.origin is Origin.CONSTANT for leaf in certain)
    stored = sum(leaf.origin in (Origin.INITIALIZER, Origin.INPUT) for leaf in certain)
    constants_are_weights = constants >= max(1, stored)
    if not constants_are_weights:
        for draft in drafts:
            _fix_filter(draft)
    before_layers = _before_layers(drafts)
    for draft in drafts:
        if not any(owned.doubtful for owned in draft.owned):
            continue
        draft.owned = [
            owned
            for owned in draft.owned
            if not owned.doubtful
            or _is_parameter(owned, draft, constants_are_weights, draft in before_layers)
        ]
        if not draft.owned and draft.op not in (
            "batch_norm",
            "layer_norm",
            "group_norm",
            "instance_norm",
            "rms_norm",
        ):
            draft.op = _without_parameters(draft)
    for draft in drafts:
        if draft.op == "layer_scale" and not _ends_a_branch(draft.inputs[0]):
            draft.op, draft.attrs = "parameter", {"kind": "mul"}
            draft.owned[0].role = "gain"
    _prefer_known_roles(drafts)


def _ends_a_branch(draft: Draft) -> bool:
    """Whether the numbers come straight from a layer, which is what a layer scale follows.

    A factor behind anything else (a norm that is written out, a sum) is a gain: as small as a layer scale it
    would silence the network.
    """
    while draft.op in _MOVING and len(draft.inputs) == 1:
        draft = draft.inputs[0]
    return draft.op in _BRANCH_ENDS or draft.kind == "Sub"


def _fix_filter(draft: Draft) -> None:
    """A convolution or product with numbers that stand in the graph itself, in a file that keeps its weights
    elsewhere, is a fixed filter (blurring before subsampling).
    """
    weight = next((owned for owned in draft.owned if owned.role == "weight"), None)
    if draft.op not in _LAYERS or weight is None or weight.leaf.origin is not Origin.CONSTANT:
        return
    draft.owned = [owned for owned in draft.owned if owned.leaf.origin is not Origin.CONSTANT][:1]
    draft.attrs = {}
    draft.op = "bias" if draft.owned and draft.owned[0].role == "bias" else "unary"
    draft.owned = draft.owned if draft.op == "bias" else []


def _is_parameter(owned: Owned, draft: Draft, constants_are_weights: bool, before_layers: bool) -> bool:
    leaf = owned.leaf
    if leaf.kind:
        return leaf.kind == "PARAMETER"
    anonymous = is_anonymous(leaf.name)
    if leaf.numel <= 1:
        # ReZero gains and temperatures have a module's name in front; other numbers do not.
        return "." in leaf.name and not anonymous and leaf.origin in (Origin.INITIALIZER, Origin.INPUT)
    if leaf.origin is Origin.CONSTANT and not constants_are_weights:
        return False
    if leaf.origin is Origin.FILLED:
        return False
    if (
        draft.op in ("position", "parameter")
        and (anonymous or leaf.origin is Origin.CONSTANT)
        and not before_layers
    ):
        return False
    if draft.op != "parameter":
        return True
    # Differences and quotients normalise the input more often than they hold anything learned, unless the
    # name has a module's in front.
    named = not anonymous and leaf.origin is not Origin.CONSTANT
    return named and ("." in leaf.name or draft.kind not in _NORMALISING)


def _without_parameters(draft: Draft) -> str:
    if not draft.inputs:
        return "constant"
    return "unary" if len(draft.inputs) == 1 else "merge"


def _before_layers(drafts: list[Draft]) -> set[Draft]:
    """The drafts from which a layer with weights can be reached."""
    found: set[Draft] = set()
    for draft in reversed(drafts):
        if draft.op in _LAYERS or draft in found:
            found.update(draft.inputs)
    return found


def _prefer_known_roles(drafts: Iterable[Draft]) -> None:
    """A tensor that one node owns in a role we know is not owned again by a node of which we know nothing."""
    known = {
        owned.leaf.name
        for draft in drafts
        if draft.op not in ("parameter", "class_token")
        for owned in draft.owned
    }
    for draft in drafts:
        if draft.op in ("parameter", "class_token") and len(draft.owned) > 0:
            rest = [owned for owned in draft.owned if owned.leaf.name not in known]
            if len(rest) < len(draft.owned):
                draft.owned = rest
                if not rest:
                    draft.op = _without_parameters(draft)
