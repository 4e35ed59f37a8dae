"""The random weights that training of a GHN-3 starts from; a GHN-2 starts from torch's own."""

from __future__ import annotations

from torch import nn


def initialise_as_ghn3(ghn: nn.Module) -> None:
    """Tables at the scale of the states that they are added to, and small predictions: the last layers of the
    decoders get a fifth of their usual weights, and no biases.
    """
    for module in ghn.modules():
        if isinstance(module, nn.Embedding):
            nn.init.trunc_normal_(module.weight, std=module.embedding_dim**-0.5)
    for name in ("decoder.channels", "decoder.classifier", "vector_decoder.second"):
        last = ghn.get_submodule(name)
        last.weight.data.div_(5)  # type: ignore[operator, union-attr]
        nn.init.zeros_(last.bias)  # type: ignore[arg-type]
