"""Every type of problem is explained at the path that its URL names, and in the documentation."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from service.api.problems import problems_page
from service.errors import PROBLEM_TYPE_PREFIX, ServiceError, problem_types

from .checks import assert_problem


def all_subclasses(kind: type[ServiceError]) -> set[type[ServiceError]]:
    below = {kind}
    for child in kind.__subclasses__():
        below |= all_subclasses(child)
    return below


def test_every_error_has_its_type_and_what_to_do() -> None:
    import service.api.app
    import service.cli.app
    import service.workers.training
    import training.finetune.run
    import training.ghn.companion
    import training.smash.run

    assert service.api.app and service.cli.app and service.workers.training
    assert training.finetune.run and training.ghn.companion and training.smash.run
    kinds = {kind.code: kind for kind in problem_types()}
    for error in all_subclasses(ServiceError):
        assert error.code in kinds, error
    for code, kind in kinds.items():
        assert kind.title and kind.remedy
        if kind is not ServiceError:
            assert code == "internal-error" or kind.remedy != ServiceError.remedy, code


@pytest.mark.parametrize("kind", problem_types(), ids=lambda kind: kind.code)
async def test_a_type_is_served_at_its_path(client: httpx.AsyncClient, kind: type[ServiceError]) -> None:
    page = await client.get(urlsplit(PROBLEM_TYPE_PREFIX + kind.code).path)
    assert page.status_code == 200 and page.headers["content-type"].startswith("text/html")
    assert "default-src 'self'" in page.headers["content-security-policy"]
    assert kind.title in page.text and str(kind.status) in page.text
    assert f'href="/problems/{kind.code}"' in (await client.get("/problems")).text


async def test_an_unknown_type(client: httpx.AsyncClient) -> None:
    assert_problem(await client.get("/problems/none-such"), 404)


def test_the_page_is_up_to_date() -> None:
    assert (Path(__file__).parents[2] / "docs" / "problems.md").read_text() == problems_page()
