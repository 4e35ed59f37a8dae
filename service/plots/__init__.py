"""Charts of results, drawn by matplotlib (the extra `plots`), for files and for notebooks.

Each takes a result as the command line's `--json`, the HTTP interface and `model_dump()` of the client's
answers have it, computes nothing new, and returns a `Chart`: a figure of matplotlib that shows itself in a
notebook and saves itself as PNG or SVG.

    >>> ranking_chart(answer).save("ranking.svg")
"""

from __future__ import annotations

from service.extras import optional_imports

with optional_imports():
    from service.plots.anytime import anytime_chart
    from service.plots.chart import Chart
    from service.plots.fine_tuning import fine_tuning_chart
    from service.plots.predictor_fit import predictor_chart
    from service.plots.ranking import ranking_chart
    from service.plots.search import search_chart
    from service.plots.training import training_chart
    from service.plots.weight_scales import weights_chart

__all__ = [
    "Chart",
    "anytime_chart",
    "fine_tuning_chart",
    "predictor_chart",
    "ranking_chart",
    "search_chart",
    "training_chart",
    "weights_chart",
]
