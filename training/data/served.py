"""What a data set's name means to a service."""

from __future__ import annotations

from pathlib import Path

from service.errors import InvalidRequest
from service.settings import Settings
from training.data.image_folder.names import BUILT_IN, data_source


def data_set(name: str, settings: Settings, field: str = "/data") -> str:
    """What the trainer reads: a data set it knows, or a folder or zip file of images inside the data folder,
    and none outside of it. field: of the request, for the error.
    """
    source = data_source(name, settings.data_dir)
    if source in BUILT_IN:
        return source
    place = Path(source).resolve()
    if settings.data_dir.resolve() in place.parents and place.exists():
        return str(place)
    raise InvalidRequest(
        f"There is no data set {name[:80]!r}.",
        field=field,
        hint=f"Use {', '.join(BUILT_IN)}, or the name of a folder or zip file of images in "
        "WEIGHTCAST_DATA_DIR.",
    )
