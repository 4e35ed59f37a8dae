"""The trainer: resuming repeats an uninterrupted run, training lowers the loss, what is saved can be
loaded.
"""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import time
import weakref
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch

from service.errors import InvalidRequest, TrainingDiverged, UnknownModel
from service.ghn.checkpoint import load_checkpoint
from service.ghn.model import GHN
from service.ghn.shape_encoder import channel_index
from service.models.catalog import find_card
from training.ghn.architecture_source import Task
from training.ghn.recipe import Stage, TrainConfig
from training.ghn.start import start_of
from training.ghn.team import Team
from training.ghn.trainer import Trainer, load_config, train
from training.loop.network_runner import Outcome
from training.loop.run_folder import RunFolder, part

CONFIG = TrainConfig(
    name="tiny",
    data="digits",
    steps=8,
    threads=1,
    log_steps=1,
    warmup_steps=2,
    validate_networks=0,
    stages=(
        Stage(until=0.5, image_size=16, cost=30, most_channels=16, meta_batch=2, images=8),
        Stage(image_size=16, cost=40, most_channels=16, meta_batch=2, images=8),
    ),
)


def losses(folder: Path) -> dict[int, float]:
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    return {record["step"]: record["loss"] for record in map(json.loads, lines) if record["kind"] == "train"}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(CONFIG, tmp_path_factory.mktemp("runs") / "whole")


def test_a_run_leaves_metrics_a_configuration_and_a_model(finished: Path) -> None:
    assert sorted(losses(finished)) == list(range(1, 9))
    assert load_config(finished) == CONFIG
    ghn = load_checkpoint(finished / "model")
    assert all(bool(torch.isfinite(p).all()) for p in ghn.parameters())
    assert json.loads((finished / "model" / "card.json").read_text())["dataset"] == "digits"
    with pytest.raises(InvalidRequest):
        train(CONFIG, finished)


SCRIPT = """
import json, sys
from pathlib import Path
from training.ghn.trainer import train
from training.ghn.recipe import TrainConfig
if __name__ == "__main__":
    train(TrainConfig.from_dict(json.loads(sys.argv[1])), Path(sys.argv[2]), processes=int(sys.argv[3]))
"""


def start(folder: Path, processes: int, **options: Any) -> subprocess.Popen[bytes]:
    """A run in a process of its own, with a checkpoint at every step."""
    config = {**asdict(CONFIG), "checkpoint_minutes": 0.0, **options}
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, json.dumps(config), str(folder), str(processes)],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
    )


def wait_for_steps(process: subprocess.Popen[bytes], folder: Path, count: int) -> None:
    metrics = folder / "metrics.jsonl"
    while process.poll() is None and not (metrics.exists() and len(losses(folder)) >= count):
        time.sleep(0.02)


