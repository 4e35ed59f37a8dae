"""What doctor found, as checks: a mark, a name and a sentence each, and what to do about the bad ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from typing import Any, TypeAlias

from service.cli.failures import as_sentence
from service.kit.json_types import JsonObject

LEAST_FREE_BYTES = 2**30
# What one look brought, for its check and for --json; `error` and `hint` where it could not be taken.
Section: TypeAlias = JsonObject


class Mark(StrEnum):
    OK = "OK"
    WARN = "WARN"
    FAIL = "FAIL"


@dataclass(frozen=True, slots=True)
class Check:
    """advice: what to do, empty where the mark is OK."""

    mark: Mark
    name: str
    text: str
    advice: str = ""


def checks(report: Mapping[str, Any]) -> list[Check]:
    """report: what doctor gathered, by section."""
    return [
        _prediction(report["prediction"]),
        *_service(report["service"]),
        *_installation(report["versions"]),
        _device(report["device"]),
        _disk(report["disk"]),
        *_models(report["models"]),
        *_redis(report["redis"]),
        *_variables(report["unknown_variables"], report["settings"]),
    ]


def verdict(report: Mapping[str, Any], results: list[Check]) -> str:
    """The answer to what the user wants to know first."""
    failed = sum(check.mark is Mark.FAIL for check in results)
    warned = sum(check.mark is Mark.WARN for check in results)
    here = "cannot predict here" if "error" in report["prediction"] else "can predict here"
    rest = [
        f"{count} {word}{'' if count == 1 else 's'}"
        for count, word in ((failed, "failure"), (warned, "warning"))
        if count
    ]
    return f"Weightcast {here}" + (f"; {' and '.join(rest)}, see below." if rest else ". All is well.")


def lines(report: Mapping[str, Any]) -> list[str]:
    """The verdict, then a line for each check, and below a bad one what to do."""
    results = checks(report)
    width = max(len(check.name) for check in results)
    shown = [verdict(report, results), ""]
    for check in results:
        shown.append(f"{check.mark:<4}  {check.name:<{width}}  {check.text}")
        if check.advice:
            shown.append(f"{'':<{width + 8}}{check.advice}")
    return shown


def _failed(name: str, section: Mapping[str, Any], mark: Mark = Mark.FAIL) -> Check:
    return Check(mark, name, as_sentence(section["error"]), section.get("hint", ""))


def _prediction(section: Mapping[str, Any]) -> Check:
    if "error" in section:
        return _failed("prediction", section)
    text = (
        f"{section['model']} predicted {section['num_parameters']:,} parameters in {section['seconds']:.2f} s"
    )
    return Check(Mark.OK, "prediction", text)


def _service(section: Mapping[str, Any]) -> Iterator[Check]:
    if not section:
        yield Check(Mark.OK, "service", "none runs from this home; `weightcast serve` starts one")
        return
    if "error" in section:
        yield _failed("service", section)
        return
    url = section["url"]
    if section["ready"]:
        yield Check(Mark.OK, "service", f"{url} is ready")
    else:
        missing = [name for name, part in section["checks"].items() if not part.get("ok")]
        yield Check(
            Mark.FAIL,
            "service",
            f"{url} answers, but is not ready: {', '.join(missing)}",
            f"{url}/readyz and the log of the service say more.",
        )
    if "key_error" in section:
        yield Check(
            Mark.FAIL,
            "api key",
            as_sentence(section["key_error"]),
            "Give a key with --api-key or WEIGHTCAST_API_KEY.",
        )


def _installation(versions: Mapping[str, str]) -> Iterator[Check]:
    known = ("weightcast", "python", "torch", "numpy", "onnx")
    text = ", ".join(f"{name} {versions[name]}" for name in known)
    yield Check(Mark.OK, "versions", text)


def _device(section: Mapping[str, Any]) -> Check:
    if "error" in section:
        return _failed("device", section)
    gpus = ", ".join(section["gpus"]) or "no GPU"
    return Check(
        Mark.OK,
        "device",
        f"{section['predictions']}; {section['cpus']} cores, {section['threads']} threads; {gpus}; "
        + ("compiled GNN" if section["compiled_gnn"] else "GNN in numpy: no C++ compiler at installation"),
    )


def _disk(section: Mapping[str, Any]) -> Check:
    if "error" in section:
        return _failed("disk", section)
    free = section["free_bytes"]
    text = f"{section['home']}: {size(free)} free, {size(section['artifact_bytes'])} of stored files"
    if not section["writable"]:
        return Check(
            Mark.FAIL,
            "disk",
            f"{section['home']} cannot be written to",
            "Set WEIGHTCAST_HOME to a folder that can.",
        )
    if free < LEAST_FREE_BYTES:
        return Check(Mark.WARN, "disk", text, "Less than 1 GB is free, and weights need room.")
    return Check(Mark.OK, "disk", text)


def _models(section: Mapping[str, Any]) -> Iterator[Check]:
    if "error" in section:
        yield _failed("models", section)
        return
    yield Check(Mark.OK, "models", ", ".join(section) or "none")
    if hiding := [name for name, facts in section.items() if facts["hides_shipped"]]:
        yield Check(
            Mark.WARN, "models",
            f"your own {', '.join(hiding)} is used instead of the shipped model of this name",
            f"If you want the shipped one, run `weightcast models remove {hiding[0]}`.",
        )  # fmt: skip


def _redis(section: Mapping[str, Any]) -> Iterator[Check]:
    if "note" in section:
        yield Check(Mark.OK, "redis", section["note"])
        return
    if "error" in section:
        yield _failed("redis", section)
        return
    policy = section["policy"]
    workers = ", ".join(f"{count} {queue}" for queue, count in section["workers"].items()) or "no workers"
    text = f"version {section['version']}, {size(section['used_bytes'])} used, {policy}; {workers}"
    if policy != "noeviction":
        yield Check(
            Mark.FAIL,
            "redis",
            text,
            "It would drop jobs when it is full: set its maxmemory-policy to noeviction.",
        )
    else:
        yield Check(Mark.OK, "redis", text)
    for queue, waiting in section["waiting"].items():
        if not section["workers"].get(queue) and (waiting or queue == "predict"):
            served = "predict" if queue == "rank" else queue
            yield Check(
                Mark.WARN,
                "workers",
                f"none serves the queue {queue}, where {waiting} jobs wait",
                f"Start one: weightcast worker --queues {served}",
            )


def _variables(unknown: list[str], settings: Mapping[str, str]) -> Iterator[Check]:
    for name in unknown:
        meant = get_close_matches(name, settings, n=1)
        yield Check(
            Mark.WARN,
            "settings",
            f"{name} is not a setting",
            f"Did you mean {meant[0]}?" if meant else "docs/configuration.md lists all settings.",
        )


def size(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e8 else f"{count / 1e6:.1f} MB"
