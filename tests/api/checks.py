"""What holds for every problem document."""

from __future__ import annotations

from typing import Any

import httpx

from service.errors import PROBLEM_TYPE_PREFIX


def assert_problem(response: httpx.Response, status: int, code: str | None = None) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = response.json()
    assert problem["status"] == status
    assert problem["type"].startswith(PROBLEM_TYPE_PREFIX)
    assert problem["title"] and problem["detail"] and problem["instance"]
    assert "Traceback" not in response.text
    if code is not None:
        assert problem["type"] == PROBLEM_TYPE_PREFIX + code
    return problem
