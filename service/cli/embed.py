"""weightcast embed: one vector for each network."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from service.cli import options, sources
from service.cli.console import ReportProgress, emit_json, progress_bar, say
from service.cli.failures import FAILED, REFUSED, report
from service.cli.from_contract import Values, checked, offers
from service.cli.remote import Refusal
from service.contract.many import EmbedOptions
from service.kit.json_types import JsonObject

DEFAULT_FILE = "embeddings.npz"


@offers(EmbedOptions, flags={"model": ("--model", "-m")}, completions={"model": options.ghn_names})
def embed(
    *,
    source: Annotated[
        list[str], typer.Argument(metavar="SOURCE...", help="The same sources as for `weightcast predict`.")
    ],
    values: Values,
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", metavar="FILE.npz", help=f"File to write. [default: {DEFAULT_FILE}]"),
    ] = None,
    url: options.Url = None,
    api_key: options.ApiKey = None,
    json: options.Json = False,
) -> None:
    """Embed networks as one vector each; similar networks get similar vectors.

    The vector is the mean of a GHN's node states. The file holds the arrays `embeddings` (networks, width)
    and `sources`. With --json and without -o, no file is written.
    """
    import numpy as np

    expanded, model = sources.expand(source), checked(EmbedOptions, values).model
    with progress_bar("embedding") as progress:
        if url is None:
            result = _here(expanded, model, progress)
        else:
            result = _there(expanded, model, progress, url, api_key)
    target = out if out is not None or json else Path(DEFAULT_FILE)
    if target is not None and result.names:
        with open(target, "wb") as file:
            np.savez(file, embeddings=result.embeddings, sources=np.array(result.names))
    if json:
        emit_json(_document(result.model, result.names, result.embeddings, target))
    elif result.names:
        width = result.embeddings.shape[1]
        say(f"{len(result.names)} embeddings of width {width} from {result.model} -> {target}")
    if result.statuses:
        raise typer.Exit(REFUSED if result.statuses == {REFUSED} else FAILED)


@dataclass(frozen=True, slots=True)
class _Embedded:
    """statuses: of the sources that failed, which `report` has told."""

    model: str
    names: list[str]
    embeddings: Any
    statuses: set[int]


def _here(names: list[str], model: str | None, progress: ReportProgress) -> _Embedded:
    from service.cli.reading import read_network
    from service.ghn.registry import load_model
    from service.settings import get_settings

    known, graphs, statuses = [], [], set()
    for name in names:
        progress(0, None, name)
        try:
            graphs.append(read_network(name).graph)
        except Exception as error:
            statuses.add(_status_of(error, name))
        else:
            known.append(name)
    loaded = load_model(model or get_settings().default_model)
    return _Embedded(loaded.card.name, known, loaded.embed(graphs), statuses)


def _there(
    names: list[str], model: str | None, progress: ReportProgress, url: str, api_key: str | None
) -> _Embedded:
    import numpy as np

    from service.client import Client
    from service.client._architectures import encode

    known, documents, statuses = [], [], set()
    for name in names:
        try:
            documents.append(encode(sys.stdin.buffer.read() if name == "-" else name).document)
        except Exception as error:
            statuses.add(_status_of(error, name))
        else:
            known.append(name)
    with Client(url, api_key=api_key, timeout=None) as client:
        answer = client.embed_architectures(
            documents, model=model, progress=lambda step: progress(step.done, step.total, step.message)
        )
    for skipped in answer.skipped:
        problem = (skipped.model_extra or {}).get("problem") or {"detail": skipped.reason, "status": 422}
        statuses.add(_status_of(Refusal(problem), known[skipped.index]))
    names = [known[index] for index in answer.indices]
    return _Embedded(answer.model, names, np.array(answer.embeddings, dtype=np.float32), statuses)


def _status_of(error: Exception, source: str) -> int:
    """Tell what is wrong with one source; the status that stands for it. Raises what is none of ours."""
    status = report(error, source=source)
    if status is None:
        raise error
    return status


def _document(model: str, names: list[str], embeddings: Any, target: Path | None) -> JsonObject:
    return {
        "model": model,
        "embeddings": [
            {"source": name, "embedding": [float(value) for value in vector]}
            for name, vector in zip(names, embeddings, strict=True)
        ],
        "file": None if target is None else str(target),
    }
