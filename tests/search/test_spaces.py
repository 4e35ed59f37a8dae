"""Search spaces: everything drawn can be read, a mutation is one step, the same seed draws the same."""

from __future__ import annotations

from random import Random

import pytest

from service.contract.search import SPACES
from service.errors import InvalidArchitecture, InvalidRequest
from service.graph_io.cells import nasbench201
from service.graph_io.read import read_document
from service.search.space import find_space


@pytest.mark.parametrize("name", SPACES)
def test_what_is_drawn_is_read(name: str) -> None:
    space, random = find_space(name), Random(0)
    document = space.sample(random)
    keys = set()
    for _ in range(8):
        keys.add(space.key(document))
        assert document["format"] == name
        try:
            read_document(document)
        except InvalidArchitecture:
            # The benchmark has cells without a path, and only that makes one impossible here.
            assert name == "nasbench201"
            assert not nasbench201.live_edges(nasbench201.parse_cell(document["cell"]))
        document = space.mutate(document, random)
    assert len(keys) > 4


@pytest.mark.parametrize("name", SPACES)
def test_a_seed_decides(name: str) -> None:
    space = find_space(name)
    drawn = [space.sample(Random(seed)) for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert space.mutate(drawn[0], Random(5)) == space.mutate(drawn[0], Random(5)) != drawn[0]


def test_a_mutation_of_a_nasbench201_cell_changes_one_edge() -> None:
    space, random = find_space("nasbench201"), Random(0)
    for _ in range(30):
        before = space.sample(random)
        after = space.mutate(before, random)
        pairs = zip(
            nasbench201.parse_cell(before["cell"]), nasbench201.parse_cell(after["cell"]), strict=True
        )
        assert sum(one.operation != other.operation for one, other in pairs) == 1


def test_cells_of_nasbench101_are_known_by_what_matters() -> None:
    space = find_space("nasbench101")
    ops = ["input", "conv3x3-bn-relu", "maxpool3x3", "output"]
    matrix = [[0, 1, 0, 0], [0, 0, 0, 1], [0, 0, 0, 0], [0, 0, 0, 0]]
    dead = {"format": "nasbench101", "matrix": matrix, "ops": ops}
    other = {**dead, "ops": [*ops[:2], "conv1x1-bn-relu", "output"]}
    live = {**dead, "ops": ["input", "conv1x1-bn-relu", *ops[2:]]}
    assert space.key(dead) == space.key(other) != space.key(live)


def test_unknown_space() -> None:
    with pytest.raises(InvalidRequest) as caught:
        find_space("nasbench301")
    assert caught.value.extra["field"] == "/space"


@pytest.mark.parametrize(("name", "size"), [("nats_size", 8**5), ("nasbench_macro", 3**8)])
def test_spaces_of_choices(name: str, size: int) -> None:
    space, random = find_space(name), Random(0)
    assert (space.name, space.size) == (name, size)
    drawn = [space.sample(random) for _ in range(30)]
    assert len({space.key(document) for document in drawn}) > 25
    for document in drawn[:5]:
        assert read_document(document).num_parameters > 0
        changed = space.mutate(document, random)
        pairs = zip(space.key(document).split(":"), space.key(changed).split(":"), strict=True)
        assert sum(one != other for one, other in pairs) == 1
