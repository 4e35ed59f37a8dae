"""What the log says of an error, and what it keeps to itself."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
import structlog

from service.logs import configure_logging
from service.settings import Settings


@pytest.fixture
def own_logging() -> Iterator[None]:
    """Logging as it was, after the test."""
    root = logging.getLogger()
    handlers, level, before = root.handlers[:], root.level, structlog.get_config()
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.configure(**before)


def fails_with(presented: str) -> None:
    raise RuntimeError("unexpected")


@pytest.mark.parametrize("log_format", ["json", "console"])
@pytest.mark.usefixtures("own_logging")
def test_a_traceback_does_not_show_what_variables_held(
    log_format: str, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logging(Settings(log_format=log_format))
    secret = "".join(("a-key", "-of-someone"))
    try:
        fails_with(secret)
    except RuntimeError:
        structlog.get_logger("weightcast.test").exception("request.crashed")
    said = capsys.readouterr().err
    assert "unexpected" in said and "fails_with" in said and secret not in said
