"""Tracing modules: every parameter, the right parts, the reference's graphs, and the module as it was."""

from __future__ import annotations

import gzip
import json
import os
import random
from collections import Counter
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
import torchvision
from torch import Tensor, nn

from service.errors import InvalidArchitecture
from service.executor.networks import Network
from service.graph_io.archgraph import ArchGraph, Node
from service.graph_io.primitives import Decoding, Primitive, to_primitives
from service.graph_io.torch_tracer import trace, trace_torchvision
from tests.graph_io.matching import LabelledGraph, assert_same_graph

SHARED = os.environ.get("WEIGHTCAST_SHARED_DIR")
PARITY = Path(SHARED) / "parity" if SHARED else Path("absent")
REFERENCE_GRAPHS = "resnet18 resnet50 vgg16_bn densenet121 mobilenet_v2 squeezenet1_1 convnext_tiny".split()
ALL_TORCHVISION = torchvision.models.list_models(module=torchvision.models)
SOME_TORCHVISION = (
    "alexnet densenet121 efficientnet_b0 googlenet inception_v3 maxvit_t mobilenet_v3_small regnet_y_400mf "
    "shufflenet_v2_x0_5 swin_t swin_v2_t vit_b_32 vit_h_14".split()
)


def uses(graph: ArchGraph) -> dict[str, str]:
    """The operator that owns each parameter."""
    found: dict[str, str] = {}
    for node in graph.nodes:
        for parameter in node.params:
            found.setdefault(parameter.name, node.op)
    return found


def primitives(graph: ArchGraph) -> list[str]:
    return [Primitive(kind).name for kind in to_primitives(graph).primitive_N]


def node_of(graph: ArchGraph, op: str) -> Node:
    (node,) = [node for node in graph.nodes if node.op == op]
    return node


def assert_complete(model: nn.Module, graph: ArchGraph) -> None:
    wanted = {name: tuple(parameter.shape) for name, parameter in model.named_parameters()}
    assert {parameter.name: parameter.shape for parameter in graph.parameters()} == wanted


# The reference's graphs


@pytest.mark.skipif(not SHARED, reason="WEIGHTCAST_SHARED_DIR is not set: no reference fixtures")
@pytest.mark.parametrize("name", REFERENCE_GRAPHS)
def test_graphs_equal_the_references(name: str) -> None:
    document = json.loads(gzip.decompress((PARITY / f"graph__{name}__c10_ve1.json.gz").read_bytes()))
    ours = to_primitives(trace_torchvision(name, num_classes=10))
    assert_same_graph(LabelledGraph.of(ours), LabelledGraph.of_fixture(document))


