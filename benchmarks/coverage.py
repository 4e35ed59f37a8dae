"""Which networks are answered: every classification model of torchvision, and timm models across families.

    python -m benchmarks.coverage [NAME ...] [--torchvision] [--timm] [--forward]
        [--model NAME | --untrained ghn2|ghn3] [--json FILE]

For each network: milliseconds to trace it, nodes, parameters, whether every parameter is answered, and which
share of the numbers comes from the GHN. With --forward the predicted parameters are loaded and a batch of
noise goes through the network, with batch normalisation using the batch's own statistics: outputs must be
finite. Exits with status 1 if any network fails.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from service.errors import ServiceError
from service.ghn.config import GHN2_CIFAR10, GHN3_CIFAR10
from service.ghn.model import GHN
from service.ghn.predict import predict_blocks
from service.ghn.registry import load_model
from service.graph_io.archgraph import ArchGraph
from service.graph_io.torch_tracer import trace
from service.models.catalog import list_cards
from service.weights.blocks import WeightBlocks

TIMM = """
resnet18 resnet50d seresnet50 ecaresnet50t resnetv2_50 resnetv2_50x1_bit resnest14d nf_resnet50
nf_regnet_b1 dm_nfnet_f0 eca_nfnet_l0 efficientnet_b0 tf_efficientnetv2_s mixnet_l mobilenetv3_large_100
mobilenetv4_conv_small mobilenetv4_hybrid_medium mobilenet_edgetpu_v2_m mobilevit_s mobilevitv2_100
mobileone_s0 regnety_032 regnetz_b16 convnext_tiny convnextv2_tiny convmixer_768_32 vit_tiny_patch16_224
vit_small_patch16_18x2_224 vit_relpos_base_patch16_rpn_224 vit_tiny_r_s16_p8_384
deit_tiny_distilled_patch16_224 deit3_small_patch16_224 beit_base_patch16_224 beitv2_base_patch16_224
cait_xxs24_224 xcit_tiny_12_p16_224 swin_tiny_patch4_window7_224 swinv2_tiny_window8_256
swinv2_cr_tiny_224 maxvit_tiny_tf_224 maxxvit_rmlp_nano_rw_256 coat_tiny coat_lite_mini coatnet_0_rw_224
coatnext_nano_rw_224 levit_128 levit_conv_128 pvt_v2_b0 poolformer_s12 poolformerv2_s12 caformer_s18
convformer_s18 mixer_b16_224 resmlp_12_224 gmixer_24_224 gmlp_s16_224 volo_d1_224 twins_pcpvt_small
twins_svt_small crossvit_tiny_240 efficientformer_l1 efficientformerv2_s0 efficientvit_b0 efficientvit_m0
fastvit_t8 gcvit_xxtiny hrnet_w18_small dla34 densenet121 inception_v4 inception_resnet_v2 inception_v3
legacy_xception xception41 nasnetalarge pnasnet5large dpn68 res2net50_26w_4s skresnet18 selecsls42
tresnet_m repvgg_a0 repvit_m1 rexnet_100 ghostnet_100 ghostnetv2_100 edgenext_xx_small davit_tiny
focalnet_tiny_srf halonet26t hgnet_tiny hiera_tiny_224 inception_next_tiny lambda_resnet26t mvitv2_tiny
nest_tiny nextvit_small eva02_tiny_patch14_224 visformer_tiny convit_tiny pit_ti_224 sequencer2d_s
starnet_s1 swiftformer_xs tiny_vit_5m_224 tnt_s_patch16_224 vgg11_bn ese_vovnet19b_dw vitamin_small_224
mambaout_femto cspresnet50 darknet53 samvit_base_patch16_224
""".split()

_UNTRAINED = {"ghn2": GHN2_CIFAR10, "ghn3": GHN3_CIFAR10}


@dataclass(frozen=True, slots=True)
class Row:
    """What happened with one network. coverage: share of its parameters whose values come from the GHN."""

    network: str
    problem: str = ""
    trace_ms: float = 0.0
    nodes: int = 0
    parameters: int = 0
    complete: bool = False
    coverage: float = 0.0
    output: str = ""

    @property
    def failed(self) -> bool:
        return bool(self.problem) or not self.complete or self.output == "not finite"


def measure(name: str, ghn: GHN, *, forward: bool) -> Row:
    """name: "torchvision:NAME" or "timm:NAME"."""
    try:
        model = build(name)
        trace(model)
        start = time.perf_counter()
        graph = trace(model)
        elapsed = (time.perf_counter() - start) * 1000
        blocks = predict_blocks(ghn, graph)
        shapes = {key: tuple(parameter.shape) for key, parameter in model.named_parameters()}
        complete = {key: block.stored_shape for key, block in blocks.blocks.items()} == shapes
        output = check_forward(model, graph, blocks) if forward else ""
    except (ServiceError, RuntimeError) as failure:
        return Row(name, problem=f"{type(failure).__name__}: {failure}"[:160])
    return Row(name, "", elapsed, len(graph.nodes), graph.num_parameters, complete, blocks.coverage, output)


def build(name: str) -> nn.Module:
    library, _, model = name.rpartition(":")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if library == "timm":
            import timm

            module: nn.Module = timm.create_model(model, pretrained=False)
            return module
        from torchvision import models

        module = models.get_model(model, weights=None)
        return module


def check_forward(model: nn.Module, graph: ArchGraph, blocks: WeightBlocks) -> str:
    """Load the prediction and run a batch of noise."""
    values = blocks.expand()
    for key, parameter in model.named_parameters():
        # Not load_state_dict: some models (MNASNet) want to know which version of themselves was saved.
        parameter.data = torch.from_numpy(values[key])
    model.eval()
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.train()
    images = torch.randn((2, *graph.input_shape), generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        result = model(images)
    tensors = result if isinstance(result, (tuple, list)) else [result]
    return "finite" if all(bool(tensor.isfinite().all()) for tensor in tensors) else "not finite"


def network_options(description: str | None) -> argparse.ArgumentParser:
    """The options that `networks` reads, and where rows are written."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="torchvision:NAME or timm:NAME; all without one"
    )
    parser.add_argument("--torchvision", action="store_true", help="only torchvision's classifiers")
    parser.add_argument("--timm", action="store_true", help="only timm's families")
    parser.add_argument("--json", type=Path, help="write the rows to a file")
    return parser


