"""weightcast embed: one vector for each network."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from service.cli import options, sources
from service.cli.console import emit_json, progress_bar, say
from service.cli.from_contract import Values, checked, offers
from service.cli.output_file import check_target, new_file
from service.cli.remote import steps
from service.cli.several import client_of, read_networks
from service.contract.many import EmbedOptions

DEFAULT_FILE = "embeddings.npz"


@offers(EmbedOptions, flags={"model": ("--model", "-m")}, completions={"model": options.ghn_names})
def embed(
    *,
    source: Annotated[
        list[str], typer.Argument(metavar="SOURCE", help="The same sources as for `weightcast predict`.")
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

    target = out if out is not None or json else Path(DEFAULT_FILE)
    if target is not None:
        check_target(target, "embeddings", ".npz")
    names, model = sources.expand(source), checked(EmbedOptions, values).model
    with progress_bar("embedding") as progress, client_of(url, api_key) as client:
        networks = read_networks(names, progress)
        answer = None
        if networks.documents:
            answer = client.embed_architectures(networks.documents, model=model, progress=steps(progress))
            networks.tell_skipped(answer.skipped)
    names = [] if answer is None else [networks.names[index] for index in answer.indices]
    vector_NW = np.array([] if answer is None else answer.embeddings, dtype=np.float32)
    if names and target is not None:
        with new_file(target) as path, path.open("wb") as file:
            np.savez(file, embeddings=vector_NW, sources=np.array(names))
    if json:
        rows = [
            {"source": name, "embedding": [float(value) for value in vector]}
            for name, vector in zip(names, vector_NW, strict=True)
        ]
        file_name = None if target is None else str(target)
        emit_json({"model": None if answer is None else answer.model, "embeddings": rows, "file": file_name})
    elif answer is not None and names:
        say(f"{len(names)} embeddings of width {answer.width} from {answer.model} -> {target}")
    networks.failures.exit()
