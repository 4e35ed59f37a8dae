"""The files of the page as they are served: all that a page asks for is there, and is asked for once."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from service.api import pages
from service.api.kinds_script import script

WEB = files("service.api").joinpath("web")
NAMES = sorted(entry.name for entry in WEB.iterdir() if entry.is_file())


@pytest.fixture
def client() -> TestClient:
    app = FastAPI()
    app.include_router(pages.router)
    return TestClient(app)


@pytest.mark.parametrize("name", NAMES)
def test_a_file_that_is_known_is_not_sent_again(client: TestClient, name: str) -> None:
    first = client.get(f"/web/{name}")
    assert first.content == WEB.joinpath(name).read_bytes()
    assert "default-src 'self'" in first.headers["Content-Security-Policy"]
    again = client.get(f"/web/{name}", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    changed = client.get(f"/web/{name}", headers={"If-None-Match": '"another"'})
    assert changed.content == first.content


@pytest.mark.parametrize("name", [name for name in NAMES if name.endswith(".js")])
def test_modules_import_what_there_is(name: str) -> None:
    """Names that other modules do not export would stop the whole page."""
    text = WEB.joinpath(name).read_text()
    for imported, module in re.findall(r'import \{([^}]+)\} from "\./([^"]+)"', text):
        assert module in NAMES
        exported = re.findall(
            r"^export (?:async )?(?:const|function\*?|class) (\w+)", WEB.joinpath(module).read_text(), re.M
        )
        assert {word.strip() for word in imported.split(",")} <= set(exported)


def test_the_page_knows_the_kinds_of_the_registry() -> None:
    """`python -m service.api.kinds_script > service/api/web/kinds.js` makes it again."""
    assert WEB.joinpath("kinds.js").read_text() == script()