def networks(arguments: argparse.Namespace) -> Iterator[str]:
    if arguments.names:
        yield from arguments.names
        return
    both = not arguments.torchvision and not arguments.timm
    if arguments.torchvision or both:
        from torchvision import models

        yield from (f"torchvision:{name}" for name in models.list_models(module=models))
    if arguments.timm or both:
        yield from (f"timm:{name}" for name in TIMM)


def hypernetwork(name: str | None, untrained: str | None) -> GHN:
    """The named GHN, or an untrained one; without either, one that is there, or else an untrained GHN-2."""
    if name is None and untrained is None:
        name = next((card.name for card in list_cards() if card.kind == "ghn"), None)
    if name is not None:
        return load_model(name).ghn
    torch.manual_seed(0)
    return GHN(_UNTRAINED[untrained or "ghn2"]).eval()


def line(row: Row) -> str:
    if row.problem:
        return f"{row.network:45} FAILED  {row.problem}"
    return (
        f"{row.network:45} {row.trace_ms:8.1f} ms {row.nodes:6} nodes {row.parameters / 1e6:8.2f} M  "
        f"{'complete' if row.complete else 'INCOMPLETE':10} {row.coverage:8.3%} {row.output}"
    )


def main(argv: list[str] | None = None) -> int:
    parser = network_options(__doc__)
    parser.add_argument("--forward", action="store_true", help="also load the prediction and run it")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--model", help="name of the GHN")
    which.add_argument("--untrained", choices=_UNTRAINED, help="a GHN of this kind with random weights")
    arguments = parser.parse_args(argv)
    ghn = hypernetwork(arguments.model, arguments.untrained)
    rows: list[Row] = []
    for name in networks(arguments):
        rows.append(measure(name, ghn, forward=arguments.forward))
        write(line(rows[-1]))
    good = [row for row in rows if not row.failed]
    lowest = min((row.coverage for row in good), default=0.0)
    write(f"{len(good)} of {len(rows)} networks; lowest coverage {lowest:.2%}")
    if arguments.json:
        record: list[dict[str, Any]] = [asdict(row) for row in rows]
        arguments.json.write_text(json.dumps(record, indent=1))
    return 0 if len(good) == len(rows) else 1


def write(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
