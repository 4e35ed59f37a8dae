"""How sure a predictor is, in a sentence."""

from __future__ import annotations

from service.predictors.regressors.few_shot import CrossValidation

# Below, or with an interval wider than that, more observations are worth more than anything else.
_FEW = 30
_WIDE = 0.3


def certainty(observations: int, score: CrossValidation, *, networks: int | None = None) -> str:
    """What cross-validation over so many observations means, for a person. networks: how many different ones
    were observed, where that is another number.

    Kendall's tau is the share of pairs in the right order minus the share in the wrong one.
    """
    networks = observations if networks is None else networks
    of = f"{observations} observations"
    if networks != observations:
        of += f" of {networks} different networks"
    interval = f"90% interval of Kendall's tau {score.low:.2f} to {score.high:.2f}"
    if score.low <= 0:
        return (
            f"From {of} it cannot be told whether this predictor ranks better than "
            f"chance ({interval}). Add observations."
        )
    right, low, high = (f"{50 * (1 + tau):.0f}%" for tau in (score.tau, score.low, score.high))
    sentence = (
        f"In cross-validation on {of} it put the better of two unseen architectures first "
        f"{right} of the time (90% interval {low} to {high}; Kendall's tau {score.tau:.2f}, "
        f"{score.low:.2f} to {score.high:.2f})."
    )
    if networks < _FEW or score.high - score.low > _WIDE:
        sentence += " These are few results: take the order as a hint, and add more."
    return sentence
