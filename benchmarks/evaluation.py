"""Table 3 of the GHN-2 paper for our models, and the page of results.

    python -m benchmarks.evaluation --model M [M ...] [--splits NAME ...] [-n N] [--limit-images K]
        [--exact N] [--float32 N] [--minutes T]
        [--sgd-epochs E ... --sgd-networks N --sgd-image-size S] [--write docs/results.md]

Every model is measured with the statistics of test batches and with recalibrated ones, beside random
initialisation. All splits advance at the same pace and stop together when --minutes are over; the next call
goes on. Results are JSON lines below --folder. --write makes the page of all that lies there, whenever it was
measured: with `-n 0` nothing new is.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.results_page import page
from service.ghn.registry import load_model
from service.settings import get_settings
from training.data.deepnets import SPLIT_NAMES
from training.evaluate.measurements import RANDOM, Evaluation, read_all
from training.evaluate.run import Job, Report, Sources, measure
from training.loop.number_format import native_format_name

SPLITS = tuple(split for split in SPLIT_NAMES if split not in ("train", "id-val"))
# At chance there is little to see in more images.
_RANDOM_IMAGES = 256
# Share of -n: a network of `wide` takes as long as five of id-test.
_SHARES = {"id-test": 1.0, "wide": 0.1, "id-test-wide": 0.1, "predefined": 1.0}
_OTHER_SHARE = 0.3


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", nargs="+", default=["ghn2-cifar10"])
    parser.add_argument("--splits", nargs="+", choices=SPLITS, default=list(SPLITS))
    parser.add_argument(
        "-n", "--count", type=int, default=100,
        help="networks of id-test; a tenth of wide and id-test-wide, three tenths of the other splits",
    )  # fmt: skip
    parser.add_argument("--limit-images", type=int, default=512, help="test images a network; 0: all")
    parser.add_argument(
        "--exact", type=int, default=0, help="the first N networks of each split also on all test images"
    )
    parser.add_argument(
        "--float32", type=int, default=0, help="the first N networks of each split also in float32"
    )
    parser.add_argument("--calibration-batches", type=int, default=8, help="of 64 training images")
    parser.add_argument("--dtype", choices=("auto", "float32", "bfloat16"), default="auto")
    parser.add_argument("--minutes", type=float, help="start no further network after so long")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument(
        "--sgd-epochs", type=int, nargs="+", default=[], help="also train the networks so long"
    )
    parser.add_argument("--sgd-networks", type=int, default=5, help="so many of each split")
    parser.add_argument("--sgd-image-size", type=int, default=32)
    parser.add_argument("--folder", type=Path, default=Path("runs/eval"))
    parser.add_argument("--ablations", type=Path, default=Path("runs/ablations"))
    parser.add_argument("--write", type=Path, help="the page of results")
    options = parser.parse_args()
    settings = get_settings()
    dtype = native_format_name() if options.dtype == "auto" else options.dtype
    jobs = plan(options, dtype) if options.count else []

    def show(report: Report) -> None:
        evaluation, measurement = report.evaluation, report.measurement
        sys.stderr.write(
            f"{report.done}/{report.total} {evaluation.method}, {evaluation.bn}: {measurement.name} "
            f"{measurement.accuracy:.1f}% ({measurement.seconds:.1f} s, "
            f"{report.eta_seconds / 60:.1f} min left)\n"
        )

    measure(
        jobs, options.folder, Sources(settings.data_dir, settings.home / "cache"),
        processes=options.processes, seconds=None if options.minutes is None else 60 * options.minutes,
        provenance={"commit": _commit(), "day": datetime.now(UTC).date().isoformat()}, on_result=show,
    )  # fmt: skip
    text = page(read_all(options.folder), options.folder, options.ablations)
    if options.write:
        options.write.write_text(text)
    else:
        sys.stdout.write(text)


def plan(options: argparse.Namespace, dtype: str) -> list[Job]:
    jobs = []
    data = ""
    for name in options.model:
        loaded = load_model(name)
        data = loaded.card.dataset or "cifar10"
        for split in options.splits:
            common: dict[str, Any] = {
                "method": name,
                "digest": loaded.card.digest,
                "split": split,
                "data": data,
            }
            common |= {"images": options.limit_images, "dtype": dtype}
            count = _count(split, options.count)
            jobs.append(Job(Evaluation(**common), count, loaded.card.path))
            if options.exact:
                exact = Evaluation(**{**common, "images": 0})
                jobs.append(Job(exact, min(options.exact, count), loaded.card.path))
            if options.float32:
                precise = Evaluation(**{**common, "dtype": "float32"})
                jobs.append(Job(precise, min(options.float32, count), loaded.card.path))
            # Networks without batch normalisation have nothing to recalibrate.
            if split != "bn-free":
                recalibrated = Evaluation(
                    **common, bn="recalibrate", calibration_batches=options.calibration_batches
                )
                jobs.append(Job(recalibrated, count, loaded.card.path))
    for split in options.splits:
        common = {"split": split, "data": data, "dtype": dtype}
        limit = min(options.limit_images or _RANDOM_IMAGES, _RANDOM_IMAGES)
        jobs.append(Job(Evaluation(method=RANDOM, images=limit, **common), _count(split, options.count)))
        for epochs in options.sgd_epochs:
            trained = Evaluation(
                method="SGD", epochs=epochs, images=options.limit_images,
                image_size=options.sgd_image_size, **common,
            )  # fmt: skip
            jobs.append(Job(trained, options.sgd_networks))
    return jobs


def _count(split: str, count: int) -> int:
    return max(1, round(count * _SHARES.get(split, _OTHER_SHARE)))


def _commit() -> str:
    """Of this source tree, short; empty outside a repository."""
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "--short", "HEAD"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    return result.stdout.strip() if result.returncode == 0 else ""


if __name__ == "__main__":
    main()
