"""Files of the Hugging Face hub, named hf:OWNER/REPO/FILE."""

from __future__ import annotations

from pathlib import Path

import typer

from service.errors import Unavailable

PREFIX = "hf:"


def hub_file(name: str) -> Path:
    """The file, fetched unless the hub's cache on this machine has it.

    Raises BadParameter for a name that is none, Unavailable, saying how to bring the file, if it cannot be
    fetched.
    """
    owner, repository, file = (*name.removeprefix(PREFIX).split("/", 2), "", "")[:3]
    if not (owner and repository and file):
        raise typer.BadParameter(f"a file of the hub is {PREFIX}OWNER/REPO/FILE", param_hint="REFERENCE")
    by_hand = (
        f"Or bring the file yourself: download {file} from the page of {owner}/{repository} on the hub, on "
        f"any machine, and run `weightcast models import {Path(file).name} --name NAME`."
    )
    try:
        from huggingface_hub import hf_hub_download
        from huggingface_hub.errors import EntryNotFoundError
    except ImportError as error:
        raise Unavailable(
            "Fetching from the Hugging Face hub needs huggingface_hub.",
            hint=f"Install it from a clone of the repository: pip install '.[hub]'. {by_hand}",
        ) from error
    try:
        return Path(hf_hub_download(f"{owner}/{repository}", file))
    # Without a connection, a repository, access or a valid name: all but a missing file are OSErrors or
    # ValueErrors.
    except (OSError, ValueError, EntryNotFoundError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise Unavailable(
            f"{file} of {owner}/{repository} could not be fetched: {reason}",
            hint=f"Check the name and the connection. {by_hand}",
        ) from error
