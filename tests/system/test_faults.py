"""Single faults, against real processes: what `python -m benchmarks.faults --only cases` prints holds."""

from __future__ import annotations

import pytest

from benchmarks.fault_cases import CASES
from benchmarks.served import RunningService

pytestmark = [pytest.mark.system, pytest.mark.timeout(300), pytest.mark.xdist_group("service")]


@pytest.mark.parametrize("name", [pytest.param("a poison job", marks=pytest.mark.slow), *list(CASES)[1:]])
def test_what_comes_of_it(service: RunningService, name: str) -> None:
    assert CASES[name](service)