def companions_of(process: subprocess.Popen[bytes]) -> list[int]:
    """Processes of a run beside its first."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            command = (entry / "cmdline").read_bytes() if entry.name.isdigit() else b""
            parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1]) if command else 0
        except OSError:
            continue
        if parent == process.pid and b"training.ghn.companion" in command:
            found.append(int(entry.name))
    return found


def test_a_killed_run_resumes_with_the_same_losses(finished: Path, tmp_path: Path) -> None:
    folder = tmp_path / "killed"
    process = start(folder, 1)
    wait_for_steps(process, folder, 3)
    process.kill()
    process.wait()
    assert len(losses(folder)) < 8
    train(CONFIG, folder, resume=True)
    assert losses(folder) == losses(finished)


def test_a_space_with_nothing_within_the_bounds_is_refused_by_the_leader(tmp_path: Path) -> None:
    config = replace(CONFIG, space="nasbench201", stages=(replace(CONFIG.stages[-1], cost=1e-3),))
    with pytest.raises(InvalidRequest, match="none is within the bounds"):
        train(config, tmp_path / "run", processes=2)


def test_two_processes_learn_what_one_does(tmp_path: Path) -> None:
    # In float32 and small steps: otherwise rounding alone sends them different ways.
    config = replace(CONFIG, steps=4, bfloat16=False, learning_rate=1e-4)
    for processes in (1, 2):
        train(config, tmp_path / str(processes), processes=processes)
    alone, shared = (losses(tmp_path / name) for name in "12")
    assert shared == pytest.approx(alone, rel=1e-3)
    assert alone[4] != pytest.approx(alone[1], rel=1e-3)


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_a_signal_ends_all_processes_with_a_checkpoint(tmp_path: Path) -> None:
    folder = tmp_path / "stopped"
    process = start(folder, 2, steps=500)
    wait_for_steps(process, folder, 2)
    (other,) = companions_of(process)
    process.terminate()
    assert process.wait(200) == 0
    assert not Path(f"/proc/{other}").exists()
    assert RunFolder(folder).checkpoints()[-1].name == f"checkpoint-{max(losses(folder))}"
    assert load_checkpoint(folder / "model")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_a_killed_leader_leaves_no_orphan(tmp_path: Path) -> None:
    folder = tmp_path / "orphan"
    process = start(folder, 2, steps=500)
    wait_for_steps(process, folder, 1)
    (other,) = companions_of(process)
    process.kill()
    process.wait()
    deadline = time.monotonic() + 20
    while Path(f"/proc/{other}").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not Path(f"/proc/{other}").exists()


def test_every_network_has_one_process_whatever_the_meta_batch() -> None:
    for size in (1, 2, 3):
        seen = 0
        for meta_batch in (3, 5, 1):
            shares = [Team(rank, size).share(seen, meta_batch) for rank in range(size)]
            assert sorted(position for share in shares for position in share) == list(range(meta_batch))
            # A process takes every size-th network, across steps: as its source of networks makes them.
            for rank, share in enumerate(shares):
                assert all((seen + position) % size == rank for position in share)
            seen += meta_batch


def test_a_run_starts_from_a_run_or_a_model(finished: Path, tmp_path: Path) -> None:
    before = RunFolder(finished).load()
    assert before is not None
    from_run = replace(CONFIG, name="more", from_model=str(finished))
    trainer = Trainer(from_run, RunFolder(tmp_path / "more"))
    for name, value in trainer.learned.tensors().items():
        assert torch.equal(value, before[0][name]), name
    assert trainer.networks_before == before[1]["networks_seen"]
    trainer.images.close()

    model = load_checkpoint(finished / "model")
    train(replace(CONFIG, name="more", steps=1, from_model=str(finished / "model")), tmp_path / "third")
    card = json.loads((tmp_path / "third" / "model" / "card.json").read_text())
    assert card["training"]["from"] == {"name": "model"}
    after = load_checkpoint(tmp_path / "third" / "model")
    for (name, old), new in zip(model.state_dict().items(), after.state_dict().values(), strict=True):
        # One step of at most the learning rate, from the same weights.
        assert float((old - new).abs().max()) <= 2 * CONFIG.highest_rate, name


def test_the_shipped_model_can_be_trained_further() -> None:
    shipped = load_checkpoint(find_card("ghn2-cifar10").path)
    same, other = (start_of("ghn2-cifar10", {}, [classes]) for classes in (10, 7))
    assert same.config == shipped.config and same.origin is not None and same.networks > 0
    assert same.origin["name"] == "ghn2-cifar10"
    for name, value in shipped.state_dict().items():
        assert torch.equal(same.tensors[f"ghn.{name}"], value)
    assert other.config.num_classes == 7
    GHN(other.config).load_state_dict(part(other.tensors, "average."))
    kept = other.tensors["ghn.decoder.channels.weight"]
    assert torch.equal(kept, shipped.decoder.channels.weight)
    # 64 channels are told by the same row, whatever the classes.
    row, before = (channel_index(64, classes) for classes in (7, 10))
    assert torch.equal(
        other.tensors["ghn.shape_encoder.channel.weight"][row], shipped.shape_encoder.channel.weight[before]
    )
    with pytest.raises(InvalidRequest) as refused:
        start_of("ghn2-cifar10", {"rounds": 3}, [10])
    assert refused.value.extra["field"] == "/ghn/rounds"
    with pytest.raises(UnknownModel):
        start_of("no-such-model", {}, [10])


def test_a_run_without_a_finite_loss_fails_and_leaves_no_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(ghn: GHN, tasks: Sequence[Task], *_: Any) -> list[Outcome]:
        return [Outcome(float("nan"), 0.1, {}) for _ in tasks]

    monkeypatch.setattr("training.ghn.trainer.accumulate", lost)
    with pytest.raises(TrainingDiverged, match="last 8 steps up to step 8") as caught:
        train(CONFIG, tmp_path / "lost")
    assert caught.value.extra["hint"] == "Lower learning_rate, which was 0.004, to 0.0004 or less."
    assert not RunFolder(tmp_path / "lost").checkpoints() and not (tmp_path / "lost" / "model").exists()


def test_a_run_may_go_on_with_other_stages(finished: Path) -> None:
    longer = replace(
        CONFIG, steps=10, stages=(Stage(image_size=32, cost=90, most_channels=16, meta_batch=3, images=8),)
    )
    train(longer, finished, resume=True)
    assert max(losses(finished)) == 10


def test_learning_rate_warms_up_and_falls() -> None:
    config = replace(CONFIG, warmup_steps=10)
    rates = [config.rate(step, step / 100) for step in range(100)]
    assert rates[0] < rates[9] and rates[9] > rates[50] > rates[99] > 0


def test_learning_rate_may_stay_and_then_fall() -> None:
    config = replace(CONFIG, warmup_steps=10, constant_share=0.6)
    rates = [config.rate(step, step / 100) for step in range(101)]
    assert len(set(rates[10:61])) == 1 and rates[10] == config.highest_rate
    assert rates[60] > rates[80] > rates[100] == config.final_learning_rate
    never = replace(config, constant_share=1)
    assert never.rate(50, 0.5) == never.rate(100, 1.0) == never.highest_rate


def test_a_branch_of_a_run_decays_and_leaves_the_run_as_it_is(tmp_path: Path) -> None:
    trunk, branch = tmp_path / "trunk", tmp_path / "branch"
    train(replace(CONFIG, steps=4, constant_share=1), trunk)
    before = sorted(path.read_bytes() for path in trunk.rglob("*.safetensors"))
    train(replace(CONFIG, steps=2, warmup_steps=0, from_model=str(trunk)), branch)
    assert sorted(path.read_bytes() for path in trunk.rglob("*.safetensors")) == before
    assert json.loads((branch / "model" / "card.json").read_text())["training"]["from"]["steps"] == 4
    train(replace(CONFIG, steps=6, constant_share=1), trunk, resume=True)
    assert max(losses(trunk)) == 6


def test_configuration_refuses_what_it_does_not_know() -> None:
    with pytest.raises(ValueError, match="colour"):
        TrainConfig.from_dict({**asdict(CONFIG), "colour": "red"})
    with pytest.raises(ValueError, match="minutes or steps"):
        replace(CONFIG, minutes=1.0)


def test_a_run_that_ended_leaves_its_images_to_nobody(tmp_path: Path) -> None:
    """Without a search for garbage: many runs in one process once held the images of each."""
    gc.collect()
    gc.disable()
    try:
        trainer = Trainer(replace(CONFIG, steps=2), RunFolder(tmp_path / "run"))
        trainer.run_until_done()
        images = weakref.ref(trainer.data.first.train.images_NCHW)
        ghn = weakref.ref(trainer.learned.ghn)
        del trainer
        assert images() is None and ghn() is None
    finally:
        gc.enable()
