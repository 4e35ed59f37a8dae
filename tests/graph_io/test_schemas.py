"""The published schema of architectures against the readers.

What it calls valid is read, or refused for what it means; what it calls invalid is refused.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Iterator
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.errors import InvalidArchitecture, ServiceError
from service.graph_io.document_model import read_model
from service.graph_io.formats import FORMATS
from service.graph_io.read import read_document
from service.graph_io.schemas import MODELS, architecture_schemas
from tests.graph_io.test_architectures_page import EXAMPLES
from tests.graph_io.test_read import BY_FORMAT

SCHEMAS = architecture_schemas("#/$defs/")
VALIDATOR = jsonschema.Draft202012Validator({"$ref": "#/$defs/Architecture", "$defs": SCHEMAS})
OF_FORMAT = {
    format_: jsonschema.Draft202012Validator({"$ref": reference, "$defs": SCHEMAS})
    for format_, reference in SCHEMAS["Architecture"]["discriminator"]["mapping"].items()
}
NASBENCH201 = {**BY_FORMAT["nasbench201"](), "num_classes": 3, "image_size": 8, "name": "n"}
EVERY_FIELD: list[dict[str, Any]] = [
    *EXAMPLES,
    NASBENCH201,
    {
        **BY_FORMAT["nasbench101"](),
        "stacks": 1,
        "num_classes": 3,
        "image_size": 8,
        "name": "n",
    },
    {
        **BY_FORMAT["darts"](),
        "num_classes": 3,
        "input": "imagenet",
        "image_size": 64,
        "stem": "strided",
        "stem_kernel": 5,
        "stem_pool": True,
        "norm": "none",
        "preprocess": True,
        "channel_multiplier": 1,
        "global_pool": True,
        "fc_layers": 2,
        "fc_dim": 8,
        "name": "n",
    },
    {
        "format": "smash",
        "stem_channels": 4,
        "num_classes": 3,
        "image_size": 8,
        "name": "n",
        "blocks": [
            {
                "banks": 2,
                "bank_channels": 4,
                "layers": [
                    {
                        "read": [0],
                        "write": [0, 1],
                        "channels": 8,
                        "convs": [{"kernel": 3, "dilation": 2, "groups": 2, "branch": 1}],
                    }
                ],
            }
        ],
    },
    {**BY_FORMAT["nats_size"](), "num_classes": 3, "image_size": 8, "name": "n"},
    {**BY_FORMAT["nasbench_macro"](), "num_classes": 3, "image_size": 8, "name": "n"},
    {**BY_FORMAT["ghn1"](), "num_classes": 3, "image_size": 8, "name": "n"},
    {**BY_FORMAT["anytime"](), "num_classes": 3, "image_size": 8, "name": "n"},
    {"format": "torchvision", "name": "squeezenet1_1", "num_classes": 3, "image_size": 64},
    {**BY_FORMAT["onnx"](), "name": "n"},
]
# The reader of graphs reads by hand, and its schema has tests of its own (test_json_format.py).
MODELLED = [document for document in EVERY_FIELD if MODELS[document["format"]] is not None]


REQUIRED = {
    "onnx": ["format", "data"],
    "graph": ["nodes", "input_shape", "name", "op", "shape"],
    "nasbench201": ["format", "cell"],
    "nasbench101": ["format", "matrix", "ops"],
    "nats_size": ["format", "sizes"],
    "nasbench_macro": ["format", "code"],
    "darts": ["format", "genotype", "normal", "reduce"],
    "smash": ["format", "blocks", "banks", "bank_channels", "layers", "read", "write", "kernel"],
    "ghn1": ["format", "operations"],
    "anytime": ["format", "blocks", "operation", "scale", "inputs"],
    "torchvision": ["format", "name"],
}


def is_valid(document: Any) -> bool:
    return bool(VALIDATOR.is_valid(document))


def is_valid_as(format_: str, document: Any) -> bool:
    """By the schema of one format, which takes a seventh of the time."""
    return bool(OF_FORMAT[format_].is_valid(document))


def places(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Every place in a document, the whole first."""
    yield path
    items: Iterable[tuple[str | int, Any]] = ()
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    for key, item in items:
        yield from places(item, (*path, key))


