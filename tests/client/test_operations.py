"""Both clients have the same operations, whose options are those of the contract."""

from __future__ import annotations

import inspect
from dataclasses import fields
from typing import Any, get_args, get_type_hints

import pytest

from service.client import AsyncClient, Client
from service.client._options import FineTuneFields, FitFields, SearchFields
from service.contract.finetune import Tuning
from service.contract.options import APART, Options
from service.contract.predictor import PredictorTraining
from service.contract.search import SearchOptions


def choices(annotation: Any) -> set[Any]:
    """The types of a union without None, and the choices of a literal."""
    parts = {part for part in get_args(annotation) or (annotation,) if part is not type(None)}
    return set().union(*(choices(part) if get_args(part) else {part} for part in parts))


@pytest.mark.parametrize(
    ("named", "contract", "positional"),
    [
        (FitFields, PredictorTraining, set()),
        (FineTuneFields, Tuning, {"data"}),
        (SearchFields, SearchOptions, {"space"}),
    ],
)
def test_the_options_are_those_of_the_contract(
    named: Any, contract: type[Options], positional: set[str]
) -> None:
    offered, declared = get_type_hints(named), get_type_hints(contract)
    assert offered.keys() == {entry.name for entry in fields(contract)} - positional - {*APART}
    for name, annotation in offered.items():
        assert choices(annotation) == choices(declared[name]), name


def public(client: type) -> set[str]:
    return {name for name in dir(client) if not name.startswith("_")}


def test_both_clients_have_the_same_operations() -> None:
    assert public(Client) == public(AsyncClient) >= {"predict_weights", "jobs", "health", "close"}
    with Client() as client:
        other = AsyncClient()
        for name in public(Client) - {"close"}:
            one, two = (inspect.signature(getattr(each, name)) for each in (client, other))
            assert one.parameters.keys() == two.parameters.keys(), name
    assert "waits" in inspect.getdoc(Client.fine_tune).lower()  # type: ignore[union-attr,arg-type]
