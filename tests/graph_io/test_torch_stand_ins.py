"""A traced module is afterwards what it was, whatever its attributes forbid."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from service.errors import InvalidArchitecture
from service.graph_io.torch_tracer import trace


def refuse(*_: Any, **__: Any) -> Any:
    raise TypeError("frozen")


_CHANGES = (
    "__setitem__", "__delitem__", "clear", "update", "pop", "append", "extend", "insert", "add", "remove",
)  # fmt: skip
_LOOKS = ("__len__", "__iter__", "__contains__", "__eq__", "keys", "items", "values", "copy", "get")


def forbidding(base: type, names: tuple[str, ...]) -> type:
    return type(f"Forbidding{base.__name__}", (base,), {**dict.fromkeys(names, refuse), "__hash__": None})


class Layer(nn.Module):
    """attribute: any object, which the forward pass does not read. fails: whether the forward pass raises."""

    def __init__(self, attribute: Any, fails: bool) -> None:
        super().__init__()
        self.attribute = attribute
        self.fails = fails
        self.cache = {"passes": 0}
        self.fc = nn.Linear(8, 4)
        self.scale = nn.Parameter(torch.full((4,), 2.0))

    def forward(self, x: Tensor) -> Tensor:
        self.cache["passes"] += 1
        if self.fails:
            raise RuntimeError("no such input")
        return self.fc(x) * self.scale


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("names", [_CHANGES, _LOOKS, _CHANGES + _LOOKS], ids=["frozen", "blind", "closed"])
@pytest.mark.parametrize("base, content", [
    (dict, [("gain", 2.0)]), (OrderedDict, [("gain", 2.0)]), (list, [1, 2]), (set, [1, 2]),
])  # fmt: skip
def test_attributes_that_raise_leave_the_weights_alone(
    base: type, content: list[Any], names: tuple[str, ...], fails: bool
) -> None:
    kind = forbidding(base, names)
    attribute = base.__new__(kind)
    # An ordered dictionary fills itself by the methods that are forbidden here.
    if base is OrderedDict:
        for key, value in content:
            OrderedDict.__setitem__(attribute, key, value)
    else:
        base.__init__(attribute, content)  # type: ignore[misc]
    model = Layer(attribute, fails)
    parameters = dict(model.named_parameters())
    values = {name: parameter.detach().clone() for name, parameter in parameters.items()}
    if fails:
        with pytest.raises(InvalidArchitecture, match="no such input"):
            trace(model, input_shape=(8,))
    else:
        assert trace(model, input_shape=(8,)).num_parameters == 40
    after = dict(model.named_parameters())
    assert after.keys() == parameters.keys()
    for name, parameter in after.items():
        assert parameter is parameters[name] and torch.equal(parameter, values[name])
    assert model.attribute is attribute and base.__len__(attribute) == len(content)  # type: ignore[attr-defined]
    assert model.cache == {"passes": 0} and model.training


class Keeper(nn.Module):
    """Changes an ordered dictionary, a list and a set while it runs."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(8, 4)
        self.order = OrderedDict([("b", 1), ("a", 2)])
        self.order.move_to_end("b")
        self.seen: list[int] = []
        self.sizes = {8}

    def forward(self, x: Tensor) -> Tensor:
        self.order.move_to_end("a")
        self.order["c"] = 3
        self.seen.append(1)
        self.sizes.add(int(x.shape[-1]) + 1)
        return self.fc(x)


def test_what_the_forward_pass_stores_is_taken_back() -> None:
    model = Keeper()
    order, seen, sizes = model.order, model.seen, model.sizes
    trace(model, input_shape=(8,))
    assert (model.order, model.seen, model.sizes) == (OrderedDict([("a", 2), ("b", 1)]), [], {8})
    assert model.order is order and model.seen is seen and model.sizes is sizes
