"""Colours of the page: text at 4.5 to 1, what else must be seen at 3 to 1 (WCAG 2.2, 1.4.3 and 1.4.11)."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest

_COLOUR = re.compile(r"--([a-z-]+): (#[0-9a-f]{6});")


def _sheet(name: str) -> str:
    return files("service.api").joinpath("web", name).read_text()


_STYLE = _sheet("style.css")
# Light ones first, for every browser; then the same names in the query for dark.
_LIGHT, _DARK = (dict(_COLOUR.findall(part)) for part in _STYLE.split("@media (prefers-color-scheme: dark)"))
_FOUND = {name: {"light": light, "dark": _DARK.get(name, "")} for name, light in _LIGHT.items()}
KINDS = [name for name in _FOUND if name.startswith("kind-")]

GROUNDS = ("paper", "card")
_ON_GROUNDS = [(text, ground) for text in ("ink", "quiet", "bad", "accent") for ground in GROUNDS]
# What is written on buttons and nodes; tags are written in the colours of nodes.
_ON_FILLED = [("on-accent", "accent"), *(("on-node", kind) for kind in KINDS)]
_TAGS = [(kind, "card") for kind in ("kind-norm", "kind-conv", "kind-pool")]
TEXT = [*_ON_GROUNDS, *_ON_FILLED, *_TAGS]
SHAPES = [(shape, ground) for shape in ("edge", *KINDS) for ground in GROUNDS]


def luminance(colour: str) -> float:
    """Relative luminance of `#rrggbb`, 0 to 1."""
    shares = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (
        share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """1 to 21."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_the_formula() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


def test_every_colour_is_known() -> None:
    assert len(KINDS) == 9 and _LIGHT.keys() == _DARK.keys()
    assert {
        "ink",
        "quiet",
        "paper",
        "card",
        "line",
        "edge",
        "accent",
        "bad",
        "on-node",
        "on-accent",
    } <= _FOUND.keys()
    # A colour that stands elsewhere would be right in one scheme only, and would not be checked here.
    rules = _STYLE.split("* { box-sizing", 1)[1]
    for sheet in (
        rules,
        *(_sheet(name) for name in ("parts.css", "graph.css", "charts.css", "models.css", "docs.css")),
    ):
        assert not re.search(r": [^;]*#[0-9a-f]{3,8}\b|rgba?\(|hsla?\(", sheet)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("text", "ground"), TEXT)
def test_text_can_be_read(text: str, ground: str, scheme: str) -> None:
    assert contrast(_FOUND[text][scheme], _FOUND[ground][scheme]) >= 4.5


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("shape", "ground"), SHAPES)
def test_shapes_can_be_seen(shape: str, ground: str, scheme: str) -> None:
    assert contrast(_FOUND[shape][scheme], _FOUND[ground][scheme]) >= 3
