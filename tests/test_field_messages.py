"""Messages about fields, in the user's terms."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from service.kit.field_messages import sentence


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid")
    count: Annotated[int, Field(ge=1, le=65535)] = 1
    share: Annotated[float, Field(gt=0, lt=1)] = 0.5
    dtype: Literal["float32", "float16"] = "float32"
    name: Annotated[str, Field(min_length=2, pattern="^[a-z]+$")] = "ab"
    places: Annotated[list[int], Field(min_length=1)] = [1]
    inner: dict[str, int] = {}
    flag: bool = False

    @model_validator(mode="after")
    def _pair(self) -> Part:
        if self.flag and self.count > 1:
            raise ValueError("give flag or count, one of them")
        return self


class Needs(BaseModel):
    architecture: dict[str, Any]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"count": 0}, "count must be at least 1."),
        ({"count": 70000}, "count must be at most 65,535."),
        ({"count": "many"}, "count must be a whole number."),
        ({"share": 1.0}, "share must be less than 1."),
        ({"share": 0}, "share must be more than 0."),
        ({"dtype": "f16"}, "dtype must be 'float32' or 'float16'."),
        ({"name": "a"}, "name must have at least 2 characters."),
        ({"name": "A B"}, "name does not match the pattern ^[a-z]+$."),
        ({"places": []}, "places must have at least 1 item."),
        ({"places": 3}, "places must be a list."),
        ({"inner": "x"}, "inner must be an object."),
        ({"flag": "perhaps"}, "flag must be true or false."),
        ({"cuont": 1}, "cuont is not a known field; did you mean count?"),
        ({"zzz": 1}, "zzz is not a known field."),
        ({"flag": True, "count": 2}, "The body: give flag or count, one of them."),
    ],
)
def test_a_field(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Part.model_validate(given)
    (entry,) = caught.value.errors()
    name = "/".join(map(str, entry["loc"])) or "The body"
    assert sentence(name, entry, Part.model_fields) == said


def test_a_field_that_is_not_there() -> None:
    with pytest.raises(ValidationError) as caught:
        Needs.model_validate({})
    assert sentence("architecture", caught.value.errors()[0]) == "architecture is required."
