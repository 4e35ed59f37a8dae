"""Document models: what is refused and how, and that a field without a bound cannot be declared."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from pydantic import Field, TypeAdapter

from service.errors import InvalidArchitecture, LimitExceeded
from service.graph_io.document_model import document_model, read_model, reader_of
from service.graph_io.fields import Place

Count = Annotated[int, Field(ge=1, le=9)]


@document_model
class Part:
    kernel: Count
    word: Annotated[Literal["big", "small"], Field(title="size")] = "big"


@document_model
class Whole:
    """All kinds of fields."""

    parts: Annotated[tuple[Part, ...], Field(min_length=1, max_length=2)]
    pair: tuple[Literal["a"], Count] = ("a", 1)
    either: Annotated[str, Field(max_length=3)] | Annotated[tuple[Count, ...], Field(max_length=2)] = ""
    text: Annotated[str, Field(pattern="^x+$", max_length=4)] = "x"
    maybe: Count | None = None
    flag: bool = False


GOOD: dict[str, Any] = {"parts": [{"kernel": 3}]}


def test_values_and_defaults() -> None:
    assert read_model(Whole, GOOD) == Whole(parts=(Part(kernel=3),))
    whole = read_model(
        Whole,
        {
            "parts": [{"kernel": 1, "word": "small"}],
            "pair": ["a", 2],
            "either": [1],
            "text": "xx",
            "maybe": None,
            "flag": True,
        },
    )
    assert whole == Whole(
        parts=(Part(kernel=1, word="small"),), pair=("a", 2), either=(1,), text="xx", flag=True
    )


@pytest.mark.parametrize(
    ("change", "field", "said"),
    [
        ({"parts": []}, "/parts", "has 0 items; expected 1 or more"),
        ({"parts": [{}]}, "/parts/0", "lacks the key 'kernel'"),
        ({"parts": [{"kernel": 10}]}, "/parts/0/kernel", "is 10; expected 1 to 9"),
        ({"parts": [{"kernel": 1.0}]}, "/parts/0/kernel", "a whole number, not 1.0"),
        ({"parts": [{"kernel": 1, "word": "bug"}]}, "/parts/0/word", "no size 'bug'"),
        ({"parts": {"kernel": 1}}, "/parts", "must be an array, not an object"),
        ({"parts": [3]}, "/parts/0", "must be an object, not a number"),
        ({"pair": ["a"]}, "/pair", "has 1 items; expected 2"),
        ({"pair": ["b", 1]}, "/pair/0", "no choice 'b'"),
        ({"either": [0]}, "/either/0", "is 0"),
        ({"either": None}, "/either", "must be an array, not null"),
        ({"text": "y"}, "/text", "is 'y'; expected text of the form"),
        ({"maybe": "1"}, "/maybe", "a whole number, not a string"),
        ({"flag": 0}, "/flag", "true or false, not a number"),
        ({"flga": True}, "/flga", "unknown key 'flga'"),
    ],
)
def test_the_first_wrong_field_is_named(change: dict[str, Any], field: str, said: str) -> None:
    with pytest.raises(InvalidArchitecture, match=said) as caught:
        read_model(Whole, {**GOOD, **change}, Place())
    assert caught.value.extra["field"] == field


@pytest.mark.parametrize("change", [{"parts": 3 * GOOD["parts"]}, {"either": "long"}, {"either": [1] * 3}])
def test_too_much_is_a_limit(change: dict[str, Any]) -> None:
    with pytest.raises(LimitExceeded):
        read_model(Whole, {**GOOD, **change})


@pytest.mark.parametrize(
    "annotation", [int, Annotated[int, Field(ge=1)], tuple[str, ...], float, dict[str, Any]]
)
def test_every_field_has_a_bound(annotation: Any) -> None:
    with pytest.raises(TypeError):
        reader_of(annotation)


def test_pydantic_sees_the_same_bounds() -> None:
    schema = TypeAdapter(Whole).json_schema()
    assert schema["required"] == ["parts"] and schema["additionalProperties"] is False
    part = schema["$defs"]["Part"]["properties"]
    assert (part["kernel"]["minimum"], part["kernel"]["maximum"]) == (1, 9)
    assert part["word"]["enum"] == ["big", "small"]
