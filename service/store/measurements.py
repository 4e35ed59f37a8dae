"""What happened to jobs, counted in Redis: every API process shows the same numbers, and none is lost when
one of them, or a worker, is restarted.

The scripts that change a job's state count in the same step, so each job counts once, whoever ended it. All
times are on Redis' clock. A job that the API closes at once with a known answer (its token is its own id) is
no work and counts as a cache hit only.

Operators that no reader knows are the users' words: the first hundred names have a count of their own, all
others share one.

One hash: `COUNTER|label...` -> count; `HISTOGRAM|label...|N` -> observations in bucket N alone, not in those
below it; `HISTOGRAM|label...|sum` -> seconds.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypedDict

import redis

from service.store.connection import redis_or_unavailable

KEY = "wc:measured"
OTHER = "other"

# 1 ms to a week, each 2.25 times the one before: the same relative precision for a graph and for a training.
BOUNDS_SECONDS = tuple(float(f"{0.001 * 2.25**step:.4g}") for step in range(26))

COUNTERS = ("jobs", "failures", "redeliveries", "unsupported")
HISTOGRAMS = ("queue_wait", "duration", "stage")

# Names of operators that are told apart.
MOST_OPERATORS = 100

LUA = f"""
local function clock()
  local time = redis.call('TIME')
  return tonumber(time[1]) + tonumber(time[2]) / 1000000
end
local function count(name)
  redis.call('HINCRBY', '{KEY}', name, 1)
end
local function refused(operators)
  for operator, times in pairs(operators) do
    local name = 'unsupported|' .. operator
    if operator ~= '{OTHER}' and redis.call('HEXISTS', '{KEY}', name) == 0 then
      if tonumber(redis.call('HGET', '{KEY}', 'operators') or 0) < {MOST_OPERATORS} then
        redis.call('HINCRBY', '{KEY}', 'operators', 1)
      else
        name = 'unsupported|{OTHER}'
      end
    end
    redis.call('HINCRBY', '{KEY}', name, times)
  end
end
local function observe(name, seconds)
  local bounds = {{{", ".join(map(str, BOUNDS_SECONDS))}}}
  local bucket = 0
  while bucket < #bounds and seconds > bounds[bucket + 1] do bucket = bucket + 1 end
  redis.call('HINCRBY', '{KEY}', name .. '|' .. bucket, 1)
  redis.call('HINCRBYFLOAT', '{KEY}', name .. '|sum', string.format('%.6f', seconds))
end
"""

_REFUSED = f"{LUA}\nrefused(cjson.decode(ARGV[1]))"
_OPERATOR = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
_WORD = re.compile(r"[a-z0-9_.-]{1,64}")


@dataclass(slots=True)
class Observations:
    """A histogram with one set of labels. buckets: observations in each bucket alone; the last has no upper
    bound.
    """

    buckets: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS_SECONDS) + 1))
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Measured:
    """Everything that was counted: by name, then by labels.

    jobs: (kind, status) -> jobs that ended. failures: (kind, problem code). redeliveries: (kind,) -> attempts
    after the first. unsupported: (operator,) -> architectures that were refused for it. queue_wait: (kind,).
    duration: (kind, status). stage: (kind, stage).
    """

    counters: Mapping[str, Mapping[tuple[str, ...], int]]
    histograms: Mapping[str, Mapping[tuple[str, ...], Observations]]


class Facts(TypedDict, total=False):
    """What the end of a job tells beside its status. problem: its code. stages: seconds by stage. operators:
    how many architectures were refused for each, all of a request or single ones.
    """

    problem: str
    stages: dict[str, float]
    operators: dict[str, int]


def facts_of(result_or_problem: Mapping[str, Any]) -> Facts:
    """What there is to count of the end of a job.

    Only words go into labels; there must not be arbitrarily many of them.
    """
    facts: Facts = {}
    problems = [result_or_problem]
    skipped = result_or_problem.get("skipped")
    if "type" in result_or_problem:
        code = str(result_or_problem["type"]).rstrip("/").rpartition("/")[2]
        facts["problem"] = code if _WORD.fullmatch(code) else OTHER
    else:
        # A training calls the networks that it skipped so, too, and says how many.
        listed = skipped if isinstance(skipped, list) else []
        problems = [entry["problem"] for entry in listed if "problem" in entry]
    timings = result_or_problem.get("timings_ms")
    if isinstance(timings, Mapping):
        facts["stages"] = {
            stage: ms / 1e3
            for stage, ms in timings.items()
            if stage != "total" and _WORD.fullmatch(stage) and isinstance(ms, int | float)
        }
    if operators := _operators(problems):
        facts["operators"] = operators
    return facts


def _operators(problems: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """How many architectures were refused for each operator."""
    counts: Counter[str] = Counter()
    for problem in problems:
        if "operator" in problem:
            name = str(problem["operator"])
            counts[name if _OPERATOR.fullmatch(name) else OTHER] += 1
    kept = dict(counts.most_common(MOST_OPERATORS))
    rest = counts.total() - sum(kept.values())
    return {**kept, OTHER: kept.get(OTHER, 0) + rest} if rest else kept


@redis_or_unavailable()
def count_unsupported(client: redis.Redis, problem: Mapping[str, Any]) -> None:
    """Count an architecture that was refused before it became a job. Errors: Unavailable."""
    if operators := _operators([problem]):
        client.eval(_REFUSED, 0, json.dumps(operators))


@redis_or_unavailable()
def read_measured(client: redis.Redis) -> Measured:
    """Errors: Unavailable."""
    return decode(client.hgetall(KEY).items())


def decode(fields: Iterable[tuple[str, str]]) -> Measured:
    """The numbers of the hash's fields; those of another version are left out."""
    counters: dict[str, dict[tuple[str, ...], int]] = {name: {} for name in COUNTERS}
    histograms: dict[str, dict[tuple[str, ...], Observations]] = {name: {} for name in HISTOGRAMS}
    for key, value in fields:
        name, *labels = key.split("|")
        if name in counters:
            counters[name][tuple(labels)] = int(value)
        elif name in histograms:
            *labels, place = labels
            seen = histograms[name].setdefault(tuple(labels), Observations())
            if place == "sum":
                seen.seconds = float(value)
            elif int(place) < len(seen.buckets):
                seen.buckets[int(place)] = int(value)
    return Measured(counters, histograms)
