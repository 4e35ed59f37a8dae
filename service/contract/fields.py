"""What a field of a contract says beside its type. Read by pydantic where a document is checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any

from service.kit.json_types import JsonObject

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
    from pydantic_core import CoreSchema

# Where the schema of architectures is, for pydantic, which takes no reference that it does not know but URLs.
ARCHITECTURE_URL = "https://weightcast.dev/schemas/architecture"


def option(description: str = "", **limits: object) -> Mapping[str, object]:
    """`metadata` of a dataclass field: what the option means, and its limits as pydantic names them (`ge`,
    `le`, `gt`, `lt`, `multiple_of`, `min_length`, `max_length`, `pattern`, `allow_inf_nan`).
    """
    return {"description": description, **limits} if description else limits


class Check:
    """In `Annotated`: a function that returns the value, or raises ValueError if something is wrong."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self.function = function

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        # Imported late: who only looks at the fields does not pay for pydantic.
        from pydantic_core import core_schema

        return core_schema.no_info_after_validator_function(self.function, handler(source))


class Limits:
    """In `Annotated`, for what is no field of a dataclass: limits, and what the value means."""

    def __init__(self, description: str = "", **limits: object) -> None:
        self.description, self.limits = description, limits

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        schema: Any = handler(source)
        return {**schema, **self.limits}  # type: ignore[return-value]

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonObject:
        described = {"description": self.description} if self.description else {}
        return {**handler(schema), **described}


class _Architecture:
    """The schema is a reference to that of all formats; the readers check, and say more than it could."""

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, str]:
        return {"$ref": ARCHITECTURE_URL}


Document = Annotated[JsonObject, _Architecture()]
"""An architecture in a request; the readers check it."""
AnyDocument = Annotated[Any, _Architecture()]
"""One of many: what is wrong with it is told beside the answer for the others."""
