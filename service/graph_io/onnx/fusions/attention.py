"""softmax(q k^T * scale + bias) v, however it is written, as one attention node that reads q, k, v and the
biases.
"""

from __future__ import annotations

from service.graph_io.archgraph import AttrValue
from service.graph_io.onnx.draft import Draft, Owned, readers_of
from service.graph_io.onnx.fusions.regions import only_reader, unplaced

_TO_SOFTMAX = frozenset({"reshape", "permute", "unary", "merge", "slice", "dropout", "identity"})
_TO_SCORES = frozenset({"reshape", "permute", "unary", "merge", "add", "mul", "slice", "activation"})
_SCORE_PARAMETERS = frozenset({"bias", "position", "layer_scale", "parameter"})
_SELECTIONS = frozenset({"slice", "split"})


def fuse_attention(drafts: list[Draft], outputs: list[Draft]) -> list[Draft]:
    readers = readers_of(drafts, outputs)
    before: dict[Draft, list[Draft]] = {}
    for draft in drafts:
        if draft.op != "matmul" or len(draft.inputs) != 2:
            continue
        for weights, values in (draft.inputs, draft.inputs[::-1]):
            match = _softmax_behind(weights)
            if match is None:
                continue
            softmax, direct = match
            exact = _exact_inputs(draft, softmax, weights, values)
            if exact is not None:
                inputs, sources, attrs = exact
                before[draft] = sources
                draft.become("attention", "Attention", inputs, [], attrs, exact=True)
                break
            tail = _merged_heads(draft, readers)
            before[tail] = _become_attention(draft, tail, softmax if direct else None, weights, values)
            break
    return [part for draft in drafts for part in (*before.get(draft, ()), draft)]


def _softmax_behind(draft: Draft, most: int = 12) -> tuple[Draft, bool] | None:
    """The softmax that makes these weights, and whether nothing learned lies in between (talking heads mix
    the heads of the weights by a linear layer).
    """
    stack, seen, direct = [draft], set[Draft](), True
    while stack and len(seen) < most:
        part = stack.pop()
        if part.op == "softmax":
            return part, direct
        mixing = part.op in ("linear", "conv")
        if part in seen or not (mixing or (part.op in _TO_SOFTMAX and not part.owned)):
            continue
        direct = direct and not mixing
        seen.add(part)
        stack.extend(part.inputs)
    return None


def _become_attention(
    draft: Draft, tail: Draft, softmax: Draft | None, weights: Draft, values: Draft
) -> list[Draft]:
    """Turn `tail` into the attention; returns the sources of parameters it now reads."""
    attrs: dict[str, AttrValue] = {}
    path = _path_to_scores(softmax.inputs[0]) if softmax is not None and softmax.inputs else None
    if path is None:
        # Talking heads: what lies between scores and values stays as it is.
        inputs, sources = [weights, unplaced(values)], []
    else:
        scores, passed, sides = path
        sources = [source for part in passed for source in _released(part)]
        inputs = [*_queries_keys_values(scores, values), *sides, *sources]
        heads = _heads(scores)
        if heads is not None:
            attrs["heads"] = heads
    tail.become("attention", "Attention", inputs, [], attrs)
    # The product is what people look for in their file; the reshape behind it lent its place.
    tail.name, draft.name = draft.name, tail.name
    return sources


def _exact_inputs(
    product: Draft, softmax: Draft, weights: Draft, values: Draft
) -> tuple[list[Draft], list[Draft], dict[str, AttrValue]] | None:
    """What softmax(factor * q k^T + tables) v reads, the sources of learned tables, and the attributes.

    None if it is anything else. Queries, keys and values are read as they enter the products.
    """
    if not (product.exact and softmax.exact) or weights is not softmax or product.inputs != [weights, values]:
        return None
    rank = len(product.shape or ())
    if rank not in (3, 4) or softmax.attrs.get("axis") not in (-1, rank - 1) or softmax.attrs.get("log"):
        return None
    factor, tables, sources, released = 1.0, list[Draft](), list[Draft](), list[Draft]()
    step = softmax.inputs[0]
    while step.op != "matmul":
        value = step.attrs.get("value")
        if not step.exact:
            return None
        if step.op == "unary" and step.attrs.get("kind") in ("mul", "div") and isinstance(value, int | float):
            if not value or step.attrs.get("reversed"):
                return None
            factor *= value if step.attrs["kind"] == "mul" else 1 / value
        elif factor != 1.0:
            return None
        elif step.op == "add" and len(step.inputs) == 2:
            scores = [source for source in step.inputs if _leads_to_scores(source)]
            if len(scores) != 1:
                return None
            tables.append(step.inputs[1 - step.inputs.index(scores[0])])
            step = scores[0]
            continue
        elif step.op in ("bias", "position"):
            table = Draft(
                f"{step.name}/bias", "relative_position", step.kind, owned=step.owned, attrs=step.attrs
            )
            table.owned = [Owned(own.leaf, "weight", None, own.doubtful, own.shape) for own in step.owned]
            table.exact = True
            sources.append(table)
            released.append(step)
        else:
            return None
        step = step.inputs[0]
    if not step.exact or step.attrs or len(step.inputs) != 2 or len(step.shape or ()) != rank:
        return None
    attrs: dict[str, AttrValue] = {"layout": "heads", "keys_transposed": True, "scale": factor}
    heads = _heads(step)
    for part in released:
        part.owned, part.op, part.exact = [], "unary", False
    return [*step.inputs, values, *tables, *sources], sources, attrs | ({"heads": heads} if heads else {})


