"""Steps a second of training a SMASH hypernetwork: threads inside an operator, and number formats.

    python -m benchmarks.smash_step [--steps 8] [--image-size 16] [--images 64] [--set model.blocks=2 ...]

One network a step, random images of digits. Every row trains the same networks from the same start. Wall time
depends on what else the machine does: a thread that waits for another one of its operator waits for the
whole machine. Processor time, of all threads together, changes less.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

from training.loop.environment import prepare_environment

prepare_environment()

import numpy as np  # noqa: E402
import torch  # noqa: E402
import torch.nn.functional as F  # noqa: E402

from service.cli.from_contract import assigned  # noqa: E402
from service.contract.reading import read  # noqa: E402
from service.executor.networks import Network  # noqa: E402
from service.graph_io.cells.smash import build_smash, parse_smash  # noqa: E402
from service.kit.cores import usable_cores  # noqa: E402
from service.predictors.smash.space import random_architecture  # noqa: E402
from training.data.dataset import sample_batch  # noqa: E402
from training.loop.small_operators import small_operators  # noqa: E402
from training.smash.config import SmashRun  # noqa: E402
from training.smash.trainer import SmashTrainer  # noqa: E402

_WARM_UP = 3


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--image-size", type=int, default=16)
    parser.add_argument("--images", type=int, default=64)
    parser.add_argument("--set", metavar="NAME=VALUE", action="append", default=[])
    options = parser.parse_args()
    further = {"image_size": options.image_size, "images": options.images, **assigned(options.set)}
    print("| threads in an operator | number format | steps a second | CPU ms a step |")
    print("| ---: | --- | ---: | ---: |")
    for threads in sorted({1, usable_cores()}, reverse=True):
        for bfloat16 in (False, True):
            wall, processor = _seconds(threads, bfloat16, options.steps, further)
            name = "bfloat16" if bfloat16 else "float32"
            print(f"| {threads} | {name} | {1 / wall:.2f} | {1000 * processor:.0f} |", flush=True)


def _seconds(threads: int, bfloat16: bool, steps: int, further: dict[str, Any]) -> tuple[float, float]:
    """Wall and processor seconds a step."""
    trainer = SmashTrainer(read(SmashRun, {"steps": steps, "validate_steps": 0, **further}))
    random, dtype = np.random.default_rng(0), torch.bfloat16 if bfloat16 else torch.float32
    with small_operators():
        torch.set_num_threads(threads)
        for step in range(-_WARM_UP, steps):
            if step == 0:
                wall, processor = time.monotonic(), time.process_time()
            _train_step(trainer, random, dtype)
        return (time.monotonic() - wall) / steps, (time.process_time() - processor) / steps


def _train_step(trainer: SmashTrainer, random: np.random.Generator, dtype: torch.dtype) -> None:
    """A trainer's own, but in this thread, and with the threads that it has."""
    config = trainer.config
    network = parse_smash(random_architecture(trainer.smash.config, random, image_size=config.image_size))
    chosen = random.integers(len(trainer.dataset.train), size=config.images)
    images, labels = sample_batch(trainer.dataset, chosen, random)
    logits = Network(build_smash(network))(images.to(dtype), trainer.smash(network))
    trainer.optimizer.zero_grad()
    torch.autograd.backward(F.cross_entropy(logits, labels))
    trainer.optimizer.step(config.learning_rate)


if __name__ == "__main__":
    main()
