"""What a training run of a SMASH hypernetwork does. What happens at a step depends on its number alone,
never on the state of a random generator.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

from service.contract.smash import SmashTraining
from service.predictors.smash.config import SmashConfig


@dataclass(frozen=True, kw_only=True)
class SmashRun(SmashTraining):
    """The options, and where the run happens. The classes of the model are those of the data.

    data, data_dir, mirror, skip_bad: as `load.load_dataset` takes them; images of `image_size`
        pixels. A step samples `networks` random architectures and runs each on `images` images.
    validate_steps: steps between measurements of `validate_networks` architectures, always the same, on
        `validate_images` validation images; 0: at the end alone.
    """

    name: str = "smash"
    data_dir: str | None = None

    def smash(self, num_classes: int) -> SmashConfig:
        return SmashConfig(**asdict(self.model), num_classes=num_classes)
