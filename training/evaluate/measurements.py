"""Measurements of networks, and the files that remember them: JSON lines, one file an evaluation.

A file is named after everything that its results depend on, so that what was interrupted goes on, and what
was measured before is not measured again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from training.data.deepnets import VERSION
from training.evaluate.accuracy import Scores

RANDOM = "random initialisation"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """What is measured. Another value of any field is another measurement.

    method: name of the model that predicts the parameters, RANDOM, or how they are trained.
    digest: of the model. epochs: of SGD. images: test images, 0 for all. bn: "batch" or "recalibrate".
    calibration_batches: 0 where nothing is recalibrated. dtype: of the activations. version: of the
    generator. data_digest: of a folder of images, which may change; "" for the others.
    """

    method: str
    split: str
    data: str
    digest: str = ""
    epochs: int = 0
    image_size: int = 32
    images: int = 0
    bn: str = "batch"
    calibration_batches: int = 0
    dtype: str = "float32"
    seed: int = 0
    version: int = VERSION
    data_digest: str = ""

    def file(self, folder: Path) -> Path:
        values = {name: value for name, value in asdict(self).items() if name != "data_digest" or value}
        key = sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:10]
        method = "".join(character if character.isalnum() else "-" for character in self.method)
        return folder / f"{method}-{self.split}-{self.bn}-{key}.jsonl"


@dataclass(frozen=True, slots=True)
class Measurement:
    """Of one network: accuracy in percent, its size, and how long it took."""

    index: int
    name: str
    accuracy: float
    parameters: int
    seconds: float


@dataclass
class Results:
    """Measurements by evaluation, in the order of the networks."""

    by_evaluation: dict[Evaluation, dict[int, Measurement]] = field(default_factory=dict)

    def scores(self, evaluation: Evaluation) -> Scores:
        measurements = self.by_evaluation.get(evaluation, {})
        return Scores(tuple(measurements[index].accuracy for index in sorted(measurements)))

    def differences(self, evaluation: Evaluation, base: Evaluation) -> Scores:
        """Accuracy above that of `base`, over the numbers of networks that both have. What is hard about a
        network, or about the test images, is the same on both sides and drops out.
        """
        ours, theirs = self.by_evaluation.get(evaluation, {}), self.by_evaluation.get(base, {})
        both = sorted(ours.keys() & theirs.keys())
        return Scores(tuple(ours[index].accuracy - theirs[index].accuracy for index in both))


def append(
    evaluation: Evaluation, measurement: Measurement, folder: Path, provenance: Mapping[str, str]
) -> None:
    """The first line of a file is the evaluation, every other one a measurement."""
    folder.mkdir(parents=True, exist_ok=True)
    file = evaluation.file(folder)
    text = json.dumps({**asdict(measurement), **provenance}) + "\n"
    if not file.exists():
        text = json.dumps({"evaluation": asdict(evaluation)}) + "\n" + text
    elif not file.read_bytes().endswith(b"\n"):
        text = "\n" + text
    with file.open("a", encoding="utf-8") as handle:
        handle.write(text)


def read(evaluation: Evaluation, folder: Path) -> dict[int, Measurement]:
    """What is known, by the network's number."""
    file = evaluation.file(folder)
    return _measurements(file.read_text(encoding="utf-8")) if file.exists() else {}


def read_all(folder: Path) -> Results:
    """Everything that was measured into a folder with this version of the generator."""
    results = Results()
    for file in sorted(folder.glob("*.jsonl")):
        text = file.read_text(encoding="utf-8")
        stored: dict[str, Any] = json.loads(text.partition("\n")[0])["evaluation"]
        if stored["version"] == VERSION:
            results.by_evaluation[Evaluation(**stored)] = _measurements(text)
    return results


def _measurements(text: str) -> dict[int, Measurement]:
    by_index = {}
    for line in text.splitlines()[1:]:
        try:
            entry = json.loads(line)
        except json.JSONDecodeError:
            # A crash cut this line off: its network is measured again.
            continue
        by_index[entry["index"]] = Measurement(**{name: entry[name] for name in Measurement.__slots__})
    return by_index