def _leads_to_scores(draft: Draft, most: int = 12) -> bool:
    """Whether a product of two tensors is all that a draft places and scales."""
    for _ in range(most):
        if draft.op == "matmul":
            return True
        if draft.op not in ("unary", "add", "bias", "position") or not draft.inputs:
            return False
        draft = next((source for source in draft.inputs if source.op == "matmul"), draft.inputs[0])
    return False


def _path_to_scores(start: Draft, most: int = 24) -> tuple[Draft, list[Draft], list[Draft]] | None:
    """(the product of q and k, drafts on the way with parameters, drafts that are added to the scores)."""
    # Depth first along one input after the other; `trail` is the way back from the product.
    parents: dict[Draft, Draft | None] = {start: None}
    stack = [start]
    product = None
    while stack and len(parents) < most:
        part = stack.pop()
        if part.op == "matmul" and len(part.inputs) == 2:
            product = part
            break
        if part.op not in _TO_SCORES and not (
            part.op in _SCORE_PARAMETERS and all(own.doubtful for own in part.owned)
        ):
            continue
        for source in reversed(part.inputs):
            if source not in parents:
                parents[source] = part
                stack.append(source)
    if product is None:
        return None
    trail: list[Draft] = []
    step = parents[product]
    while step is not None:
        trail.append(step)
        step = parents[step]
    on_trail = {product, *trail}
    sides = [source for part in trail for source in part.inputs if source not in on_trail]
    return product, [part for part in trail if part.owned], list(dict.fromkeys(sides))


def _released(part: Draft) -> list[Draft]:
    """Parameters of a draft between scores and softmax, as sources of their own."""
    additive = part.op in ("bias", "position")
    sources = []
    for place, owned in enumerate(part.owned):
        op = "relative_position" if additive else "parameter"
        name = part.name if part.name.endswith("/bias") else f"{part.name}/{'bias' if additive else 'factor'}"
        own = Owned(owned.leaf, "weight" if additive else "gain", None, owned.doubtful, owned.shape)
        sources.append(
            Draft(f"{name}_{place}" if place else name, op, part.kind, [], [own], {}, None, owned.shape)
        )
    part.owned, part.op, part.exact = [], "unary", False
    return sources


def _queries_keys_values(scores: Draft, values: Draft) -> list[Draft]:
    """One draft if q, k and v are cut out of it, else three."""
    parts = [unplaced(part) for part in (*scores.inputs, values)]
    if all(part.op in _SELECTIONS and len(part.inputs) == 1 for part in parts):
        origins = {part.inputs[0] for part in parts}
        cuts = len({id(part) for part in parts})
        if len(origins) == 1 and (cuts == 3 or (cuts == 1 and parts[0].op == "split")):
            return [unplaced(parts[0].inputs[0])]
    return parts


def _heads(scores: Draft) -> int | None:
    shape = scores.shape
    if shape is None or len(shape) not in (3, 4):
        return None
    return shape[1] if len(shape) == 4 else shape[0]


def _merged_heads(draft: Draft, readers: dict[Draft, list[Draft]]) -> Draft:
    """The draft behind the permutation and reshape that put the heads side by side again."""
    tail = draft
    for op in ("permute", "reshape"):
        reader = only_reader(readers, tail)
        if reader is not None and reader.op == op and not reader.owned:
            tail = reader
    return tail
