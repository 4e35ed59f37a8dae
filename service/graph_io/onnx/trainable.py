"""Which tensors in doubtful places are parameters.

ONNX does not say what was trained. A tensor that a convolution, a linear layer or a norm takes is a
parameter. A tensor that is added, multiplied, joined or looked up may also be a constant: normalisation of
the input, anchors of a detector, a mask, rotary tables. It is a parameter when something says so: the
exporter, a name that a module would have, or a place that only weights have. Its values say nothing: files
are read without them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from service.graph_io.attributes import APPROXIMATE
from service.graph_io.lifting.biases import output_channels
from service.graph_io.lifting.linked import LinkedNode, marks_of
from service.graph_io.onnx.draft import Draft, Owned, unclear
from service.graph_io.onnx.leaves import STORED
from service.graph_io.onnx.naming import is_number
from service.graph_io.onnx.row import Fact
from service.graph_io.onnx.table import row_of
from service.graph_io.onnx.tensors import Origin
from service.graph_io.operators import BRANCH_ENDS, NORMS, PRODUCTS

_MOVING = frozenset({"reshape", "permute", "flatten", "slice", "bias"})
_NORMALISING = frozenset({"Sub", "Div", "Pow"})
_LAYERS = PRODUCTS | {"recurrent", "embedding"}
_FILTERS = _LAYERS - {"recurrent"}


@dataclass(frozen=True, slots=True)
class _File:
    """What all tensors of a file say together.

    constants_are_weights: it keeps weights in Constant nodes. names_tell: some of its tensors have names of
    their own, so that one without is no module's. numbers: all names are numbers.
    """

    constants_are_weights: bool
    names_tell: bool
    numbers: bool


def _file(drafts: list[Draft]) -> _File:
    leaves = [owned.leaf for draft in drafts for owned in draft.owned]
    certain = [
        owned.leaf
        for draft in drafts
        for owned in draft.owned
        if draft.op in _LAYERS and (draft.op in PRODUCTS or not owned.doubtful)
    ]
    constants = sum(leaf.origin is Origin.CONSTANT for leaf in certain)
    stored = sum(leaf.origin in STORED for leaf in certain)
    return _File(
        constants_are_weights=constants >= max(1, stored),
        names_tell=any(leaf.named for leaf in leaves),
        numbers=all(is_number(leaf.name) for leaf in leaves),
    )


def settle(nodes: Iterable[LinkedNode]) -> None:
    """Decide the doubtful parameters; nodes that lose theirs become functions without parameters."""
    drafts = [node for node in nodes if isinstance(node, Draft)]
    file = _file(drafts)
    if not file.constants_are_weights:
        for draft in drafts:
            _fix_filter(draft)
    before_layers, behind_layers = _before_layers(drafts), _behind_layers(drafts)
    for draft in drafts:
        if not any(owned.doubtful for owned in draft.owned):
            continue
        kept = [
            owned
            for owned in draft.owned
            if not owned.doubtful
            or _is_parameter(owned, draft, file, draft in before_layers, draft in behind_layers)
        ]
        if any(owned not in kept and not owned.neutral for owned in draft.owned):
            draft.attrs |= unclear(draft.kind)
        draft.params = tuple(kept)
        if not draft.params and draft.op not in NORMS:
            _lose_parameters(draft)
    for draft in drafts:
        if draft.op == "layer_scale" and not _ends_a_branch(draft.inputs[0]):
            draft.op, draft.params = "parameter", (replace(draft.params[0], role="gain"),)
            if not draft.exact:
                draft.attrs = {"kind": "mul", **marks_of(draft)}
    _prefer_known_roles(drafts)


def _ends_a_branch(draft: LinkedNode) -> bool:
    """Whether the numbers come straight from a layer, which is what a layer scale follows.

    A factor behind anything else (a norm that is written out, a sum) is a gain: as small as a layer scale it
    would silence the network.
    """
    maker = _maker(draft)
    return maker.op in BRANCH_ENDS or maker.attrs.get("kind") == "sub"


def _maker(draft: LinkedNode) -> LinkedNode:
    """Back over what only moves numbers, and biases, to what computed them."""
    while draft.op in _MOVING and len(draft.inputs) == 1:
        draft = draft.inputs[0]
    return draft


def _fix_filter(draft: Draft) -> None:
    """A convolution or product with numbers that stand in the graph itself, in a file that keeps its weights
    elsewhere, is a fixed filter (blurring before subsampling).
    """
    weight = next((owned for owned in draft.owned if owned.role == "weight"), None)
    if draft.op not in _FILTERS or weight is None or weight.leaf.origin is not Origin.CONSTANT:
        return
    rest = tuple(owned for owned in draft.owned if owned.leaf.origin is not Origin.CONSTANT)[:1]
    draft.op = "bias" if rest and rest[0].role == "bias" else "unary"
    draft.params, draft.attrs = rest if draft.op == "bias" else (), unclear(draft.kind)


def _is_parameter(owned: Owned, draft: Draft, file: _File, before_layers: bool, behind_layers: bool) -> bool:
    leaf, facts = owned.leaf, row_of(draft.kind).facts
    if draft.op in PRODUCTS:
        return True
    if leaf.kind:
        return leaf.kind == "PARAMETER"
    if Fact.DISCRETE in facts or leaf.origin is Origin.FILLED:
        return False
    if leaf.origin is Origin.CONSTANT and not file.constants_are_weights:
        return False
    if draft.op in NORMS:
        written_out = Fact.NORM not in facts
        return written_out or leaf.named or leaf.origin is Origin.CONSTANT or file.numbers
    if leaf.numel <= 1:
        # Temperatures and ReZero gains have a module's name; other numbers do not.
        return leaf.in_module and leaf.origin in STORED
    if not leaf.named:
        return _in_a_weight_s_place(owned, draft) or (
            not file.names_tell and (draft.op not in ("position", "parameter") or before_layers)
        )
    if draft.op in ("bias", "layer_scale") and not behind_layers and "." not in leaf.name:
        # One number a channel, straight on the input: its normalisation.
        return False
    if draft.op in ("position", "parameter") and leaf.origin is Origin.CONSTANT and not before_layers:
        return False
    # Differences and quotients normalise the input more often than they hold anything learned.
    return draft.op != "parameter" or (
        leaf.origin is not Origin.CONSTANT and (leaf.in_module or draft.kind not in _NORMALISING)
    )


def _in_a_weight_s_place(owned: Owned, draft: Draft) -> bool:
    """Whether a tensor without a name stands where only learned ones do: one number a channel right behind a
    layer of as many, or tokens in front of the others.
    """
    if draft.op in ("bias", "layer_scale"):
        source = _maker(draft.inputs[0])
        biased = draft.op == "bias" and len(source.params) > 1
        return output_channels(source) == owned.numel and not biased
    return draft.op == "class_token" and draft.kind == "Concat" and len(owned.used or ()) == 3


def _lose_parameters(draft: Draft) -> None:
    draft.op = ("constant", "unary")[len(draft.inputs)] if len(draft.inputs) < 2 else "merge"
    function = row_of(draft.kind).kind
    if draft.op == "unary" and function:
        draft.attrs |= {"kind": function}
    draft.attrs = {name: value for name, value in draft.attrs.items() if name in ("kind", APPROXIMATE)}


def _before_layers(drafts: list[Draft]) -> set[LinkedNode]:
    """The drafts from which a layer with weights can be reached."""
    before: set[LinkedNode] = set()
    for draft in reversed(drafts):
        if draft.op in _LAYERS or draft in before:
            before.update(draft.inputs)
    return before


def _behind_layers(drafts: list[Draft]) -> set[LinkedNode]:
    """The drafts that a layer, norm or pooling comes before."""
    ends = BRANCH_ENDS | {"embedding"}
    behind: set[LinkedNode] = set()
    for draft in drafts:
        if any(source in behind or source.op in ends for source in draft.inputs):
            behind.add(draft)
    return behind


def _prefer_known_roles(drafts: Iterable[Draft]) -> None:
    """A tensor that one node owns in a role we know is not owned again by a node of which we know nothing."""
    known = {
        parameter.name for draft in drafts if not _is_of_unknown_role(draft) for parameter in draft.params
    }
    for draft in drafts:
        if _is_of_unknown_role(draft) and draft.params:
            rest = tuple(parameter for parameter in draft.params if parameter.name not in known)
            if len(rest) < len(draft.params):
                draft.params = rest
                draft.attrs |= unclear(draft.kind)
                if not rest:
                    _lose_parameters(draft)


def _is_of_unknown_role(draft: Draft) -> bool:
    """Whether nothing is known of a node but that it has parameters. A token is joined to others."""
    return draft.op == "parameter" or (draft.op == "class_token" and draft.kind != "Concat")
