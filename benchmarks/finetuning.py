"""What predicted weights are worth to somebody with few images: networks and images that the GHN never saw,
trained from predicted weights and from the usual random ones, each at its best learning rate.

    python -m benchmarks.finetuning --data-dir CIFAR100 --results FILE [--data c100-50 digits ...]
        [--networks cnn residual ...] [--starts ...] [--rates R ...] [--seeds 3] [--epochs 30] [--table]
        [--plot FILE]

--data-dir: CIFAR-100 as train.npz and test.npz (`training.data.cifar`). Data sets: digits, and c100-N,
twenty classes of CIFAR-100 with N images each. Of several learning rates, each start gets the one that is
best on validation images with the first seed. Every training that is done is a line of FILE: what is there
is not done again, so that a run can be stopped at any time and made in parts. --table prints what FILE has,
and --plot draws it.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from benchmarks.finetuning_results import RECIPE, Setting, best_rate, chart, rows, table
from service.contract.finetune import WARMUP
from service.executor.networks import Network
from service.ghn.registry import load_model
from service.graph_io.torch_tracer import trace
from training.data.dataset import Dataset, ImageSet
from training.data.load import load_dataset
from training.evaluate.accuracy import measure, training_statistics
from training.finetune.solved_head import last_layer, solve_head
from training.finetune.starting_weights import predicted_weights
from training.loop.network_training import Epoch, train_network
from training.loop.number_format import native_format
from training.loop.recipes import AdamRecipe

SIDE = 32
RATES = (0.0005, 0.002, 0.008)
STARTS = ("predicted+solved", "predicted", "pytorch+solved", "pytorch", "he", "orthogonal")
_CLASSES = 20
_VALIDATION_A_CLASS = 25
_CALIBRATION_IMAGES = 1280


def layers(before: int, after: int, stride: int = 1) -> list[nn.Module]:
    return [nn.Conv2d(before, after, 3, stride, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]


def head(width: int, classes: int) -> list[nn.Module]:
    return [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, classes)]


class Skip(nn.Module):
    """What is inside, and the input added to it."""

    def __init__(self, *inside: nn.Module) -> None:
        super().__init__()
        self.inside = nn.Sequential(*inside)

    def forward(self, x_NCHW: Tensor) -> Tensor:
        added: Tensor = x_NCHW + self.inside(x_NCHW)
        return added


def cnn(classes: int) -> nn.Module:
    return nn.Sequential(
        *layers(3, 32), *layers(32, 64, 2), *layers(64, 128, 2), *layers(128, 128), *head(128, classes)
    )


def residual(classes: int) -> nn.Module:
    stages: list[nn.Module] = []
    for before, width, stride in ((3, 32, 1), (32, 64, 2), (64, 128, 2)):
        inner = [*layers(width, width), nn.Conv2d(width, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width)]
        stages += [*layers(before, width, stride), Skip(*inner), nn.ReLU()]
    return nn.Sequential(*stages, *head(128, classes))


def mobile(classes: int) -> nn.Module:
    """Inverted residuals, as in MobileNetV2."""

    def block(before: int, after: int, stride: int) -> nn.Module:
        wide = 4 * before
        inner = (
            nn.Conv2d(before, wide, 1, bias=False), nn.BatchNorm2d(wide), nn.ReLU6(),
            nn.Conv2d(wide, wide, 3, stride, 1, groups=wide, bias=False), nn.BatchNorm2d(wide), nn.ReLU6(),
            nn.Conv2d(wide, after, 1, bias=False), nn.BatchNorm2d(after),
        )  # fmt: skip
        return Skip(*inner) if before == after and stride == 1 else nn.Sequential(*inner)

    widths = ((24, 24, 1), (24, 40, 2), (40, 40, 1), (40, 80, 2), (80, 80, 1))
    last = [nn.Conv2d(80, 256, 1, bias=False), nn.BatchNorm2d(256), nn.ReLU6()]
    return nn.Sequential(*layers(3, 24), *(block(*each) for each in widths), *last, *head(256, classes))


def resnet18(classes: int) -> nn.Module:
    """With the stem of small images."""
    import torchvision

    network = torchvision.models.resnet18(num_classes=classes)
    network.conv1, network.maxpool = nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.Identity()
    return network  # type: ignore[no-any-return]


def vit(classes: int) -> nn.Module:
    import torchvision

    return torchvision.models.VisionTransformer(  # type: ignore[no-any-return]
        image_size=SIDE, patch_size=4, num_layers=4, num_heads=4, hidden_dim=128, mlp_dim=256,
        num_classes=classes,
    )  # fmt: skip


NETWORKS: dict[str, Callable[[int], nn.Module]] = {
    "cnn": cnn, "residual": residual, "mobile": mobile, "resnet18": resnet18, "vit": vit
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--results", type=Path, required=True)
    parser.add_argument("--cache-dir", type=Path)
    parser.add_argument("--data", nargs="+", default=["c100-50", "c100-100", "c100-500", "digits"])
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--starts", nargs="+", choices=STARTS, default=list(STARTS))
    parser.add_argument("--rates", type=float, nargs="+", default=list(RATES), help="learning rates")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--test-images", type=int, default=2000)
    parser.add_argument("--model", default="ghn2-cifar10")
    parser.add_argument("--table", action="store_true", help="print what there is, and do nothing")
    parser.add_argument("--plot", type=Path, help="draw the curves of what there is")
    options = parser.parse_args()
    torch.set_num_threads(1)
    setting = Setting(options.model, options.epochs, options.test_images)
    if not options.table:
        for data in options.data:
            dataset = load(data, options.data_dir, options.cache_dir)
            for name in options.networks:
                for start in options.starts:
                    curves(dataset, data, name, start, options.rates, setting, options.seeds, options.results)
    results = rows(options.results)
    for line in table(results, setting):
        print(line)
    if options.plot is not None:
        chart(results, setting).save(options.plot)


def load(name: str, data_dir: Path, cache_dir: Path | None) -> Dataset:
    """Raises ValueError for a name that is not one of the two forms."""
    if name == "digits":
        return load_dataset("digits", image_size=SIDE)
    if not name.startswith("c100-"):
        raise ValueError(f"no data set {name!r}: digits, or c100-N")
    return subset(load_dataset("cifar100", data_dir=data_dir, cache_dir=cache_dir), int(name[5:]))


def fine_tuning_classes(count: int) -> NDArray[np.int64]:
    """Labels of the classes that are trained on, out of `count`, in order."""
    return np.sort(np.random.default_rng(0).choice(count, _CLASSES, replace=False))


def subset(whole: Dataset, images_a_class: int) -> Dataset:
    """Twenty classes of a data set, the same for every number of images, and all their test images."""
    chosen = fine_tuning_classes(len(whole.classes))

    def part(images: ImageSet, first: int, count: int | None) -> ImageSet:
        labels_N = images.labels_N.numpy()
        indices = [
            np.flatnonzero(labels_N == label)[first : None if count is None else first + count]
            for label in chosen
        ]
        order = np.random.default_rng(1).permutation(np.concatenate(indices))
        renamed_N = np.searchsorted(chosen, labels_N[order])
        return ImageSet(images.images_NCHW[torch.from_numpy(order)], torch.from_numpy(renamed_N))

    return replace(
        whole,
        name=f"c100-{images_a_class}",
        classes=tuple(whole.classes[label] for label in chosen),
        train=part(whole.train, 0, images_a_class),
        validation=part(whole.validation, 0, _VALIDATION_A_CLASS),
        test=part(whole.test, 0, None),
    )


def curves(
    dataset: Dataset, data: str, name: str, start: str, rates: Sequence[float], setting: Setting, seeds: int,
    results: Path,
) -> None:  # fmt: skip
    """Every training of one start that is not there yet: all rates with the first seed, then the best."""
    for rate in rates:
        trained(dataset, data, name, start, rate, 0, setting, results)
    best = best_rate(rows(results), data, name, start, setting)
    for seed in range(1, seeds):
        trained(dataset, data, name, start, best, seed, setting, results)


def trained(
    dataset: Dataset, data: str, name: str, start: str, rate: float, seed: int, setting: Setting,
    results: Path,
) -> None:  # fmt: skip
    key = {
        "data": data, "network": name, "start": start, "rate": rate, "seed": seed, "model": setting.model,
        "epochs": setting.epochs, "test_images": setting.test_images, **RECIPE,
    }  # fmt: skip
    if any(key.items() <= row.items() for row in rows(results)):
        return
    module = initialised(NETWORKS[name], len(dataset.classes), start, seed)
    graph = trace(module, input_shape=(3, SIDE, SIDE))
    network = Network(graph)
    validation: list[float] = []
    test: list[float] = []
    params = starting_parameters(network, module, dataset, start, setting.model, seed)

    def note(epoch: Epoch) -> None:
        statistics = training_statistics(network, epoch.params, dataset, _CALIBRATION_IMAGES)
        for curve, part, limit in (
            (validation, dataset.validation, None), (test, dataset.test, setting.test_images)
        ):  # fmt: skip
            accuracy, _ = measure(network, epoch.params, dataset, part, limit=limit, statistics=statistics)
            curve.append(round(accuracy, 2))

    note(Epoch(0, 0.0, 0.0, params))
    recipe = AdamRecipe(epochs=setting.epochs, batch_size=64, learning_rate=rate, warmup=WARMUP, seed=seed)
    train_network(network, dataset, recipe, start=params, dtype=native_format(), on_epoch=note)
    with results.open("a") as file:
        file.write(json.dumps({**key, "validation": validation, "test": test}) + "\n")
    print(data, name, start, rate, seed, test, flush=True)


def initialised(make: Callable[[int], nn.Module], classes: int, start: str, seed: int) -> nn.Module:
    """A network as PyTorch makes it, or with every weight of two or more axes drawn in another way."""
    torch.manual_seed(seed)
    module = make(classes)
    draws: dict[str, Callable[[Tensor], Any]]
    draws = {"he": nn.init.kaiming_normal_, "orthogonal": nn.init.orthogonal_}
    draw = draws.get(start)
    if draw is not None:
        for parameter in module.parameters():
            if parameter.ndim > 1:
                draw(parameter)
    return module


def starting_parameters(
    network: Network, module: nn.Module, dataset: Dataset, start: str, model: str, seed: int
) -> dict[str, Tensor]:
    if start.startswith("predicted"):
        params = predicted_weights(load_model(model), network.graph, dataset, seed=seed).params
    else:
        params = {name: value.detach() for name, value in module.named_parameters()}
    layer = last_layer(network)
    if not start.endswith("+solved") or layer is None:
        return params
    statistics = training_statistics(network, params, dataset, _CALIBRATION_IMAGES)
    solved = solve_head(
        layer, params, dataset, statistics,
        images=len(dataset.train), validation_images=len(dataset.validation),
    )  # fmt: skip
    return params if solved is None else {**params, **solved.params}


if __name__ == "__main__":
    main()
