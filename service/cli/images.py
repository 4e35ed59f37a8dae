"""Images that networks are run or trained on, of a data set of this machine."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from service.cli.inventory_lines import inventory_lines

if TYPE_CHECKING:
    from training.evaluate.search_images import SearchImages


def search_images(
    data: str, data_dir: Path | None, *, skip_bad: bool, images: int, epochs: int = 0
) -> SearchImages:
    """Loads them, and says on standard error what is in their folder. data: as --data has it. epochs: of the
    trainings at the end of a search.
    """
    from service.cli.reading import read_document
    from service.settings import get_settings
    from training.data.image_folder.names import data_source
    from training.data.inventory import inventory
    from training.evaluate.search_images import SearchImages

    settings = get_settings()
    loaded = SearchImages.load(
        data_source(data, Path()), data_dir or settings.data_dir, settings,
        skip_bad=skip_bad, images=images, epochs=epochs, read=partial(read_document, runnable=True),
    )  # fmt: skip
    for line in [] if loaded.dataset.report is None else inventory_lines(inventory(loaded.dataset)):
        typer.echo(line, err=True)
    return loaded