def test_the_graph_of_a_small_residual_network() -> None:
    """Written down by hand: (kind, parameter, shape) and what each node reads."""

    class Small(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem = nn.Conv2d(3, 8, 3, padding=1)
            self.norm = nn.BatchNorm2d(8)
            self.wide = nn.Conv2d(8, 8, 3, padding=2, dilation=2, groups=8, bias=False)
            self.head = nn.Linear(8, 5)

        def forward(self, x: Tensor) -> Tensor:
            x = F.max_pool2d(F.relu(self.norm(self.stem(x))), 2)
            x = x + self.wide(x)
            return self.head(F.adaptive_avg_pool2d(x, 1).flatten(1))

    graph = to_primitives(trace(Small(), input_shape=(3, 32, 32)))
    expected = LabelledGraph(
        (
            ("input", "", None),
            ("conv", "stem.weight", (8, 3, 3, 3)),
            ("bias", "stem.bias", (8,)),
            ("bn", "norm.weight", (8,)),
            ("max_pool", "", (1, 1, 2, 2)),
            ("dil_conv", "wide.weight", (8, 1, 3, 3)),
            ("sum", "", None),
            ("glob_avg", "", None),
            ("conv", "head.weight", (5, 8)),
            ("bias", "head.bias", (5,)),
        ),
        ((), (0,), (1,), (2,), (3,), (4,), (4, 5), (6,), (7,), (8,)),
    )
    assert_same_graph(LabelledGraph.of(graph), expected)


@pytest.mark.parametrize("name", ["resnet18", "squeezenet1_1", "mobilenet_v2", "densenet121"])
def test_a_traced_graph_computes_what_the_module_computes(name: str) -> None:
    """The attributes are right: strides, paddings, orders. Batch normalisation by batch, on both sides."""
    torch.manual_seed(0)
    model = torchvision.models.get_model(name, weights=None, num_classes=7).train()
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    images = torch.randn(2, 3, 64, 64)
    network = Network(trace(model, input_shape=(3, 64, 64)))
    with torch.no_grad():
        expected = model(images)
        torch.testing.assert_close(
            network(images, dict(model.named_parameters())), expected, rtol=1e-3, atol=1e-3
        )


# Every parameter


@pytest.mark.parametrize("name", SOME_TORCHVISION)
def test_torchvision_models_are_complete(name: str) -> None:
    graph = trace_torchvision(name, num_classes=10)
    assert not graph.unattached
    predicted = sum(
        t.parameter.numel for t in to_primitives(graph).targets if t.decoding is not Decoding.DEFAULT
    )
    assert predicted >= 0.98 * graph.num_parameters


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in ALL_TORCHVISION if name not in SOME_TORCHVISION])
def test_all_torchvision_models_are_complete(name: str) -> None:
    test_torchvision_models_are_complete(name)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["fcn_resnet50", "r3d_18", "mvit_v2_s", "ssd300_vgg16", "retinanet_resnet50_fpn"]
)
def test_other_tasks_of_torchvision(name: str) -> None:
    assert not trace_torchvision(name).unattached


@pytest.mark.parametrize(
    "name",
    [
        "test_vit",
        "test_convnext",
        "test_efficientnet",
        "test_nfnet",
        "test_maxvit",
        "levit_128s",
        "xcit_nano_12_p16_224",
    ],
)
def test_timm_models_are_complete(name: str) -> None:
    import timm

    model = timm.create_model(name, pretrained=False)
    graph = trace(model)
    assert_complete(model, graph)
    assert not graph.unattached


@pytest.mark.slow
def test_one_timm_model_a_family() -> None:
    import timm

    from benchmarks.coverage import TIMM

    failed = []
    for name in TIMM:
        model = timm.create_model(name, pretrained=False)
        try:
            assert_complete(model, trace(model))
        except InvalidArchitecture as failure:
            failed.append((name, failure.detail))
    assert not failed


def test_torchvision_names_are_forgiven_nothing() -> None:
    with pytest.raises(InvalidArchitecture, match="resnet_50") as caught:
        trace_torchvision("resnet_50")
    assert "resnet50" in caught.value.extra["hint"]
    with pytest.raises(InvalidArchitecture, match="num_classes"):
        trace_torchvision("resnet18", num_classes=0)
    with pytest.raises(InvalidArchitecture, match="image_size"):
        trace_torchvision("resnet18", image_size=10**6)
    with pytest.raises(InvalidArchitecture):
        trace_torchvision("vit_b_16", image_size=100)


def test_torchvision_options() -> None:
    graph = trace_torchvision("vit_b_16", num_classes=7, image_size=64)
    assert graph.input_shape == (3, 64, 64)
    shapes = {parameter.name: parameter.shape for parameter in graph.parameters()}
    assert shapes["encoder.pos_embedding"] == (1, 17, 768)
    assert shapes["heads.head.weight"] == (7, 768)


# The parts that parameters play


