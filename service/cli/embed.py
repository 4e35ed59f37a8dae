"""weightcast embed: one vector for each network."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from service.cli import options, sources
from service.cli.console import emit_json, progress_bar, say
from service.cli.failures import FAILED, REFUSED, report

DEFAULT_FILE = "embeddings.npz"


def embed(
    source: Annotated[list[str], typer.Argument(metavar="SOURCE...", help="As for `weightcast predict`.")],
    model: options.Model = None,
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", metavar="FILE.npz", help=f"Where to write. [default: {DEFAULT_FILE}]"),
    ] = None,
    json: options.Json = False,
) -> None:
    """Embed networks: a vector each, alike for networks that compute alike.

    The vector is the mean of a GHN's node states. The file holds `embeddings` (networks, width) and
    `sources`. With --json and no -o, no file is written.
    """
    import numpy as np

    from service.cli.reading import read_network
    from service.ghn.registry import load_model
    from service.settings import get_settings

    names, graphs, statuses = [], [], set()
    with progress_bar("embedding") as progress:
        for name in sources.expand(source):
            progress(0, None, name)
            try:
                graphs.append(read_network(name).graph)
            except Exception as error:
                status = report(error, source=name)
                if status is None:
                    raise
                statuses.add(status)
            else:
                names.append(name)
        loaded = load_model(model or get_settings().default_model)
        embeddings = loaded.embed(graphs)

    target = out if out is not None or json else Path(DEFAULT_FILE)
    if target is not None and names:
        with open(target, "wb") as file:
            np.savez(file, embeddings=embeddings, sources=np.array(names))
    if json:
        emit_json(_document(loaded.card.name, names, embeddings, target))
    elif names:
        say(f"{len(names)} embeddings of width {embeddings.shape[1]} from {loaded.card.name} -> {target}")
    if statuses:
        raise typer.Exit(REFUSED if statuses == {REFUSED} else FAILED)


def _document(model: str, names: list[str], embeddings: Any, target: Path | None) -> dict[str, Any]:
    return {
        "model": model,
        "embeddings": [
            {"source": name, "embedding": [float(value) for value in vector]}
            for name, vector in zip(names, embeddings, strict=True)
        ],
        "file": None if target is None else str(target),
    }
