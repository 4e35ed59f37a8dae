"""The OpenAPI document as text: `python -m service.api.describe > docs/openapi.json`."""

from __future__ import annotations

import json
import sys

from service.api.app import create_app
from service.settings import Settings


def openapi_text() -> str:
    """What GET /openapi.json answers, in a form that diffs well. Connects to nothing."""
    app = create_app(Settings(redis_url="unix:///not-used"))
    return json.dumps(app.openapi(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(openapi_text())
