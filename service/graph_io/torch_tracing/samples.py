"""What a module answers for the sample: it runs once, on its own device, with parameters that are drawn."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from math import isfinite
from typing import Any

import torch
from torch import Tensor, nn

from service.graph_io.sample import MOST_NUMBERS, Sample, sample_input, sample_parameter
from service.graph_io.torch_tracing.nested import tensors_in
from service.graph_io.torch_tracing.recorder import META
from service.graph_io.torch_tracing.stand_ins import unchanged


def sample_of(model: nn.Module, input_shape: tuple[int, ...], names: Mapping[int, str]) -> Sample:
    """The answer of a module whose input is floating point numbers of this shape, without the batch axis.

    names: of its parameters in the graph, by identity: those of a wrapper begin with a prefix.

    The module, its buffers and its random numbers are as they were before. Parameters that are kept as
    they are keep their values.

    Raises what the module raises, and ValueError for a module without memory or an answer that is not finite.
    """
    values: dict[str, Tensor] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad and id(parameter) in names:
            drawn = torch.from_numpy(sample_parameter(names[id(parameter)], tuple(parameter.shape)))
            values[name] = drawn.to(parameter.device, parameter.dtype)
    for name, buffer in model.named_buffers():
        values[name] = buffer.clone()
    first = next(model.parameters(), torch.empty(0))
    if first.device == META:
        raise ValueError("a module without memory answers nothing")
    images = torch.from_numpy(sample_input(input_shape)).to(first.device, first.dtype)
    layers: dict[str, float] = {}
    as_it_was = unchanged(list(model.modules()))
    with as_it_was, _observed(model, names, layers), torch.random.fork_rng([]), torch.no_grad():
        in_batch_statistics(model)
        result = torch.func.functional_call(model, values, (images,), strict=False)
    output = next(tensors_in(result)).float().reshape(-1)[:MOST_NUMBERS]
    if not output.isfinite().all():
        raise ValueError("the answer is not finite")
    finite = tuple((path, size) for path, size in layers.items() if isfinite(size))
    return Sample(tuple(output.tolist()), finite)


def in_batch_statistics(model: nn.Module) -> nn.Module:
    """The module in evaluation, but for batch norms, which use the statistics of the batch."""
    model.eval()
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.training = True
    return model


@contextmanager
def _observed(model: nn.Module, names: Mapping[int, str], layers: dict[str, float]) -> Iterator[None]:
    """Writes down what each module that owns parameters gives when it first runs."""

    def observe(path: str) -> Any:
        def hook(module: nn.Module, inputs: Any, output: Any) -> None:
            if isinstance(output, Tensor) and path not in layers:
                layers[path] = root_mean_square(output)

        return hook

    with ExitStack() as hooks:
        for module in model.modules():
            own = (names.get(id(parameter)) for parameter in module.parameters(recurse=False))
            name = next(filter(None, own), None)
            if name is not None and module is not model:
                path = name.rpartition(".")[0]
                hooks.callback(module.register_forward_hook(observe(path)).remove)
        yield


def root_mean_square(x: Tensor) -> float:
    return float(x.detach().float().square().mean().sqrt())
