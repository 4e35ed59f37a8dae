"""Cards of models as people read them on a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from service.contract.kinds import KINDS

_WIDTH = 100
_LABEL_WIDTH = 34


def purpose(card: Mapping[str, Any]) -> str:
    """What a model does: "ranks by latency"."""
    kind = KINDS.get(card["kind"])
    does = (kind and kind.does) or card["kind"]
    measured = (card.get("training") or {}).get("property")
    return f"{does} by {measured}" if measured else does


def row(card: Mapping[str, Any], defaults: Iterable[str]) -> tuple[str, ...]:
    """Cells of a list: name, purpose, data, classes, size, whether it answers where none is named or hides
    another.
    """
    size = card.get("size")
    return (
        card["name"],
        purpose(card),
        str(card["dataset"] or ""),
        str(card["num_classes"] or ""),
        _megabytes(size) if size else "",
        ", ".join(_remarks(card, defaults)),
    )


def _remarks(card: Mapping[str, Any], defaults: Iterable[str]) -> Iterator[str]:
    if card["name"] in defaults:
        yield "default"
    if card.get("hides_shipped"):
        yield "hides the shipped one"


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size >= 1e5 else f"{size / 1e3:.1f} kB"


def card_lines(card: Mapping[str, Any], defaults: Iterable[str]) -> Iterator[str]:
    """A whole card: what it is for, its scores, how it was made."""
    yield f"{card['name']}: {purpose(card)}{' (default)' if card['name'] in defaults else ''}"
    if card.get("description"):
        yield from textwrap.wrap(card["description"], _WIDTH)
    scores = dict(card.get("scores") or {})
    note = scores.pop("note", None)
    yield from _section("Scores", _score_rows(scores))
    if isinstance(note, str):
        yield from textwrap.wrap(note, _WIDTH, initial_indent="  ", subsequent_indent="  ")
    data = {"data set": card.get("dataset"), "classes": card.get("num_classes")}
    also = card.get("also") or {}
    more = {"also data set": also.get("dataset"), "classes of it": also.get("num_classes")}
    made = {**data, **more, **(card.get("training") or {})}
    yield from _section("Made from", ((name.replace("_", " "), text(value)) for name, value in made.items()))
    yield ""
    yield f"Digest {card['digest']}"


def _section(title: str, rows: Iterable[tuple[str, str]]) -> Iterator[str]:
    kept = [(name, value) for name, value in rows if value]
    if not kept:
        return
    yield ""
    yield title
    width = min(_LABEL_WIDTH, max(len(name) for name, _ in kept))
    for name, value in kept:
        lines = textwrap.wrap(value, max(30, _WIDTH - width - 4)) or [""]
        # A long name has a line of its own.
        if len(name) > width:
            yield f"  {name}"
            name = ""
        yield f"  {name:<{width}}  {lines[0]}"
        for line in lines[1:]:
            yield f"  {'':<{width}}  {line}"


def _score_rows(scores: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    rest = dict(scores)
    tau, interval = rest.pop("kendall_tau_cv", None), rest.pop("interval", None)
    if tau is not None:
        yield "cross-validation", _tau(tau, interval)
    for name, score in rest.items():
        yield name.replace("_", " "), score_text(score)


def score_text(score: Any) -> str:
    """One score in words: Kendall's tau with its interval, a mean with its error, or what is there."""
    if not isinstance(score, Mapping):
        return text(score)
    if "kendall_tau" in score:
        networks = f", {score['networks']:,} networks" if "networks" in score else ""
        return _tau(score["kendall_tau"], score.get("interval")) + networks
    if "mean" in score:
        parts = [f"{score['mean']:.1f}%" + (f" ± {score['stderr']:.1f}" if "stderr" in score else "")]
        count = score.get("n") or score.get("networks")
        parts += [f"mean of {count:,} networks"] if count else []
        parts += [f"best {score['max']:.1f}%"] if "max" in score else []
        parts += [f"untrained {score['random_init_mean']:.1f}%"] if "random_init_mean" in score else []
        return ", ".join(parts)
    # Several methods side by side, each with its mean and the error of that.
    pairs = {name: pair for name, pair in score.items() if isinstance(pair, list) and len(pair) == 2}
    if pairs and len(pairs) == len(score):
        return ", ".join(f"{name} {mean:.2f} ± {error:.2f}" for name, (mean, error) in pairs.items())
    return text(score)


def _tau(tau: float, interval: Any) -> str:
    span = f" ({interval[0]:.2f} to {interval[1]:.2f})" if interval else ""
    return f"Kendall's tau {tau:.2f}{span}"


def text(value: Any) -> str:
    """A value of a card without brackets and quotes."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name.replace('_', ' ')} {text(entry)}" for name, entry in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(text(entry) for entry in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}" if value < 1e5 else f"{value:,.0f}"
    if isinstance(value, int):
        return f"{value:,}"
    return "" if value is None else str(value)
