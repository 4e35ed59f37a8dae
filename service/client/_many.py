"""Calls over many architectures: what can be sent, in requests of a size that the service takes, and one
answer from several.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

from service.client._architectures import Architecture, encode, is_one
from service.client._errors import ApiError, refusal
from service.client._results import Ranking
from service.client._written import to_json
from service.contract.many import Order
from service.contract.options import Observation
from service.contract.results import Comparison, Embeddings, RankedArchitecture, SkippedArchitecture
from service.errors import InvalidRequest

# What the service takes in one request, unless its operator says otherwise.
MOST_AT_ONCE = 10_000
MOST_BYTES_AT_ONCE = 32 * 2**20


@dataclass(frozen=True, slots=True)
class Many:
    """texts: what is sent, a JSON text each: thousands are written once. indices: their places in what the
    caller passed. skipped: what cannot even be sent.
    """

    texts: Sequence[bytes]
    indices: Sequence[int]
    skipped: Sequence[SkippedArchitecture]

    def parts(self) -> Iterator[Many]:
        """The same in pieces for one request each; one piece at least, without documents if there are
        none. What is skipped stays with the whole.
        """
        start = size = 0
        for place, length in enumerate(map(len, self.texts)):
            if place > start and (place - start == MOST_AT_ONCE or size + length > MOST_BYTES_AT_ONCE):
                yield self._part(start, place)
                start, size = place, 0
            size += length
        yield self._part(start, len(self.texts))

    def lines(self) -> bytes:
        """JSON lines, which the service passes on as they are: one JSON document it would have to parse."""
        return b"\n".join(self.texts)

    def place(self, index: int) -> int:
        """The caller's index of the document at `index`; the same where the service says what cannot be."""
        return self.indices[index] if 0 <= index < len(self.indices) else index

    def _part(self, start: int, end: int) -> Many:
        return Many(self.texts[start:end], self.indices[start:end], ())


def encode_many(architectures: Iterable[Architecture]) -> Many:
    """What cannot be read on this side is set aside with the reason, and does not stop the rest.

    Raises Refused for one architecture in the place of several.
    """
    if is_one(architectures):
        problem = InvalidRequest(
            f"A list of architectures was expected, and not one of type {type(architectures).__name__}.",
            field="/architectures",
            hint="Put it into a list: [architecture].",
        ).problem()
        raise refusal(problem)
    texts, indices, skipped = [], [], []
    for index, architecture in enumerate(architectures):
        try:
            texts.append(to_json(encode(architecture).document).encode())
            indices.append(index)
        except ApiError as error:
            skipped.append(
                SkippedArchitecture.model_validate(
                    {
                        "index": index,
                        "name": _name(architecture),
                        "reason": error.detail,
                        "problem": dict(error.problem),
                    }
                )
            )
    return Many(texts, indices, skipped)


def encode_observations(
    observations: Iterable[tuple[Architecture, float | None]],
) -> list[Observation]:
    """All or nothing: a predictor that silently learned from a part would mislead. Raises ApiErrors."""
    return [
        Observation(architecture=dict(encode(architecture).document), value=_sendable(value))
        for architecture, value in observations
    ]


def _sendable(value: float | None) -> float | None:
    """JSON knows finite numbers only; everything else is a training that failed."""
    return None if value is None or not isfinite(value) else float(value)


def _name(architecture: Any) -> str | None:
    name = architecture.get("name") if isinstance(architecture, Mapping) else None
    return name if isinstance(name, str) else None


def merge_rankings(
    many: Many, parts: Sequence[tuple[Many, Ranking]], *, order: Order | None, top_k: int | None
) -> Ranking:
    """Scores of one predictor can be compared, whatever request they come from."""
    rows: list[RankedArchitecture] = []
    for part, answer in parts:
        rows += [row.model_copy(update={"index": part.place(row.index)}) for row in answer.ranking]
    if len(parts) > 1:
        sign = -1 if (order or parts[0][1].order) == "descending" else 1
        rows.sort(key=lambda row: (row.score is None, sign * (row.score or 0.0), row.index))
        rows = [row.model_copy(update={"rank": rank}) for rank, row in enumerate(rows[:top_k], start=1)]
    skipped = _skipped(many, parts)
    return parts[0][1].model_copy(update={"ranking": rows, "skipped": skipped, "timings_ms": _timings(parts)})


def merge_embeddings(many: Many, parts: Sequence[tuple[Many, Embeddings]]) -> Embeddings:
    vectors: list[list[float]] = []
    indices: list[int] = []
    for part, answer in parts:
        vectors += answer.embeddings
        indices += _indices(part, answer)
    skipped = _skipped(many, parts)
    return parts[0][1].model_copy(
        update={
            "embeddings": vectors,
            "indices": indices,
            "skipped": skipped,
            "timings_ms": _timings(parts),
        }
    )


def _timings(parts: Sequence[tuple[Many, Ranking | Embeddings]]) -> dict[str, float]:
    """Summed by stage: the work of all requests."""
    total: dict[str, float] = {}
    for _, answer in parts:
        for stage, ms in answer.timings_ms.items():
            total[stage] = round(total.get(stage, 0.0) + ms, 2)
    return total


def with_places(many: Many, answer: Comparison) -> Comparison:
    skipped = _skipped(many, [(many, answer)])
    return answer.model_copy(update={"indices": _indices(many, answer), "skipped": skipped})


def _indices(part: Many, answer: Embeddings | Comparison) -> list[int]:
    return [part.place(index) for index in answer.indices]


def _skipped(
    many: Many, parts: Sequence[tuple[Many, Ranking | Embeddings | Comparison]]
) -> list[SkippedArchitecture]:
    skipped = list(many.skipped)
    for part, answer in parts:
        skipped += [item.model_copy(update={"index": part.place(item.index)}) for item in answer.skipped]
    return sorted(skipped, key=lambda item: item.index)
