"""A call over many architectures, from what was asked to the answer: an artifact, a job, and a wait."""

from __future__ import annotations

import hashlib
import json
from functools import partial

import anyio.to_thread
from starlette.responses import Response

from service import errors
from service.api.keys import Principal
from service.api.kit.calls import Call
from service.api.models import find_model
from service.api.services import Services
from service.contract.kinds import plays
from service.contract.many import (
    EmbedOptions,
    EmbedQuestion,
    Question,
    RankOptions,
    RankQuestion,
    model_of,
)
from service.contract.options import BUILT_IN_DATA
from service.contract.scoring import scorer, with_images
from service.graph_io.entries import common_space
from service.models.catalog import default_predictor
from service.properties import best_first
from service.settings import Settings
from service.store.queue import enqueue
from service.store.records import About, Job

QUEUE = "rank"
# Raised when an answer to the same request would be another one.
ANSWER_VERSION = 1
# Counts, and needs no model.
BUILT_IN = "structure"


def ranking_payload(settings: Settings, options: RankOptions, lines: bytes) -> RankQuestion:
    """What a ranking is to do. UnknownModel, InvalidRequest. Blocking.

    lines: the architectures, a JSON text each.
    """
    name = options.predictor or default_predictor(options.property, _space_of(lines))
    digest, predicted = None, "accuracy"
    if name != BUILT_IN:
        parts = scorer(name)
        card = find_model(settings, parts.model)
        if not plays(card.kind, parts.role):
            raise errors.InvalidRequest(
                f"The model {parts.model!r} is a {card.kind}; {parts.lacks}.",
                field="/predictor",
                hint=f"Models that generate weights rank with `data`, as {' or '.join(with_images())}.",
            )
        digest = card.digest
        if not parts.kind:
            predicted = str(card.training.get("property", predicted))
    if options.property not in (None, predicted):
        raise errors.InvalidRequest(
            f"The predictor {name!r} predicts {predicted!r}, not {options.property!r}.",
            field="/property",
            hint=f"Rank by {predicted!r}, or name a predictor that was fitted on the property.",
        )
    question: RankQuestion = {
        "predictor": name,
        "predictor_digest": digest,
        "property": predicted,
        "order": options.order or best_first(predicted),
        "unconnected": options.unconnected,
        "top_k": options.top_k,
    }
    if options.data is not None:
        question["on_images"] = {
            "data": options.data, "images": options.images, "skip_bad": options.skip_bad,
        }  # fmt: skip
    return question


def _space_of(lines: bytes) -> str | None:
    try:
        return common_space(json.loads(line) for line in lines.splitlines())
    except ValueError:
        return None


def embedding_payload(settings: Settings, options: EmbedOptions) -> EmbedQuestion:
    """What to embed with. UnknownModel, InvalidRequest. Blocking."""
    card = find_model(settings, options.model or settings.default_model)
    if card.kind != "ghn":
        raise errors.InvalidRequest(
            f"The model {card.name!r} is a {card.kind}; it does not embed networks.", field="/model"
        )
    return {"model": card.name, "model_digest": card.digest}


async def answer(call: Call, kind: str, lines: bytes, payload: Question) -> Response:
    """200 or 202 with the job; the problem where the request was at fault.

    lines: the architectures, a JSON text each.
    """
    described = json.dumps([ANSWER_VERSION, kind, payload], sort_keys=True).encode()
    key = (await anyio.to_thread.run_sync(hashlib.sha256, described + b"\n" + lines)).hexdigest()

    async def start() -> Job:
        return await anyio.to_thread.run_sync(
            partial(_start, call.services, call.caller, kind, lines, payload, key)
        )

    job = await call.job(f"{kind}-architectures", key, start)
    return call.failure(job) or call.answer(job, Vary="Prefer")


def _start(
    services: Services, caller: Principal, kind: str, lines: bytes, payload: Question, key: str
) -> Job:
    """The job of an equal request that is under way, one that ends at once with the known answer, or a new
    one. Unavailable, TooManyRequests. Blocking.
    """
    jobs = services.jobs
    about = About(
        model=model_of(payload), architectures=lines.count(b"\n") + 1
    )
    if (live := jobs.by_key(key)) is not None:
        return live
    # Built-in images never change; what is in a folder may, and then an old answer is none.
    on_images = payload.get("on_images")
    may_be_known = not isinstance(on_images, dict) or on_images.get("data") in BUILT_IN_DATA
    if may_be_known and (known := services.cache.get(key)) is not None:
        made = jobs.create(kind, key="", payload={}, owner=caller.id, queue=QUEUE, about=about)
        return jobs.answered(made, known)
    services.admission.check(QUEUE, caller)
    name = services.artifacts.put_content(lines, "lines.json").name
    sent = {"architectures": name, **payload}
    job = jobs.create(kind, key=key, payload=sent, owner=caller.id, queue=QUEUE, about=about)
    if job.is_new:
        enqueue(job, services.settings)
    return job
