"""One of the further processes of a training run: `python -m training.ghn.companion RUN_FOLDER MEETING ...`.

`training.ghn.launch` starts it. The run's configuration and checkpoints are in its folder.
"""

from __future__ import annotations

import argparse
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser(prog="training.ghn.companion")
    parser.add_argument("run_folder", type=Path)
    parser.add_argument("meeting", type=Path)
    parser.add_argument("--rank", type=int, required=True)
    parser.add_argument("--size", type=int, required=True)
    parser.add_argument("--cache-dir", type=Path)
    options = parser.parse_args()

    from service.errors import TrainingDiverged
    from training.ghn.launch import TeamBroken
    from training.ghn.team import Team
    from training.ghn.trainer import Trainer, load_config
    from training.loop.run_folder import RunFolder

    team = Team(options.rank, options.size, options.meeting)
    trainer = Trainer(
        load_config(options.run_folder), RunFolder(options.run_folder), options.cache_dir, team=team
    )
    trainer.restore()
    try:
        trainer.run_until_done()
    except (TeamBroken, TrainingDiverged):
        # The leader tells; and without a leader nobody listens.
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
