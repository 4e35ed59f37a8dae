"""Finds squeeze and excite: features times a factor a channel that learned layers made. Free of torch."""

from __future__ import annotations

from math import prod

from service.graph_io.torch_tracing.steps import Step

_EXCITES = frozenset({"conv", "linear"})
# A sigmoid, a reshape, a split between the last layer and the product.
_REACH = 8


def find_gates(steps: list[Step]) -> None:
    """Rewrites the steps in place: the product becomes a channel_gate with the inputs features, gate."""
    for index, step in enumerate(steps):
        if (
            step.op != "mul"
            or len(step.sources) != 2
            or not all(steps[source].live for source in step.sources)
        ):
            continue
        for features, factor in (step.sources, step.sources[::-1]):
            gate = _unexpanded(steps, factor)
            if _fits(steps[features].shape, steps[gate].shape) and _is_excitation(steps, gate):
                steps[index] = Step("channel_gate", (features, gate), shape=step.shape)
                break


def _unexpanded(steps: list[Step], value: int) -> int:
    while steps[value].op == "unary" and steps[value].attrs.get("kind") == "expand":
        value = steps[value].sources[0]
    return value


def _fits(features: tuple[int, ...], gate: tuple[int, ...]) -> bool:
    """One factor a channel for features over two or more spatial axes, channels first or last."""
    if len(features) < 4 or len(gate) != len(features) or features == gate:
        return False
    if gate[-2:] == (1, 1) and features[-2:] != (1, 1):
        return gate[:-2] == features[:-2] and gate[-3] > 1
    if gate[-3:-1] == (1, 1) and features[-3:-1] != (1, 1):
        return gate[:-3] == features[:-3] and gate[-1] == features[-1] > 1
    return False


def _is_excitation(steps: list[Step], gate: int) -> bool:
    """Whether a layer made the factors, other than, say, the norms of the channels."""
    numel = prod(steps[gate].shape)
    for _ in range(_REACH):
        step = steps[gate]
        # A part of what a layer made counts; features that were not squeezed do not.
        if step.op in _EXCITES:
            return True
        live = [source for source in step.sources if steps[source].live]
        if len(live) != 1 or (step.op != "slice" and prod(steps[live[0]].shape) > numel):
            return False
        gate, numel = live[0], prod(steps[live[0]].shape)
    return False
