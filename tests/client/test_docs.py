"""The Python in the documentation runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from service.settings import Settings
from service.store.workers import WorkerInfo
from tests.api.conftest import add_model
from tests.api.fake_worker import FakeWorker
from tests.api.test_rank import ranker

__all__ = ["ranker"]

ROOT = Path(__file__).parents[2]
BLOCKS = [
    pytest.param(block, id=f"{name}:{index}")
    for name in ("README.md", "docs/client.md")
    for index, block in enumerate(re.findall(r"```python\n(.*?)```", (ROOT / name).read_text(), re.DOTALL))
]


@pytest.mark.parametrize("block", BLOCKS)
def test_python_blocks_run(
    block: str,
    url: str,
    worker: FakeWorker,
    api_settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    add_model(api_settings.home, "ghn2-cifar10")
    worker.queues = ["predict", "rank", "training"]
    for queue in worker.queues[1:]:
        worker.registry.announce(WorkerInfo(queue=queue, name="fake:1"), 600)
    monkeypatch.chdir(tmp_path)
    # The worker of these tests does not tile: a smaller network keeps them quick.
    code = block.replace("http://127.0.0.1:8000", url).replace("resnet50", "resnet18")
    exec(compile(code, "<documentation>", "exec"), {"__name__": "documentation"})


@pytest.mark.parametrize("page", ["fine-tune", "search"])
def test_tutorials_run(
    page: str,
    url: str,
    worker: FakeWorker,
    request: pytest.FixtureRequest,
    api_settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The blocks of a tutorial build on each other."""
    add_model(api_settings.home, "my-digits")
    if page == "search":
        request.getfixturevalue("ranker")
    else:
        worker.queues = ["predict", "training"]
        worker.registry.announce(WorkerInfo(queue="training", name="fake:1"), 600)
    monkeypatch.chdir(tmp_path)
    text = (ROOT / f"docs/tutorials/{page}.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    code = "\n".join(blocks).replace("http://127.0.0.1:8000", url)
    exec(compile(code, "<tutorial>", "exec"), {"__name__": "tutorial"})


def test_there_is_python_to_run() -> None:
    assert len(BLOCKS) >= 6
