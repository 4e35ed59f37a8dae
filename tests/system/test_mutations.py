"""Wrong requests of every kind against real processes: a little of `python -m benchmarks.mutations`."""

from __future__ import annotations

import pytest

from benchmarks.mutations import send_all
from benchmarks.served import RunningService

pytestmark = [
    pytest.mark.system,
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.xdist_group("service"),
]


def test_every_wrong_request_has_an_answer(service: RunningService) -> None:
    before = len(service.log.read_text())
    tally = send_all(service, count=1000, seconds=60.0, seed=7)
    assert tally.count > 100 and tally.strange == []
    statuses = {status for counter in tally.answers.values() for status in counter}
    assert {"200", "422"} < statuses
    log = service.log.read_text()[before:]
    assert '"request.crashed"' not in log and '"request.failed"' not in log
