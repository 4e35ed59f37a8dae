"""Whether the models that a job names are there, and can do what it wants of them."""

from __future__ import annotations

from service.contract.kinds import plays
from service.contract.options import Options
from service.errors import InvalidRequest, UnknownModel
from service.json_pointer import pointer
from service.models.catalog import SHIPPED_MODELS, find_card
from service.settings import Settings


def check_models(options: Options, settings: Settings) -> None:
    """Raises UnknownModel or InvalidRequest for the first that is not, naming the option."""
    for use in options.models():
        field = pointer(use.field)
        try:
            card = find_card(use.name or settings.default_model, (SHIPPED_MODELS, settings.home / "models"))
        except UnknownModel as error:
            error.extra["field"] = field
            raise
        if not plays(card.kind, use.role):
            raise InvalidRequest(f"The model {card.name!r} is a {card.kind}; {use.lacks}.", field=field)