class Uses(nn.Module):
    """One parameter in each part, between two layers."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Linear(4, 8)
        self.token = nn.Parameter(torch.zeros(1, 1, 8))
        self.position = nn.Parameter(torch.zeros(1, 6, 8))
        self.shift = nn.Parameter(torch.zeros(8))
        self.mix = nn.Parameter(torch.zeros(8, 9))
        self.gamma = nn.Parameter(torch.ones(9))
        self.alpha = nn.Parameter(torch.ones(()))
        self.table = nn.Parameter(torch.zeros(6, 9))
        self.head = nn.Linear(9, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.cat([self.token.expand(len(x), -1, -1), self.embed(x)], 1)
        x = x + self.position + self.shift
        x = self.gamma * (x @ self.mix) * self.alpha
        return self.head(torch.maximum(x, self.table)[:, 0])


def test_parts_that_parameters_play() -> None:
    graph = trace(Uses(), input_shape=(5, 4))
    assert uses(graph) == {
        "embed.weight": "linear",
        "embed.bias": "linear",
        "token": "class_token",
        "position": "position",
        "shift": "bias",
        "mix": "linear",
        "gamma": "layer_scale",
        "alpha": "parameter",
        "table": "parameter",
        "head.weight": "linear",
        "head.bias": "linear",
    }
    (mix,) = [p for p in graph.parameters() if p.name == "mix"]
    assert mix.axes == (1, 0)
    assert mix.canonical_shape == (9, 8)


def test_a_factor_behind_what_is_no_layer_is_a_gain() -> None:
    class Norm(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer, self.weight, self.head = nn.Linear(4, 8), nn.Parameter(torch.ones(8)), nn.Linear(8, 2)

        def forward(self, x: Tensor) -> Tensor:
            x = self.layer(x)
            return self.head(x / (x.abs().amax(-1, keepdim=True) + 1e-6) * self.weight)

    node = next(node for node in trace(Norm()).nodes if node.params and node.params[0].name == "weight")
    assert (node.op, node.params[0].role) == ("parameter", "gain")


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (nn.Conv1d(4, 8, 3), "conv"),
        (nn.Conv3d(4, 8, 3), "conv"),
        (nn.ConvTranspose2d(4, 8, 3), "conv_transpose"),
        (nn.GroupNorm(2, 4), "group_norm"),
        (nn.InstanceNorm2d(4, affine=True), "instance_norm"),
        (nn.RMSNorm(5), "rms_norm"),
        (nn.PReLU(), "parameter"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else value,
)
def test_layers(layer: nn.Module, expected: str) -> None:
    axes = {nn.Conv1d: 1, nn.Conv3d: 3}.get(type(layer), 2)
    model = nn.Sequential(layer, nn.Flatten(), nn.LazyLinear(3))
    example = torch.zeros(2, 4, *[5] * axes)
    model(example)
    graph = trace(model, example=example)
    assert_complete(model, graph)
    assert uses(graph)["0.weight"] == expected


def test_a_transposed_convolution_is_brought_into_the_canonical_layout() -> None:
    graph = trace(nn.ConvTranspose2d(4, 8, 3, stride=2, output_padding=1), input_shape=(4, 5, 5))
    node = node_of(graph, "conv_transpose")
    assert node.params[0].canonical_shape == (8, 4, 3, 3)
    assert node.attrs["output_padding"] == (1, 1)


def test_recurrent_layers_and_look_up_tables() -> None:
    class Language(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.words = nn.Embedding(50, 8)
            self.places = nn.Embedding(64, 8)
            self.layers = nn.LSTM(8, 6, num_layers=2, bidirectional=True, batch_first=True)
            self.head = nn.Linear(12, 50)

        def forward(self, tokens: Tensor) -> Tensor:
            x = self.words(tokens) + self.places(torch.arange(tokens.shape[1], device=tokens.device))
            return self.head(self.layers(x)[0][:, -1])

    model = Language()
    graph = trace(model)
    assert_complete(model, graph)
    assert Counter(uses(graph).values()) == {"embedding": 1, "position": 1, "recurrent": 16, "linear": 2}


def test_tied_parameters_answer_under_their_first_name() -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.words = nn.Embedding(50, 8)
            self.head = nn.Linear(8, 50, bias=False)
            self.head.weight = self.words.weight

        def forward(self, tokens: Tensor) -> Tensor:
            return self.head(self.words(tokens))

    graph = trace(Tied())
    assert [parameter.name for parameter in graph.parameters()] == ["words.weight"]
    assert [node.op for node in graph.nodes if node.params] == ["embedding", "linear"]


# Weights that are computed from parameters


class Standardised(nn.Conv2d):
    """Weight standardisation with a gain, as in NF-Nets."""

    def __init__(self) -> None:
        super().__init__(3, 8, 3)
        self.gain = nn.Parameter(torch.ones(8, 1, 1, 1))

    def forward(self, input: Tensor) -> Tensor:
        flat = self.weight.reshape(1, 8, -1)
        weight = F.batch_norm(flat, None, None, self.gain.view(-1), training=True).reshape_as(self.weight)
        return F.conv2d(input, weight, self.bias)


def test_computed_weights_lead_back_to_their_parameters() -> None:
    conv = trace(Standardised(), input_shape=(3, 9, 9))
    assert uses(conv) == {"weight": "conv", "bias": "conv", "gain": "parameter"}

    for wrap in (
        torch.nn.utils.parametrizations.weight_norm,
        torch.nn.utils.parametrizations.spectral_norm,
        torch.nn.utils.parametrizations.orthogonal,
        torch.nn.utils.spectral_norm,
    ):
        model = nn.Sequential(wrap(nn.Linear(6, 6)))
        graph = trace(model)
        assert_complete(model, graph)
        assert "CONV" in primitives(graph), wrap
        assert not graph.unattached, wrap


def test_parameters_side_by_side_make_layers_side_by_side() -> None:
    class Joined(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.q, self.k = nn.Parameter(torch.zeros(8, 4)), nn.Parameter(torch.zeros(8, 4))
            self.q_bias = nn.Parameter(torch.zeros(8))

        def forward(self, x: Tensor) -> Tensor:
            bias = torch.cat([self.q_bias, torch.zeros_like(self.q_bias)])
            return F.linear(x, torch.cat([self.q, self.k]), bias)

    assert uses(trace(Joined(), input_shape=(4,))) == {"q": "linear", "k": "linear", "q_bias": "bias"}


# Attention and gates


def test_multi_head_attention_becomes_projections_and_attention() -> None:
    class Cross(nn.Module):
        def __init__(self, **options: int) -> None:
            super().__init__()
            self.attention = nn.MultiheadAttention(8, 2, batch_first=True, **options)

        def forward(self, x: Tensor, y: Tensor) -> Tensor:
            return self.attention(x, y, y)[0]

    own = trace(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), input_shape=(5, 8))
    assert primitives(own)[:6] == ["INPUT", "CONV", "BIAS", "MSA", "CONV", "BIAS"]
    assert len(node_of(own, "attention").inputs) == 3
    for cross in (Cross(), Cross(kdim=6, vdim=6)):
        memory = torch.zeros(2, 7, 6 if cross.attention.kdim == 6 else 8)
        graph = trace(cross, example=(torch.zeros(2, 5, 8), memory))
        assert_complete(cross, graph)
        assert len(node_of(graph, "attention").inputs) == 3


class SpeltOut(nn.Module):
    """Attention as Swin writes it: scores, a table of relative positions, a temperature, a mask."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv, self.proj = nn.Linear(8, 24), nn.Linear(8, 8)
        self.relative_position_bias_table = nn.Parameter(torch.zeros(9, 2))
        self.temperature = nn.Parameter(torch.ones(2, 1, 1))
        self.register_buffer("index", torch.zeros(25, dtype=torch.long))
        self.register_buffer("mask", torch.zeros(5, 5, dtype=torch.bool))

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).reshape(len(x), 5, 3, 2, 4).permute(2, 0, 3, 1, 4).unbind(0)
        scores = (q * 4**-0.5) @ k.transpose(-2, -1) * self.temperature
        scores = scores + self.relative_position_bias_table[self.index].view(5, 5, 2).permute(2, 0, 1)
        attention = scores.masked_fill(self.mask, float("-inf")).softmax(dim=-1)
        return self.proj((attention @ v).transpose(1, 2).reshape(len(x), 5, 8))


