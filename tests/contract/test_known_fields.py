"""A misspelt option is told by its right name, wherever it stands."""

from __future__ import annotations

import dataclasses
from typing import Any, get_type_hints

import pytest

from service.contract.ghn import GHNTraining
from service.contract.kinds import KINDS
from service.contract.known_fields import known_fields
from service.contract.many import RankOptions
from service.contract.options import Options
from service.contract.reading import read, read_texts
from service.errors import InvalidRequest


@pytest.mark.parametrize(
    ("options", "document", "said"),
    [
        (RankOptions, {"topk": 3}, "topk is not a known field; did you mean top_k?"),
        (RankOptions, {"zzz": 3}, "zzz is not a known field."),
        (
            GHNTraining,
            {"data": "digits", "minutes": 2, "ghn": {"hiden": 3}},
            "ghn/hiden is not a known field; did you mean hidden?",
        ),
        (
            GHNTraining,
            {"data": "digits", "minutes": 2, "stages": [{"until": 1, "costs": 3}]},
            "stages/0/costs is not a known field; did you mean cost?",
        ),
    ],
)
def test_a_misspelt_field(options: type[Options], document: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read(options, document)
    assert said in [entry["detail"] for entry in caught.value.extra["errors"]]


def test_a_misspelt_field_of_a_query() -> None:
    with pytest.raises(InvalidRequest, match="did you mean top_k"):
        read_texts(RankOptions, {"topk": "3"}, where="query")


def nested(options: type[Any], place: tuple[str, ...] = ()) -> list[tuple[str | int, ...]]:
    """Places of all classes of options inside another one."""
    places: list[tuple[str | int, ...]] = [place]
    for name, annotation in get_type_hints(options).items():
        for kind in (annotation, *getattr(annotation, "__args__", ())):
            if dataclasses.is_dataclass(kind) and isinstance(kind, type):
                places += nested(kind, (*place, name))
    return places


@pytest.mark.parametrize("kind", KINDS)
def test_every_class_of_options_is_seen_into(kind: str) -> None:
    options = KINDS[kind].options
    for place in nested(options):
        assert known_fields(options, place), place
    assert known_fields(options, ("data", 0, "no such place")) == ()
