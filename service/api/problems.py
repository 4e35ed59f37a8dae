"""GET /problems and /problems/{code}: what each type of problem means, at the path that its URL names.

`python -m service.api.problems > docs/problems.md` writes the same as a page of the documentation.
"""

from __future__ import annotations

import sys
from html import escape

from fastapi import APIRouter
from starlette.responses import HTMLResponse

from service.api.pages import HEADERS
from service.errors import PROBLEM_TYPE_PREFIX, NotFound, ServiceError, problem_types

router = APIRouter(include_in_schema=False)

_INTRODUCTION = (
    "Every error of the HTTP interface is a problem document (RFC 9457). `type` is the address of its kind, "
    "`title` describes the kind, and `detail` describes the case. `hint` says how to fix it, if that is "
    "known. The command line prints the same documents with --json, and the Python client raises one "
    "exception class for each status."
)


@router.get("/problems")
async def list_problems() -> HTMLResponse:
    items = "".join(
        f'<li><a href="/problems/{kind.code}">{kind.code}</a> ({kind.status}): {escape(kind.title)}</li>'
        for kind in problem_types()
    )
    return _page("Problem types", f"<p>{_html(_INTRODUCTION)}</p><ul>{items}</ul>")


@router.get("/problems/{code}")
async def show_problem(code: str) -> HTMLResponse:
    """Raises NotFound for a code that no error has."""
    kind = next((kind for kind in problem_types() if kind.code == code), None)
    if kind is None:
        raise NotFound(f"There is no problem type {code[:80]!r}.", hint="/problems lists all of them.")
    return _page(
        kind.title,
        f"<p>Type <code>{PROBLEM_TYPE_PREFIX}{kind.code}</code>, status {kind.status}.</p>"
        f'<p>{_html(kind.remedy)}</p><p><a href="/problems">All problem types</a></p>',
    )


def problems_page() -> str:
    """docs/problems.md."""
    return "\n".join(
        [
            "# Problem types",
            "",
            _INTRODUCTION,
            "",
            f"`type` is `{PROBLEM_TYPE_PREFIX}` and the name below; a running service explains each at",
            "`/problems/NAME`. This page is made by `python -m service.api.problems > docs/problems.md`.",
            "",
            "| name | status | title | what to do |",
            "| --- | --- | --- | --- |",
            *(_row(kind) for kind in problem_types()),
            "",
        ]
    )


def _row(kind: type[ServiceError]) -> str:
    return f"| `{kind.code}` | {kind.status} | {kind.title} | {kind.remedy} |"


def _html(text: str) -> str:
    """Text whose code stands between backticks."""
    parts = escape(text).split("`")
    return "".join(f"<code>{part}</code>" if index % 2 else part for index, part in enumerate(parts))


def _page(title: str, body: str) -> HTMLResponse:
    return HTMLResponse(
        f'<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<title>{escape(title)} - Weightcast</title><meta name="viewport" content="width=device-width">'
        '<link rel="stylesheet" href="/web/style.css"></head>'
        f"<body><main><h1>{escape(title)}</h1>{body}</main></body></html>",
        headers=HEADERS,
    )


if __name__ == "__main__":
    sys.stdout.write(problems_page())
