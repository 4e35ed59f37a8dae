"""The kinds of jobs and the search spaces for the page.

`python -m service.api.kinds_script > service/api/web/kinds.js`
"""

from __future__ import annotations

import json
import sys

from service.contract.kinds import KINDS, TrainingKind
from service.contract.options import Images, Observed
from service.contract.search import SPACES
from service.properties import LESS_IS_BETTER

_HEAD = """\
// Made by `python -m service.api.kinds_script > service/api/web/kinds.js`.
// task: what a job is called; models, does: its models, and one of them; use: on the command line alone.
// learnsFrom: what the form asks for beside a budget. SPACES: titles of the search spaces.
// LESS_IS_BETTER: properties of which low values are good.
"""


def script() -> str:
    """A module of JavaScript with what the page says of each kind and space."""
    return "\n".join(
        [
            f"{_HEAD}export const KINDS = {{",
            *(f"  {name}: {json.dumps(_entry(row))}," for name, row in KINDS.items()),
            "};",
            "export const SPACES = {",
            *(f"  {name}: {json.dumps(space.title)}," for name, space in SPACES.items()),
            "};",
            f"export const LESS_IS_BETTER = {json.dumps(sorted(LESS_IS_BETTER))};\n",
        ]
    )


def _entry(row: TrainingKind) -> dict[str, str | None]:
    learns_from = "observations" if issubclass(row.options, Observed) else None
    if learns_from is None and issubclass(row.options, Images) and row.publishes:
        learns_from = "images"
    return {
        "title": row.title,
        "task": row.task,
        "models": row.heading,
        "does": row.does,
        "use": row.use if row.image_ranker is not None else None,
        "learnsFrom": learns_from,
    }


if __name__ == "__main__":
    sys.stdout.write(script())
