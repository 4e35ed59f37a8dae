"""Which tensors in doubtful places are parameters.

ONNX does not say what was trained. A tensor that a convolution, a linear layer or a norm takes is a
parameter. A tensor that is added, multiplied, joined or looked up may also be a constant: normalisation of
the input, anchors of a detector, a mask, rotary tables. It is a parameter when something says so: the
exporter, a name that a module would have, or a place that only weights have. Its values say nothing: files
are read without them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from service.graph_io.onnx.draft import Draft, Owned, output_channels
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
        owned.leaf for draft in drafts for owned in draft.owned if not owned.doubtful and draft.op in _LAYERS
    ]
    constants = sum(leaf.origin is Origin.CONSTANT for leaf in certain)
    stored = sum(leaf.origin in STORED for leaf in certain)
    return _File(
        constants_are_weights=constants >= max(1, stored),
        names_tell=any(leaf.named for leaf in leaves),
        numbers=all(is_number(leaf.name) for leaf in leaves),
    )


def settle(drafts: list[Draft]) -> None:
    """Decide the doubtful parameters; nodes that lose theirs become functions without parameters."""
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
            draft.exact = False
        draft.owned = kept
        if not draft.owned and draft.op not in NORMS:
            _lose_parameters(draft)
    for draft in drafts:
        if draft.op == "layer_scale" and not _ends_a_branch(draft.inputs[0]):
            draft.op, draft.owned[0].role = "parameter", "gain"
            if not draft.exact:
                draft.attrs = {"kind": "mul"}
    _prefer_known_roles(drafts)


def _ends_a_branch(draft: Draft) -> bool:
    """Whether the numbers come straight from a layer, which is what a layer scale follows.

    A factor behind anything else (a norm that is written out, a sum) is a gain: as small as a layer scale it
    would silence the network.
    """
    maker = _maker(draft)
    return maker.op in BRANCH_ENDS or maker.kind == "Sub"


def _maker(draft: Draft) -> Draft:
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
    draft.owned = [owned for owned in draft.owned if owned.leaf.origin is not Origin.CONSTANT][:1]
    draft.attrs, draft.exact = {}, False
    draft.op = "bias" if draft.owned and draft.owned[0].role == "bias" else "unary"
    draft.owned = draft.owned if draft.op == "bias" else []


def _is_parameter(owned: Owned, draft: Draft, file: _File, before_layers: bool, behind_layers: bool) -> bool:
    leaf = owned.leaf
    if leaf.kind:
        return leaf.kind == "PARAMETER"
    if Fact.DISCRETE in row_of(draft.kind).facts or leaf.origin is Origin.FILLED:
        return False
    if leaf.origin is Origin.CONSTANT and not file.constants_are_weights:
        return False
    if draft.op in NORMS:
        return leaf.named or leaf.origin is Origin.CONSTANT or file.numbers
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
        biased = draft.op == "bias" and len(source.owned) > 1
        return output_channels(source) == owned.leaf.numel and not biased
    return draft.op == "class_token" and draft.kind == "Concat" and len(owned.shape or ()) == 3


def _lose_parameters(draft: Draft) -> None:
    draft.op = ("constant", "unary")[len(draft.inputs)] if len(draft.inputs) < 2 else "merge"
    draft.attrs = {name: value for name, value in draft.attrs.items() if name == "kind"}


def _before_layers(drafts: list[Draft]) -> set[Draft]:
    """The drafts from which a layer with weights can be reached."""
    before: set[Draft] = set()
    for draft in reversed(drafts):
        if draft.op in _LAYERS or draft in before:
            before.update(draft.inputs)
    return before


def _behind_layers(drafts: list[Draft]) -> set[Draft]:
    """The drafts that a layer, norm or pooling comes before."""
    ends = BRANCH_ENDS | {"embedding"}
    behind: set[Draft] = set()
    for draft in drafts:
        if any(source in behind or source.op in ends for source in draft.inputs):
            behind.add(draft)
    return behind


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
                draft.owned, draft.exact = rest, False
                if not rest:
                    _lose_parameters(draft)
