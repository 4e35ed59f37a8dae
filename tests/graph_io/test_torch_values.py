"""Modules that look at their numbers, or use functions that a trace does not see whole."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, distributions, nn

from service.errors import InvalidArchitecture, LimitExceeded
from service.graph_io import torch_tracer
from service.graph_io.archgraph import ArchGraph
from service.graph_io.torch_tracer import trace


class Heads(nn.Module):
    """Two linear layers, and what a test computes with them and the inputs."""

    def __init__(self, compute: Callable[..., Any]) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(8, 4), nn.Linear(8, 4)
        self.compute = compute

    def forward(self, *inputs: Tensor) -> Any:
        return self.compute(self, *inputs)


def owners(graph: ArchGraph) -> dict[str, str]:
    return {parameter.name: node.op for node in graph.nodes for parameter in node.params}


def assert_all_read(model: nn.Module, graph: ArchGraph) -> None:
    assert not graph.unattached
    wanted = {name: tuple(parameter.shape) for name, parameter in model.named_parameters()}
    assert {parameter.name: parameter.shape for parameter in graph.parameters()} == wanted


# Values


def normal(self: Heads, x: Tensor) -> Tensor:
    return distributions.Normal(self.a(x), torch.exp(0.5 * self.b(x))).rsample()


def categorical(self: Heads, x: Tensor) -> tuple[Tensor, Tensor]:
    policy = distributions.Categorical(logits=self.a(x))
    return policy.log_prob(policy.sample()), self.b(x)


def beta(self: Heads, x: Tensor) -> Tensor:
    return distributions.Beta(F.softplus(self.a(x)) + 1, F.softplus(self.b(x)) + 1).mean


def lengths(self: Heads, x: Tensor, count: Tensor) -> Tensor:
    mask = torch.arange(int(count.max())) < count[:, None]
    return ((self.a(x) + self.b(x)) * mask[:, :, None]).sum(1) / count[:, None]


def cholesky(self: Heads, x: Tensor) -> Tensor:
    return torch.linalg.cholesky(self.a(x).T @ self.b(x) * 0 + torch.eye(4))


def loop_over_a_computed_count(self: Heads, x: Tensor) -> Tensor:
    total = self.a(x)
    for _ in range(int(total.sigmoid().sum().ceil())):
        total = total + self.b(x)
    return total


@pytest.mark.parametrize("compute", [normal, categorical, beta, cholesky, loop_over_a_computed_count])
def test_checks_of_computed_numbers(compute: Callable[..., Any]) -> None:
    model = Heads(compute)
    graph = trace(model, example=torch.randn(2, 8))
    assert_all_read(model, graph)
    assert set(owners(graph).values()) == {"linear"}


def test_lengths_are_those_of_the_example() -> None:
    model = Heads(lengths)
    graph = trace(model, example=(torch.randn(2, 7, 8), torch.tensor([7, 5])))
    assert_all_read(model, graph)
    assert len([node for node in graph.nodes if node.op == "input"]) == 2


def test_a_module_without_an_example_gets_numbers() -> None:
    assert_all_read(model := Heads(normal), trace(model, input_shape=(8,)))
    assert_all_read(model := Heads(normal), trace(model))


class Halting(nn.Module):
    """Adaptive computation time: ends when every position has halted."""

    def __init__(self) -> None:
        super().__init__()
        self.halt, self.layer = nn.Linear(8, 1), nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        halted, rounds = x.new_zeros(x.shape[:2]), x.new_zeros(x.shape[:2])
        while ((halted < 0.9) & (rounds < 6)).any():
            running = (halted < 0.9).to(x.dtype)
            halted = halted + torch.sigmoid(self.halt(x)).squeeze(-1) * running
            rounds, x = rounds + running, self.layer(x)
        return x


def test_a_loop_that_ends_by_computed_values_is_followed_to_its_end() -> None:
    model = Halting()
    with torch.no_grad():
        model.halt.weight.zero_()
        model.halt.bias.zero_()  # each round halts by a half, so there are two
    example = torch.randn(2, 5, 8)
    graph = trace(model, example=example)
    # What only says when to end has no part in the result.
    assert {parameter.name for parameter in graph.unattached} == {"halt.weight", "halt.bias"}
    assert [node.name for node in graph.nodes if node.op == "linear"] == ["layer", "layer#2"]


def test_a_loop_that_never_ends_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def forever(self: Heads, x: Tensor) -> Tensor:
        while self.a(x).abs().sum() >= 0:
            x = x + 1
        return x

    # The bound grows with the number of nodes that a graph may have: too far away for a test.
    monkeypatch.setattr(torch_tracer, "LIMITS", dataclasses.replace(torch_tracer.LIMITS, max_nodes=100))
    with pytest.raises(LimitExceeded, match="not ended after 400 steps"):
        trace(Heads(forever), example=torch.randn(2, 8))


class Packed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer, self.head = nn.GRU(8, 16, batch_first=True), nn.Linear(16, 3)

    def forward(self, x: Tensor, count: Tensor | None = None) -> Tensor:
        count = (x.abs().sum(-1) > 0).sum(1) if count is None else count
        packed = nn.utils.rnn.pack_padded_sequence(x, count.cpu(), batch_first=True, enforce_sorted=False)
        padded, _ = nn.utils.rnn.pad_packed_sequence(self.layer(packed)[0], batch_first=True)
        return self.head(padded.mean(1))


@pytest.mark.parametrize("example", [
    (torch.ones(2, 7, 8), torch.tensor([7, 5])), torch.ones(2, 7, 8),
], ids=["lengths", "from a mask"])  # fmt: skip
def test_packed_sequences(example: Any) -> None:
    model = Packed()
    graph = trace(model, example=example)
    assert_all_read(model, graph)
    assert [node.op for node in graph.nodes if node.params] == ["recurrent", "linear"]


def test_a_packed_sequence_is_an_example() -> None:
    packed = nn.utils.rnn.pack_sequence([torch.randn(4, 8), torch.randn(2, 8)])
    model = nn.LSTM(8, 3)
    assert_all_read(model, trace(model, example=(packed,)))


def test_values_are_those_of_the_module_and_the_same_each_time() -> None:
    def branch(self: Heads, x: Tensor) -> Tensor:
        scale = distributions.Normal(0.0, self.b(x).exp()).sample()
        return self.a(x) if scale.isfinite().all() and self.a.bias[0] == 3 else x

    model = Heads(branch)
    with torch.no_grad():
        model.a.bias[0] = 3
    example = torch.randn(2, 8)
    graph = trace(model, example=example)
    assert owners(graph)["a.weight"] == "linear"
    assert graph == trace(model, example=example)


class Writes(nn.Module):
    """Writes into its parameter, its buffer and its input, and needs numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(8, 4)
        self.register_buffer("count", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            self.layer.weight.mul_(2)
        self.count += 1
        x += 1
        return distributions.Normal(0.0, self.layer(x).exp()).rsample()


def test_the_module_and_the_example_are_left_alone() -> None:
    model, example = Writes(), torch.randn(2, 8)
    weight, numbers, state = model.layer.weight.detach().clone(), example.clone(), torch.get_rng_state()
    trace(model, example=example)
    assert torch.equal(model.layer.weight, weight) and isinstance(model.layer.weight, nn.Parameter)
    assert model.count == 0 and torch.equal(example, numbers)
    assert torch.equal(torch.get_rng_state(), state)


def test_what_fails_by_itself_is_refused_with_its_own_reason() -> None:
    def fails(self: Heads, x: Tensor) -> Tensor:
        # torch.compile switches these checks off for the whole process.
        return distributions.Normal(self.a(x), -self.b(x).exp(), validate_args=True).rsample()

    with pytest.raises(InvalidArchitecture, match="Expected parameter scale"):
        trace(Heads(fails), example=torch.randn(2, 8))


# Number formats


def test_running_sums_take_the_number_format_that_is_asked_for() -> None:
    def experts(self: Heads, x: Tensor) -> Tensor:
        chosen = self.a(x).argmax(-1)
        ends = torch.cumsum(F.one_hot(chosen, 4).sum(0), 0, dtype=torch.int32)
        assert ends.dtype == torch.int32
        return self.b(x)[chosen.argsort()]

    assert {"a.weight", "b.weight"} <= {p.name for p in trace(Heads(experts), input_shape=(8,)).parameters()}


def test_the_size_of_a_complex_number_is_real() -> None:
    class Mel(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("bank", torch.rand(33, 16))
            self.head = nn.Linear(16, 4)

        def forward(self, x: Tensor) -> Tensor:
            size = torch.fft.rfft(x, dim=1).abs()
            assert size.dtype == torch.float32
            return self.head(torch.matmul(size.transpose(-1, -2), self.bank))

    assert_all_read(model := Mel(), trace(model, input_shape=(64, 5)))


def test_autocast_on_the_device_of_the_features() -> None:
    def own_precision(self: Heads, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            return self.a(x.float()) + self.b(x)

    assert_all_read(model := Heads(own_precision), trace(model, input_shape=(8,)))
    assert_all_read(model, trace(model))


# Functions that a trace does not see whole


def test_a_parameter_without_numbers_needs_no_answer() -> None:
    class Dummy(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer, self.dummy = nn.Linear(8, 4), nn.Parameter(torch.empty(0))

        def forward(self, x: Tensor) -> Tensor:
            return self.layer(x.to(self.dummy.device))

    model = Dummy()
    assert [parameter.name for parameter in trace(model).parameters()] == ["layer.weight", "layer.bias"]
    assert dict(model.named_parameters())["dummy"].device.type == "cpu"


def test_stacked_weights_under_vmap() -> None:
    class Ensemble(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weights, self.head = nn.Parameter(torch.randn(3, 8, 4)), nn.Linear(4, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(torch.vmap(lambda weight: x @ weight)(self.weights).mean(0))

    graph = trace(model := Ensemble(), input_shape=(8,))
    assert_all_read(model, graph)
    (merged,) = [node for node in graph.nodes if node.attrs.get("kind") == "vmap"]
    assert "weights" in merged.inputs
    assert torch.vmap(torch.square)(torch.ones(3)).tolist() == [1, 1, 1]


class Energy(nn.Module):
    """A force field: the gradient of an energy, which a layer follows."""

    def __init__(self, functional: bool, enabled: bool) -> None:
        super().__init__()
        self.energy = nn.Sequential(nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 1))
        self.head = nn.Linear(8, 2)
        self.functional, self.enabled = functional, enabled

    def forward(self, x: Tensor) -> Tensor:
        if self.functional:
            return self.head(torch.func.grad(lambda x: self.energy(x).sum())(x))
        with torch.set_grad_enabled(self.enabled or torch.is_grad_enabled()):
            x = x.detach().requires_grad_(True)
            (force,) = torch.autograd.grad(self.energy(x).sum(), x, create_graph=True)
        return self.head(force)


@pytest.mark.parametrize(("functional", "enabled"), [(True, False), (False, True), (False, False)])
def test_gradients_inside_the_forward_pass(functional: bool, enabled: bool) -> None:
    model = Energy(functional, enabled)
    graph = trace(model, example=torch.randn(2, 8))
    assert_all_read(model, graph)
    (gradient,) = [node for node in graph.nodes if node.attrs.get("kind") == "grad"]
    (head,) = [node for node in graph.nodes if node.name == "head"]
    assert head.inputs == (gradient.name,)


def test_flex_attention_is_an_attention() -> None:
    class Flex(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.qkv = nn.Linear(16, 48)

        def forward(self, x: Tensor) -> Tensor:
            from torch.nn.attention.flex_attention import flex_attention

            def causal(score: Tensor, b: Tensor, h: Tensor, q: Tensor, k: Tensor) -> Tensor:
                return torch.where(q >= k, score, -torch.inf)

            return flex_attention(*self.qkv(x).view(2, 128, 3, 1, 16).permute(2, 0, 3, 1, 4), causal)

    graph = trace(model := Flex(), example=torch.randn(2, 128, 16))
    assert_all_read(model, graph)
    (attention,) = [node for node in graph.nodes if node.op == "attention"]
    assert len(attention.inputs) == 3


@pytest.mark.parametrize("layout", [torch.jagged, torch.strided])
@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
def test_rows_of_different_lengths_in_one_tensor(layout: torch.layout) -> None:
    def ragged(self: Heads, x: Tensor) -> Tensor:
        rows = torch.nested.as_nested_tensor([x[0, :3], x[1, :5]], layout=layout)
        return self.a(rows).to_padded_tensor(0.0) + self.b(x[:, :5])

    assert_all_read(model := Heads(ragged), trace(model, example=torch.randn(2, 6, 8)))