def test_attention_that_a_network_spells_out() -> None:
    graph = trace(SpeltOut(), input_shape=(5, 8))
    node = node_of(graph, "attention")
    assert node.attrs["heads"] == 2
    assert len(node.inputs) == 5
    assert not any(node.op in ("matmul", "softmax") for node in graph.nodes)
    owners = uses(graph)
    assert owners["relative_position_bias_table"] == "relative_position"
    assert owners["temperature"] == "parameter"


def test_scaled_dot_product_attention() -> None:
    class Heads(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.qkv = nn.Linear(8, 24)

        def forward(self, x: Tensor) -> Tensor:
            q, k, v = (part.unflatten(-1, (2, 4)).transpose(1, 2) for part in self.qkv(x).chunk(3, -1))
            return F.scaled_dot_product_attention(q, k, v)

    assert len(node_of(trace(Heads(), input_shape=(5, 8)), "attention").inputs) == 3


@pytest.mark.parametrize(
    "order", ["features first", "gate first", "expanded", "channels last", "norms are no gate"]
)
def test_squeeze_and_excite(order: str) -> None:
    class Gated(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem, self.gate = nn.Conv2d(3, 8, 3), nn.Linear(8, 8)

        def forward(self, x: Tensor) -> Tensor:
            x = self.stem(x)
            gate = self.gate(x.mean((2, 3))).sigmoid()
            if order == "channels last":
                return x.permute(0, 2, 3, 1) * gate[:, None, None, :]
            gate = gate[:, :, None, None]
            if order == "gate first":
                return gate * x
            if order == "expanded":
                return x * gate.expand_as(x)
            return x * gate if order == "features first" else x * x.norm(dim=(2, 3), keepdim=True)

    found = Counter(node.op for node in trace(Gated(), input_shape=(3, 9, 9)).nodes)
    assert found["channel_gate"] == (order != "norms are no gate")


# What the forward pass does not read


def test_unused_parameters_are_answered_too() -> None:
    class Unused(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.used, self.unused = nn.Linear(4, 4), nn.Linear(3, 2)

        def forward(self, x: Tensor) -> Tensor:
            self.unused(x[:, :3])
            return self.used(x)

    model = Unused()
    graph = trace(model)
    assert_complete(model, graph)
    assert {parameter.name for parameter in graph.unattached} == {"unused.weight", "unused.bias"}


def test_the_graph_does_not_depend_on_the_mode_and_has_the_auxiliary_classifiers() -> None:
    model = torchvision.models.googlenet(weights=None, init_weights=False, num_classes=10)
    training, evaluation = trace(model.train()), trace(model.eval())
    assert training == evaluation
    assert not training.unattached
    assert len(training.outputs) == 3


def test_control_flow_that_looks_at_values() -> None:
    class Dynamic(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Linear(4, 4), nn.Linear(4, 2)

        def forward(self, x: Tensor) -> Tensor:
            x = self.first(x)
            return x if x.sum() > 1 else self.second(x)

    assert uses(trace(Dynamic())).keys() == {"first.weight", "first.bias", "second.weight", "second.bias"}


def test_writes_into_parts_are_seen() -> None:
    class Writes(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.left, self.right = nn.Linear(4, 3), nn.Linear(4, 3)

        def forward(self, x: Tensor) -> Tensor:
            out = x.new_zeros(len(x), 6)
            out[:, :3] = self.left(x)
            out[:, 3:].copy_(self.right(x))
            out += 1
            return out

    graph = trace(Writes())
    assert not graph.unattached
    assert len(uses(graph)) == 4


# Inputs


@pytest.mark.parametrize(
    ("model", "shape"),
    [
        (nn.Sequential(nn.Linear(20, 3)), (20,)),
        (nn.Sequential(nn.Conv1d(2, 4, 3), nn.AdaptiveAvgPool1d(1)), (2, 1024)),
        (nn.Sequential(nn.Conv2d(1, 6, 5), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(864, 3)), (1, 28, 28)),
        (nn.Sequential(nn.Conv3d(1, 4, 3), nn.BatchNorm3d(4)), (1, 16, 112, 112)),
        (nn.Sequential(nn.Embedding(10, 4), nn.Linear(4, 2)), (64,)),
        (nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16), 1, enable_nested_tensor=False), (64, 8)),
        (nn.GRUCell(4, 5), (4,)),
        (torchvision.models.inception_v3(weights=None, init_weights=False, aux_logits=True), (3, 299, 299)),
    ],
    ids=["linear", "conv1d", "28 pixels", "conv3d", "embedding", "transformer", "cell", "inception"],
)
def test_the_input_is_guessed(model: nn.Module, shape: tuple[int, ...]) -> None:
    graph = trace(model)
    assert graph.input_shape == shape
    assert_complete(model, graph)


def test_examples() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(4, 2)

        def forward(self, a: Tensor, b: Tensor) -> dict[str, Tensor]:
            return {"sum": self.layer(a + b)}

    a, b = torch.zeros(3, 4), torch.zeros(3, 4)
    assert trace(Two(), example=(a, b)) == trace(Two(), example={"a": a, "b": b})
    assert trace(nn.Linear(4, 2), example=a).input_shape == (4,)


@pytest.mark.parametrize(
    ("model", "options", "reason"),
    [
        (nn.ReLU(), {}, "No input"),
        (nn.Conv2d(3, 4, 3), {"input_shape": (5, 9, 9)}, "3 channels"),
        (nn.Sequential(nn.LazyLinear(3)), {}, "no shape yet"),
        (torch.jit.script(nn.Linear(2, 2)), {}, "scripted"),
        ("resnet18", {}, "is not a torch.nn.Module"),
    ],
    ids=["nothing to go by", "wrong shape", "lazy", "scripted", "no module"],
)
def test_refusals_say_why_and_what_to_do(model: nn.Module, options: dict[str, object], reason: str) -> None:
    with pytest.raises(InvalidArchitecture, match=reason) as caught:
        trace(model, **options)  # type: ignore[arg-type]
    assert caught.value.extra["hint"]


@pytest.mark.parametrize(
    "wrap", [nn.DataParallel, lambda model: model.half(), lambda model: model.to("meta")]
)
def test_wrapped_and_converted_modules(wrap: object) -> None:
    model = wrap(torchvision.models.resnet18(weights=None))  # type: ignore[operator]
    assert_complete(model, trace(model))


# The module afterwards


class Caching(nn.Module):
    """Everything that a forward pass may leave behind."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.drop = nn.BatchNorm1d(4), nn.Dropout()
        self.layer = nn.utils.spectral_norm(nn.Linear(4, 4))
        self.cache: dict[str, Tensor] = {}
        self.calls = 0
        self.table = torch.arange(4.0)
        self.register_buffer("steps", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        self.steps += 1
        self.cache["bias"] = self.layer.bias * 2
        self.last = x
        x = self.drop(self.norm(x)) + torch.rand(4, device=x.device) * random.random()
        return self.layer(x + self.table) + self.cache["bias"]


@pytest.mark.parametrize("training", [True, False])
def test_the_module_comes_back_untouched(training: bool) -> None:
    model = Caching().train(training)
    model.drop.eval()
    seen: list[str] = []
    model.layer.register_forward_hook(lambda *_: seen.append("hook"))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    parameters = {name: id(parameter) for name, parameter in model.named_parameters()}
    modes = [module.training for module in model.modules()]
    attributes = [set(vars(module)) for module in model.modules()]
    torch_state, python_state = torch.get_rng_state(), random.getstate()

    for _ in range(2):
        trace(model)

    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert {name: id(parameter) for name, parameter in model.named_parameters()} == parameters
    assert [module.training for module in model.modules()] == modes
    assert [set(vars(module)) for module in model.modules()] == attributes
    assert (model.calls, model.cache, torch.equal(model.table, torch.arange(4.0))) == (0, {}, True)
    assert torch.equal(torch.get_rng_state(), torch_state)
    assert random.getstate() == python_state
    assert model(torch.randn(3, 4)).shape == (3, 4)


def test_the_module_comes_back_untouched_when_the_trace_fails() -> None:
    model = torchvision.models.resnet18(weights=None)
    before = {name: id(parameter) for name, parameter in model.named_parameters()}
    with pytest.raises(InvalidArchitecture):
        trace(model, input_shape=(7, 32, 32))
    assert {name: id(parameter) for name, parameter in model.named_parameters()} == before
    assert model.training
    assert model(torch.zeros(2, 3, 32, 32)).isfinite().all()


def test_a_shape_may_be_that_of_indices() -> None:
    model = nn.Sequential(nn.Embedding(10, 4), nn.Linear(4, 2))
    assert trace(model, input_shape=(5,)).input_shape == (5,)
