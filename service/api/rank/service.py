"""A call over many architectures, from what was asked to the answer: an artifact, a job, and a wait."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from functools import partial

import anyio.to_thread
from starlette.responses import Response

from service import errors
from service.api.keys import Principal
from service.api.kit.calls import Call
from service.api.models import find_model
from service.api.services import Services
from service.contract.kinds import plays
from service.contract.many import EmbedOptions, ManyPayload, RankOptions
from service.contract.options import BUILT_IN_DATA
from service.contract.scoring import STRUCTURE, scorer, with_images
from service.graph_io.entries import common_space
from service.models.catalog import default_predictor
from service.properties import best_first
from service.settings import Settings
from service.store.queue import enqueue
from service.store.records import About, Job

QUEUE = "rank"
# Raised when an answer to the same request would be another one.
ANSWER_VERSION = 2


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of the architectures. options: with the names of what answers. digest: of the model among
    them; None for what needs none.
    """

    kind: str
    options: RankOptions | EmbedOptions
    digest: str | None = None

    @property
    def model(self) -> str | None:
        return self.options.predictor if isinstance(self.options, RankOptions) else self.options.model

    @property
    def data(self) -> str | None:
        return self.options.data if isinstance(self.options, RankOptions) else None


def ranking(settings: Settings, options: RankOptions, lines: bytes) -> Question:
    """What a ranking is to do. UnknownModel, InvalidRequest. Blocking.

    lines: the architectures, a JSON text each.
    """
    name = options.predictor or default_predictor(options.property, _space_of(lines))
    digest, predicted = None, "accuracy"
    if name != STRUCTURE:
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
    order = options.order or best_first(predicted)
    return Question("rank", replace(options, predictor=name, property=predicted, order=order), digest)


def _space_of(lines: bytes) -> str | None:
    try:
        return common_space(json.loads(line) for line in lines.splitlines())
    except ValueError:
        return None


def embedding(settings: Settings, kind: str, options: EmbedOptions) -> Question:
    """What to embed with. UnknownModel, InvalidRequest. Blocking."""
    card = find_model(settings, options.model or settings.default_model)
    if card.kind != "ghn":
        raise errors.InvalidRequest(
            f"The model {card.name!r} is a {card.kind}; it does not embed networks.", field="/model"
        )
    return Question(kind, replace(options, model=card.name), card.digest)


async def answer(call: Call, question: Question, lines: bytes) -> Response:
    """200 or 202 with the job; the problem where the request was at fault.

    lines: the architectures, a JSON text each.
    """
    described = json.dumps([ANSWER_VERSION, asdict(question)], sort_keys=True).encode()
    key = (await anyio.to_thread.run_sync(hashlib.sha256, described + b"\n" + lines)).hexdigest()

    async def start() -> Job:
        return await anyio.to_thread.run_sync(_start, call.services, call.caller, question, lines, key)

    job = await call.job(f"{question.kind}-architectures", key, start)
    return call.failure(job) or call.answer(job, Vary="Prefer")


def _start(services: Services, caller: Principal, question: Question, lines: bytes, key: str) -> Job:
    """The job of an equal request that is under way, one that ends at once with the known answer, or a new
    one. Unavailable, TooManyRequests. Blocking.
    """
    jobs = services.jobs
    if (live := jobs.by_key(key)) is not None:
        return live
    about = About(model=question.model, architectures=lines.count(b"\n") + 1)
    create = partial(jobs.create, question.kind, owner=caller.id, queue=QUEUE, about=about)
    # Built-in images never change; what is in a folder may, and then an old answer is none.
    may_be_known = question.data is None or question.data in BUILT_IN_DATA
    if may_be_known and (known := services.cache.get(key)) is not None:
        return jobs.answered(create(key="", payload={}), known)
    services.admission.check(QUEUE, caller)
    payload: ManyPayload = {
        "options": asdict(question.options),
        "model_digest": question.digest,
        "architectures": services.artifacts.put_content(lines, "lines.json").name,
    }
    job = create(key=key, payload=payload)
    if job.is_new:
        enqueue(job, services.settings)
    return job
