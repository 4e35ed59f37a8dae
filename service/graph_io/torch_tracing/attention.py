"""Finds attention that a network spells out itself. Free of torch.

softmax(q k^T + ...) v, as Swin and many others write it, becomes one attention step with the inputs q, k,
v, and after them whatever else entered the scores: relative position tables, temperatures, masks. A
softmax that is no product of q and k (outlook attention, attention factorised differently), or that
learned layers follow (talking heads), stays; its product with the values becomes the attention step.
"""

from __future__ import annotations

from collections.abc import Callable

from service.graph_io.archgraph import AttrValue
from service.graph_io.torch_tracing.calls import approximate
from service.graph_io.torch_tracing.steps import Step

# What may lie between the two products without being a layer of its own.
_LIGHT = frozenset(
    {
        "softmax",
        "unary",
        "activation",
        "reshape",
        "flatten",
        "permute",
        "slice",
        "pad",
        "add",
        "mul",
        "merge",
        "channel_gate",
    }
)
_MIXES_HEADS = frozenset(
    {"linear", "conv", "batch_norm", "layer_norm", "unary", "reshape", "flatten", "permute", "add", "slice"}
)
# Far enough for masks, windows, biases and dropouts; not far enough to walk through a block.
_REACH = 48
_SHORT_REACH = 8


def find_attention(steps: list[Step]) -> None:
    """Rewrites the steps in place: the product with the values becomes an attention step."""
    if not any(step.op == "softmax" for step in steps):
        return
    for index, step in enumerate(steps):
        if step.op != "matmul" or not step.live or len(step.sources) != 2:
            continue
        for scores, values in (step.sources, step.sources[::-1]):
            match = _attention(steps, step, scores, values) if steps[values].live else None
            if match is not None:
                steps[index] = match
                break


def _attention(steps: list[Step], product: Step, scores: int, values: int) -> Step | None:
    """The attention step that a product with the values is, or None."""
    shape = steps[scores].shape
    attrs: dict[str, AttrValue] = {"heads": shape[-3] if len(shape) > 2 else 1, "layout": "heads"}
    path = _path(steps, scores, lambda step: _is_scores(steps, step))
    if path is not None and any(steps[index].op == "softmax" for index in path):
        extras = dict.fromkeys(
            source for index in path[:-1] for source in steps[index].sources if source not in path
        )
        query, key = steps[path[-1]].sources
        attrs |= _exact(steps, path, product, scores, values, tuple(extras))
        return Step("attention", (query, key, values, *extras), attrs=attrs, shape=product.shape)
    if _path(steps, scores, lambda step: step.op == "softmax") is None and not _softmax_before_layers(
        steps, scores
    ):
        return None
    attrs["layout"] = "scores"
    return Step("attention", (scores, values), attrs=attrs, shape=product.shape)


def _exact(
    steps: list[Step], path: list[int], product: Step, scores: int, values: int, extras: tuple[int, ...]
) -> dict[str, AttrValue]:
    """What softmax(factor * q k^T + tables) v needs to be run: the factor, and that the keys are transposed.

    path: from the scores back to the product of queries and keys.
    """
    unclear = approximate("it is not softmax(q k + table) v in so many words")
    factor, softmax, added = 1.0, False, 0
    for index in path[:-1]:
        step = steps[index]
        if step.op == "softmax" and not softmax and step.attrs.get("log") is None:
            if step.attrs.get("axis") not in (-1, len(step.shape) - 1):
                return unclear
            softmax = True
        elif step.op == "add" and softmax and not step.attrs and len(step.sources) == 2 and factor == 1.0:
            added += 1
        elif step.op == "unary" and softmax and set(step.attrs) == {"kind", "value"}:
            value = step.attrs["value"]
            if step.attrs["kind"] not in ("mul", "div") or not isinstance(value, int | float) or not value:
                return unclear
            factor *= value if step.attrs["kind"] == "mul" else 1 / value
        else:
            return unclear
    plain = (
        softmax
        and product.sources == (scores, values)
        and not product.attrs
        and not steps[path[-1]].attrs
        and added == len(extras)
        and len(steps[scores].shape) == 4
    )
    return {"scale": factor, "keys_transposed": True} if plain else unclear


def _is_scores(steps: list[Step], step: Step) -> bool:
    return step.op == "matmul" and all(steps[source].live for source in step.sources)


def _path(steps: list[Step], start: int, goal: Callable[[Step], bool]) -> list[int] | None:
    """The steps from `start` back to one that is the goal, through light functions."""
    origin: dict[int, int] = {start: -1}
    stack = [start]
    while stack and len(origin) < _REACH:
        index = stack.pop()
        step = steps[index]
        if goal(step):
            path = []
            while index >= 0:
                path.append(index)
                index = origin[index]
            return path[::-1]
        if step.op in _LIGHT and not step.weights:
            for source in reversed(step.sources):
                if steps[source].live and source not in origin:
                    origin[source] = index
                    stack.append(source)
    return None


def _softmax_before_layers(steps: list[Step], value: int) -> bool:
    """Whether a value is a softmax whose heads learned layers have mixed (talking heads)."""
    for _ in range(_SHORT_REACH):
        step = steps[value]
        if step.op == "softmax":
            return True
        live = [source for source in step.sources if steps[source].live]
        if step.op not in _MIXES_HEADS or len(live) != 1:
            return False
        value = live[0]
    return False
