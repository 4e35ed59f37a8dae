"""Does training start better from predicted weights? One small network, trained on a few images from
predicted weights and from PyTorch's own initialisation; accuracy on test images after every epoch.

    python -m benchmarks.fine_tune --model NAME [--data digits|cifar10] [--data-dir DIR] [--images 1000]
    [--epochs 5] [--seeds 5] [--noise 0.02 0.1 0.3] [--json FILE]

--noise: predicted weights with so much noise on them are starts of their own (`training.starting_weights`).
All starts get the learning rate, out of three, that is best for them on validation images (seed 0).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from service.ghn.registry import load_model
from service.graph_io.torch_tracer import trace
from training.data import Dataset, ImageSet, batches, load_dataset, sample_batch
from training.starting_weights import predicted_weights

LEARNING_RATES = (0.001, 0.003, 0.01)
_BATCH = 64
_TEST_IMAGES = 1000


class Residual(nn.Module):
    """Two 3x3 convolutions around which the input passes by."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(channels)
        self.second = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(channels)

    def forward(self, x_NCHW: Tensor) -> Tensor:
        inner = F.relu(self.norm1(self.first(x_NCHW)))
        return F.relu(x_NCHW + self.norm2(self.second(inner)))


def small_network(num_classes: int) -> nn.Module:
    """A network that is in no training set of a GHN: three stages of one residual block."""
    stages: list[nn.Module] = []
    before = 3
    for channels, stride in ((32, 1), (64, 2), (128, 2)):
        stages += [
            nn.Conv2d(before, channels, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            Residual(channels),
        ]
        before = channels
    return nn.Sequential(*stages, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(before, num_classes))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", default="ghn2-cifar10")
    parser.add_argument("--data", default="cifar10")
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--images", type=int, default=1000, help="training images")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument(
        "--noise", type=float, nargs="*", default=[], help="standard deviations of each tensor"
    )
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    dataset = load_dataset(arguments.data, data_dir=arguments.data_dir)
    size, classes = dataset.image_size, len(dataset.classes)
    graph = trace(small_network(classes), input_shape=(3, size, size))
    model = load_model(arguments.model)

    def from_prediction(noise: float) -> nn.Module:
        network = small_network(classes)
        # The seed of the run decides the noise too.
        start = predicted_weights(model, graph, dataset, noise=noise, seed=torch.initial_seed())
        network.load_state_dict(start.params, strict=False)
        return network

    found: dict[str, list[list[float]]] = {}
    starts: dict[str, Callable[[], nn.Module]] = {"predicted": partial(from_prediction, 0.0)}
    starts |= {f"noise {noise:g}": partial(from_prediction, noise) for noise in arguments.noise}
    starts["random"] = partial(small_network, classes)
    for name, start in starts.items():
        rates = {
            rate: train(start, arguments.images, dataset, dataset.validation, rate, arguments.epochs, 0)[-1]
            for rate in LEARNING_RATES
        }
        best = max(rates, key=lambda rate: rates[rate])
        found[name] = [
            train(start, arguments.images, dataset, dataset.test, best, arguments.epochs, seed)
            for seed in range(arguments.seeds)
        ]
    show(found, arguments)


def train(
    start: Callable[[], nn.Module], num_images: int, dataset: Dataset, test: ImageSet, rate: float,
    epochs: int, seed: int,
) -> list[float]:  # fmt: skip
    """Accuracy in percent before the first epoch and after each, with the statistics of test batches."""
    torch.manual_seed(seed)
    network = start()
    optimiser = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=0.01)
    steps = epochs * (num_images // _BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=steps)
    random = np.random.default_rng(seed)
    measured = [accuracy(network, dataset, test)]
    for _ in range(epochs):
        order = random.permutation(num_images)
        for place in range(num_images // _BATCH):
            x_NCHW, label_N = sample_batch(
                dataset, order[place * _BATCH : (place + 1) * _BATCH], random, crop=True
            )
            loss = F.cross_entropy(network(x_NCHW), label_N)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
        measured.append(accuracy(network, dataset, test))
    return measured


@torch.no_grad()
def accuracy(network: nn.Module, dataset: Dataset, images: ImageSet) -> float:
    correct = total = 0
    for x_NCHW, label_N in batches(dataset, images, _BATCH, _TEST_IMAGES):
        correct += int((network(x_NCHW).argmax(1) == label_N).sum())
        total += len(label_N)
    return 100 * correct / total


def show(found: dict[str, list[list[float]]], arguments: argparse.Namespace) -> None:
    print(
        f"{arguments.data}, {arguments.images} training images, {arguments.model}; test accuracy in percent, "
        f"mean ± deviation of {arguments.seeds} seeds"
    )
    print(f"{'start':12}" + "".join(f"{f'epoch {number}':>14}" for number in range(arguments.epochs + 1)))
    for name, rows in found.items():
        mean, spread = np.mean(rows, axis=0), np.std(rows, axis=0, ddof=min(1, len(rows) - 1))
        print(f"{name:12}" + "".join(f"{m:8.1f} ± {s:3.1f}" for m, s in zip(mean, spread, strict=True)))
    if arguments.json is not None:
        arguments.json.write_text(json.dumps({"setting": vars(arguments), "accuracy": found}, default=str))


if __name__ == "__main__":
    main()
