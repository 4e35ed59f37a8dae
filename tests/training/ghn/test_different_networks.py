"""A GHN that is trained on so many networks and no others."""

from __future__ import annotations

from service.graph_io.digest import graph_digest
from service.graph_io.primitives import to_primitives
from training.data.deepnets import Bounds
from training.ghn.architecture_source import ArchitectureSource, make_task

BOUNDS = Bounds(image_size=16, cost=10, most_channels=16)


def test_networks_come_again_in_their_order() -> None:
    with ArchitectureSource(0, 0, [10], ahead=2, different=2) as source:
        taken = source.take([BOUNDS] * 3) + source.take([BOUNDS] * 2)
    expected = [graph_digest(make_task(0, index % 2, 10, BOUNDS).graph) for index in range(5)]
    assert [graph_digest(task.graph) for task in taken] == expected
    assert len(set(expected)) == 2


def test_without_a_number_they_are_always_new() -> None:
    with ArchitectureSource(0, 0, [10], ahead=2) as source:
        taken = source.take([BOUNDS] * 4)
    assert len({graph_digest(task.graph) for task in taken}) == 4


def test_networks_have_the_classes_of_the_data_sets_in_turn() -> None:
    with ArchitectureSource(0, 1, [10, 7], ahead=2) as source:
        tasks = source.take([BOUNDS] * 3)
    classifiers = [to_primitives(task.graph).classifiers for task in tasks]
    assert [weight.shape[0] for (weight,) in classifiers] == [7, 10, 7]