def at(document: Any, path: tuple[str | int, ...]) -> Any:
    for key in path:
        document = document[key]
    return document


def test_every_format_is_described() -> None:
    assert tuple(MODELS) == tuple(FORMATS)
    mapping = SCHEMAS["Architecture"]["discriminator"]["mapping"]
    assert tuple(mapping) == tuple(FORMATS)
    assert {document["format"] for document in EVERY_FIELD} == set(FORMATS)
    jsonschema.Draft202012Validator.check_schema(VALIDATOR.schema)


@pytest.mark.parametrize("document", EVERY_FIELD, ids=lambda document: document["format"])
def test_valid_documents_are_read(document: dict[str, Any]) -> None:
    VALIDATOR.validate(document)
    assert read_document(document, torchvision=True).num_parameters > 0


@pytest.mark.parametrize("document", MODELLED, ids=lambda document: document["format"])
def test_examples_have_every_field(document: dict[str, Any]) -> None:
    """So that what follows tries them all."""
    name = document["format"]
    model = MODELS[name]
    assert model is not None
    tried = {key for other in MODELLED if other["format"] == name for key in other}
    assert tried == set(SCHEMAS[model.__name__]["properties"])


@pytest.mark.parametrize("document", EVERY_FIELD, ids=lambda document: document["format"])
def test_a_required_field_that_is_missing_is_refused_by_both(document: dict[str, Any]) -> None:
    required = set()
    for path in places(document):
        if not path or not isinstance(path[-1], str):
            continue
        smaller = copy.deepcopy(document)
        del at(smaller, path[:-1])[path[-1]]
        # A graph is told by its nodes too; nothing else is read without its format.
        if is_valid(smaller) or (path == ("format",) and document["format"] == "graph"):
            continue
        required.add(path[-1])
        with pytest.raises(InvalidArchitecture, match="lacks") as caught:
            read_document(smaller, torchvision=True)
        owner = "".join(f"/{key}" for key in path[:-1])
        assert caught.value.extra["field"] == ("/format" if path == ("format",) else owner)
    assert required >= set(REQUIRED[document["format"]])


OTHERS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 10_000),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False).filter(lambda number: number != int(number) if abs(number) < 2**80 else False),
    st.text(max_size=30),
    st.sampled_from(["none", "batch", "input", "conv3x3-bn-relu", "msa", "cifar", "x" * 300, "1" * 22]),
    st.just([]),
    st.just({}),
)


@pytest.mark.parametrize("document", MODELLED, ids=lambda document: document["format"])
@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_changed_documents_are_valid_where_they_can_be_read(
    document: dict[str, Any], data: st.DataObject
) -> None:
    changed = copy.deepcopy(document)
    for _ in range(data.draw(st.integers(1, 2))):
        paths = [path for path in places(changed) if path not in ((), ("format",))]
        if not paths:
            break
        path = data.draw(st.sampled_from(paths))
        owner, key = at(changed, path[:-1]), path[-1]
        what = data.draw(st.sampled_from(["replace", "remove", "add", "repeat"]))
        if what == "replace":
            owner[key] = data.draw(OTHERS)
        elif what == "remove":
            del owner[key]
        elif what == "add" and isinstance(owner, dict):
            owner[data.draw(st.sampled_from(["other", "name", "kernel", "channels"]))] = data.draw(OTHERS)
        elif isinstance(owner, list):
            owner.extend([owner[key]] * data.draw(st.sampled_from([1, 8, 300])))
    model = MODELS[document["format"]]
    assert model is not None
    try:
        read_model(model, changed)
    except ServiceError as error:
        assert not is_valid_as(document["format"], changed), (error.detail, json.dumps(changed)[:500])
    else:
        assert is_valid_as(document["format"], changed), json.dumps(changed)[:500]
