"""Cards of models on a terminal."""

from __future__ import annotations

from typing import Any

import pytest

from service.cli.model_lines import card_lines, purpose, row, score_text

CARD: dict[str, Any] = {
    "name": "mine",
    "kind": "predictor",
    "dataset": None,
    "num_classes": None,
    "description": "For the night shift.",
    "digest": "ab" * 32,
    "size": 420_000,
    "training": {"property": "latency", "observations": 2000, "recipe": {"clip": 5.0, "stages": [1, 2]}},
    "scores": {"kendall_tau_cv": 0.7, "interval": [0.6, 0.8], "note": "Of one machine."},
}


def test_a_list_says_what_each_is_for() -> None:
    assert row(CARD, {"mine"}) == ("mine", "ranks by latency", "", "", "0.4 MB", "default")
    assert row({**CARD, "size": 1234}, ())[4:] == ("1.2 kB", "")
    assert row({**CARD, "hides_shipped": True}, {"mine"})[5] == "default, hides the shipped one"
    assert purpose({"kind": "ghn", "training": {}}) == "predicts weights"


def test_a_card_is_read_without_brackets() -> None:
    lines = list(card_lines(CARD, {"mine"}))
    assert lines[:2] == ["mine: ranks by latency (default)", "For the night shift."]
    text = "\n".join(lines)
    assert "cross-validation  Kendall's tau 0.70 (0.60 to 0.80)" in text
    assert "observations  2,000" in text and "clip 5, stages 1, 2" in text and "  Of one machine." in text
    assert not set("{}[]'") & set(text.replace("Kendall's", ""))


@pytest.mark.parametrize(
    ("score", "words"),
    [
        ({"kendall_tau": 0.5, "networks": 1000}, "Kendall's tau 0.50, 1,000 networks"),
        (
            {"mean": 49.24, "stderr": 0.74, "n": 60, "max": 57.8, "random_init_mean": 10.2},
            "49.2% ± 0.7, mean of 60 networks, best 57.8%, untrained 10.2%",
        ),
        ({"one": [0.454, 0.035], "other": [0.6, 0.03]}, "one 0.45 ± 0.04, other 0.60 ± 0.03"),
        (0.25, "0.25"),
    ],
)
def test_scores_in_words(score: Any, words: str) -> None:
    assert score_text(score) == words
