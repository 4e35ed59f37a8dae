"""Memory-bank networks of SMASH (Brock et al. 2017, section 3.1) as a search space."""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import dataclass, field
from random import Random

import numpy as np

from service.contract.fields import Document
from service.errors import InvalidRequest
from service.models.catalog import CONFIG, find_card
from service.predictors.smash.config import SmashConfig
from service.predictors.smash.space import random_architecture, random_block, random_layer

_IMAGE_SIZE = 16


@dataclass(frozen=True, slots=True)
class SmashSpace:
    """What the hypernetwork of `config` generates weights for, on images of `image_size` pixels a side."""

    config: SmashConfig = field(default_factory=SmashConfig)
    image_size: int = _IMAGE_SIZE
    name: str = "smash"
    size: int | None = None

    @classmethod
    def of_model(cls, model: str) -> SmashSpace:
        """The space of a SMASH model. Raises UnknownModel; InvalidRequest for a model of another kind."""
        card = find_card(model)
        if card.kind != "smash":
            raise InvalidRequest(
                f"The model {model!r} is a {card.kind}; it has no space of networks.", field="/predictor"
            )
        config = SmashConfig.from_dict(json.loads((card.path / CONFIG).read_text())["smash"])
        return cls(config, int(card.training.get("image_size", _IMAGE_SIZE)))

    def sample(self, random: Random) -> Document:
        return random_architecture(self.config, _generator(random), image_size=self.image_size)

    def mutate(self, document: Document, random: Random) -> Document:
        """Another layer in the place of one, one more or one less, or, seldom, another block."""
        drawn = _generator(random)
        while True:
            changed = deepcopy(document)
            place = random.randrange(len(changed["blocks"]))
            block, step = changed["blocks"][place], random.random()
            layers = block["layers"]
            if step < 0.2:
                changed["blocks"][place] = random_block(self.config, drawn)
            elif step < 0.4 and len(layers) < self.config.layers:
                layers.insert(
                    random.randrange(len(layers) + 1), random_layer(self.config, block["banks"], drawn)
                )
            elif step < 0.6 and len(layers) > 1:
                del layers[random.randrange(len(layers))]
            else:
                layers[random.randrange(len(layers))] = random_layer(self.config, block["banks"], drawn)
            if changed != document:
                return changed

    def key(self, document: Document) -> str:
        return json.dumps(document, sort_keys=True)


def _generator(random: Random) -> np.random.Generator:
    return np.random.default_rng(random.getrandbits(64))
