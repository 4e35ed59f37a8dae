"""The GHNs that tables 3, 5 and 8 of the GHN-2 paper compare, as configurations of one trainer.

Every variant differs from GHN-2 in what its name says and in nothing else: same data, networks, learning rate
and seed. GHN-1 and the MLP are the baselines of table 3; trained long enough they are models like any other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from service.errors import InvalidRequest
from service.ghn.config import GHN1_CIFAR10, MLP_CIFAR10
from training.ghn.recipe import Stage, TrainConfig


@dataclass(frozen=True, slots=True)
class Ablation:
    """ghn: fields of GHNConfig that differ from GHN-2's. meta_batch: networks a step, None for the recipe's.

    different: so many networks come again and again, None for always new ones.
    same_networks: as many more steps as make up for a smaller meta-batch, so that as many networks are seen.
    paper: its accuracies on ID-TEST and on the average of the OOD splits (table 5), None where it has none.
    paper_of: of what table 8 changes in a GHN-2 with meta-batches of one network: its accuracy on ID-TEST,
    and that of the unchanged one.
    """

    title: str
    ghn: Mapping[str, Any] = field(default_factory=dict)
    meta_batch: int | None = None
    same_networks: bool = False
    different: int | None = None
    paper: tuple[float | None, float | None] = (None, None)
    paper_of: tuple[float, float] | None = None


ABLATIONS: dict[str, Ablation] = {
    "ghn2": Ablation("GHN-2", paper=(66.9, 56.8)),
    "mlp": Ablation("No GatedGNN (MLP)", MLP_CIFAR10.differences(), paper=(42.2, 32.2)),
    "ghn1": Ablation("GHN-1", GHN1_CIFAR10.differences(), meta_batch=1, paper=(51.4, 39.2)),
    "no-normalization": Ablation("No normalisation", {"normalize": False}, paper=(62.6, 47.1)),
    "no-virtual-edges": Ablation("No virtual edges", {"virtual_edge_cutoff": 1}, paper=(61.5, 53.9)),
    "no-meta-batch": Ablation("Meta-batch 1", meta_batch=1, paper=(54.3, 47.5)),
    "no-meta-batch-longer": Ablation(
        "Meta-batch 1, as many networks", meta_batch=1, same_networks=True, paper=(62.4, 51.9)
    ),
    "no-layer-norm": Ablation("No layer normalisation", {"layer_norm": False}, paper=(64.5, None)),
    "thousand-networks": Ablation("1,000 training networks", different=1000, paper=(65.1, 52.5)),
    "hundred-networks": Ablation("100 training networks", different=100, paper=(47.1, 30.0)),
    "fan-out": Ablation("Fan-out", {"fan": "out"}, paper_of=(53.8, 54.3)),
    "forward-only": Ablation("Forward only", {"propagation": "forward"}, paper_of=(53.9, 54.3)),
    "no-shape-encoding": Ablation("No shape encoding", {"shape_encoding": False}, paper_of=(53.1, 54.3)),
    "mlp-decoder": Ablation("MLP decoder", {"decoder": "mlp"}, paper_of=(53.1, 54.3)),
    # Nothing is wider in cheap training networks. The paper ran out of memory here.
    "no-tiling": Ablation("No tiling up to 256 channels", {"max_channels": 256}),
    "stacked": Ablation("Stacked", {"gnn": "stacked"}, paper_of=(53.1, 54.3)),
    "five-rounds": Ablation("T = 5", {"rounds": 5}),
    "synchronous": Ablation("T = 5, synchronous", {"rounds": 5, "propagation": "synchronous"}),
}


def ablation_config(
    name: str,
    *,
    data: str,
    data_dir: str | None,
    steps: int,
    seed: int,
    stage: Stage,
    sizes: dict[str, int] | None = None,
) -> TrainConfig:
    """How a variant is trained: `steps` steps of one stage, on one thread. sizes: fields of the documents of
    all networks, instead of random ones.

    Raises InvalidRequest for an unknown name.
    """
    ablation = ABLATIONS.get(name)
    if ablation is None:
        raise InvalidRequest(
            f"Unknown ablation {name!r}.", field="/name", hint=f"Ablations: {', '.join(ABLATIONS)}."
        )
    meta_batch = ablation.meta_batch or stage.meta_batch
    longer = stage.meta_batch // meta_batch if ablation.same_networks else 1
    names = [entry.name for entry in fields(Stage)]
    changed = {entry: getattr(stage, entry) for entry in names} | {"meta_batch": meta_batch}
    return TrainConfig(
        name=name,
        data=data,
        data_dir=data_dir,
        steps=steps * longer,
        seed=seed,
        ghn=dict(ablation.ghn),
        space=None if sizes is None else "darts",
        network=sizes,
        different_networks=ablation.different,
        stages=(Stage(**changed),),
        # A short run has no room for the usual warm-up, nor for an average over a thousand steps.
        warmup_steps=min(150, steps * longer // 8),
        ema=min(0.998, 1 - 10 / (steps * longer)) if steps > 20 else 0.5,
        threads=1,
        validate_networks=0,
        validate_minutes=1e9,
    )
