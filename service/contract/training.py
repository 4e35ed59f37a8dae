"""A training job on its way from the API to the worker."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NotRequired

from typing_extensions import TypedDict

from service.kit.json_types import JsonObject


class TrainingPayload(TypedDict):
    """config: options of the kind, without those that travel beside the job, as artifacts. observations: one
    a line. graph: the network's document, with its program. source: the ONNX file that it came as.
    torchvision: arguments of a network that the worker builds.
    """

    kind: str
    name: str | None
    config: JsonObject
    replace: NotRequired[bool]
    observations: NotRequired[str]
    graph: NotRequired[str | None]
    source: NotRequired[str | None]
    torchvision: NotRequired[Mapping[str, object] | None]
