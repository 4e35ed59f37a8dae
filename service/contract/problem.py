"""Problem documents (RFC 9457), as they travel."""

from __future__ import annotations

from typing import Annotated, NotRequired

from pydantic import ConfigDict, Field, with_config
from typing_extensions import TypedDict

FieldProblem = TypedDict("FieldProblem", {"pointer": str, "in": str, "detail": str, "code": str})


@with_config(ConfigDict(extra="allow"))
class Problem(TypedDict):
    """A problem document (RFC 9457). Further members say where and how much."""

    type: Annotated[str, Field(description="A stable URL that names the kind of problem.")]
    title: str
    status: int
    detail: Annotated[str, Field(description="What was wrong, for a person.")]
    instance: NotRequired[Annotated[str, Field(description="Path of the request.")]]
    request_id: NotRequired[str]
    hint: NotRequired[Annotated[str, Field(description="How to fix it.")]]
    field: NotRequired[
        Annotated[
            str,
            Field(
                description="JSON Pointer of what is wrong, in the body or, as members, the options and form "
                "fields.",
                # Not checked where records of jobs are read.
                json_schema_extra={"pattern": r"^(/([^~/]|~[01])*)*$"},
            ),
        ]
    ]
    errors: NotRequired[
        Annotated[list[FieldProblem], Field(description="JSON pointer and sentence of each wrong field.")]
    ]
