"""The Grafana dashboard and the alerts ask for metrics that the service has, with labels that they have."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml

from service.api.metrics import Metrics
from service.settings import Settings
from service.store.artifacts import ArtifactStore
from service.store.connection import connect
from service.store.jobs import JobStore
from service.store.workers import WorkerRegistry

FOLDER = Path(__file__).parents[1] / "monitoring"
DASHBOARD: dict[str, Any] = json.loads((FOLDER / "grafana-dashboard.json").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
QUERIES = [
    pytest.param(target["expr"], id=f"{panel['title']}-{target['refId']}")
    for panel in PANELS
    for target in panel["targets"]
]
RULES = [
    rule for group in yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"] for rule in group["rules"]
]
ALERTS = [pytest.param(rule["expr"], id=rule["alert"]) for rule in RULES]
# Labels that Prometheus and Kubernetes add.
ADDED_LABELS = {"job", "instance", "pod"}
_SELECTOR = re.compile(r"(weightcast_\w+)(?:\{([^}]*)\})?")
_GROUPING = re.compile(r"\b(?:by|without) \(([^)]*)\)")


@pytest.fixture
def labels_of(settings: Settings) -> dict[str, set[str]]:
    """Metric name, as it is asked for -> labels it can have."""
    store = JobStore.from_settings(settings)
    metrics = Metrics(store, WorkerRegistry(connect(settings)), ArtifactStore(settings.artifact_dir))
    found: dict[str, set[str]] = {}
    for collector in metrics.registry._collector_to_names:
        labels = set(getattr(collector, "_labelnames", ()))
        for family in collector.collect():
            of_family = labels | set(getattr(family, "_labelnames", ()))
            found[family.name + ("_total" if family.type == "counter" else "")] = of_family
            if family.type == "histogram":
                del found[family.name]
                found[f"{family.name}_bucket"] = {*of_family, "le"}
                found[f"{family.name}_sum"] = found[f"{family.name}_count"] = of_family
    return found


@pytest.mark.parametrize("query", [*QUERIES, *ALERTS])
def test_queries_ask_for_what_there_is(query: str, labels_of: dict[str, set[str]]) -> None:
    known = set(ADDED_LABELS)
    selectors = _SELECTOR.findall(query)
    assert selectors, query
    for metric, matchers in selectors:
        assert metric in labels_of, metric
        known |= labels_of[metric]
        used = {matcher.split("=")[0].rstrip("!").strip() for matcher in matchers.split(",") if matcher}
        assert used <= labels_of[metric] | ADDED_LABELS, (metric, used)
    grouped = {name.strip() for names in _GROUPING.findall(query) for name in names.split(",")}
    assert grouped <= known, grouped
    assert query.count("(") == query.count(")") and query.count("{") == query.count("}")


def test_every_metric_is_on_the_dashboard(labels_of: dict[str, set[str]]) -> None:
    text = json.dumps(PANELS)
    asked = set(re.findall(r"weightcast_\w+", text))
    families = {re.sub(r"_(bucket|sum|count)$", "", metric) for metric in labels_of}
    missing = {family for family in families if not any(name.startswith(family) for name in asked)}
    assert not missing


def test_every_metric_is_documented(labels_of: dict[str, set[str]]) -> None:
    page = (FOLDER.parent / "docs" / "observability.md").read_text()
    rows = re.findall(r"^\| `(weightcast_\w+)` \|([^|]*)\|", page, re.MULTILINE)
    documented = {metric: set(re.findall(r"`(\w+)`", labels)) for metric, labels in rows}
    expected = {
        re.sub(r"_(bucket|sum|count)$", "", metric): labels - {"le"} for metric, labels in labels_of.items()
    }
    assert documented == expected


def test_numbers_that_every_api_process_repeats_are_not_summed() -> None:
    shared = re.compile(
        r"weightcast_(job_|jobs_|queue_|workers|worker_|unfinished|oldest|artifact|unsupported)"
    )
    for query in [parameter.values[0] for parameter in (*QUERIES, *ALERTS)]:
        if shared.search(str(query)):
            assert re.search(r"max (without \(instance, pod\)|by \([^)]*\)) \(", str(query)), query


def test_the_dashboard_can_be_imported() -> None:
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(ids) == len(set(ids)) and DASHBOARD["uid"] == "weightcast"
    assert all(panel["title"] and panel["description"].endswith(".") for panel in PANELS)
    assert all(panel["datasource"]["uid"] == "${datasource}" for panel in PANELS)
    boxes = sorted((p["gridPos"]["y"], p["gridPos"]["x"], p["gridPos"]["w"]) for p in DASHBOARD["panels"])
    for (y, x, width), (next_y, next_x, _) in pairwise(boxes):
        assert next_y > y or next_x >= x + width, "panels overlap"
    assert all(x + width <= 24 for _, x, width in boxes)


def test_prometheus_is_told_where_to_look() -> None:
    config = yaml.safe_load((FOLDER / "prometheus.yml").read_text())
    (scrape,) = config["scrape_configs"]
    assert scrape["metrics_path"] == "/metrics" and scrape["job_name"] == "weightcast"
    assert [(FOLDER / name).exists() for name in config["rule_files"]] == [True]
    assert all(rule["annotations"]["summary"] and rule["labels"]["severity"] for rule in RULES)
