"""Entries of lists: an architecture, alone or beside what is known of it.

    {"format": "nasbench201", "cell": "..."}                                     an architecture
    {"architecture": {...}, "value": 93.1, "epochs": 200}                        beside other fields
    {"format": "nasbench201", "cell": "...", "value": 93.1, "epochs": 200}       the same, flat
    {"arch": "nasbench201:|...|+|...|...|+|...|...|...|", "value": 93.1}         by a short text
    "torchvision:resnet18"                                                       a short text alone

Fields that say nothing about the architecture are metadata: kept, and read by nobody here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from service.errors import InvalidArchitecture, ServiceError
from service.graph_io.fields import Place, closest, kind_of, shown
from service.graph_io.formats import FORMATS
from service.graph_io.printed import OTHER_NAMES, plain_document, with_format
from service.graph_io.read import format_of
from service.graph_io.schemas import MODELS
from service.graph_io.short_texts import parse_short_text

# By which names tables call the column of architectures, the first one that there is.
ARCHITECTURE_FIELDS = (
    "architecture",
    "arch",
    "arch_str",
    "genotype",
    "source",
    "network",
    "model",
    "cell",
    "sizes",
    "code",
    "arch_index",
)
# What people write beside an architecture; a field of a flat entry that is unlike these and like one of the
# architecture's own is a slip of the pen.
_GENOTYPE = ("normal", "normal_concat", "reduce", "reduce_concat")
_COMMON_METADATA = ("value", "epochs", "seed", "id", "note", "dataset", "metadata")
# The fields of each format; a graph's are read by its own schema.
FIELDS: Mapping[str, tuple[str, ...]] = {
    "graph": ("nodes", "outputs", "input_shape", "unattached"),
    **{
        form: tuple(field.name for field in fields(model) if field.name not in ("format", "name"))
        for form, model in MODELS.items()
        if model is not None
    },
}


@dataclass(frozen=True, slots=True)
class Entry:
    """document: the architecture. others: the fields beside it, by name."""

    document: Any
    others: Mapping[str, Any] = field(default_factory=dict)


def read_entry(value: Any, place: Place = Place()) -> Entry:
    """What an item of a list stands for. The architecture itself is not checked.

    Raises InvalidArchitecture, naming the field, for what is no architecture, nor has one; InvalidInput for
    a text that is none.
    """
    if isinstance(value, ServiceError):
        raise value
    entry = _entry(value, place)
    return Entry(plain_document(entry.document), entry.others)


def _entry(value: Any, place: Place) -> Entry:
    if isinstance(value, str):
        return Entry(parse_short_text(value))
    if not isinstance(value, Mapping):
        raise place.refuse(f"{place.named} must be an object, not {kind_of(value)}.")
    if "architecture" not in value and format_of(value := with_format(value)):
        return _flat(value, place)
    key = next((name for name in ARCHITECTURE_FIELDS if value.get(name) is not None), None)
    if key is None:
        return _bare(value, place)
    inner = value[key]
    if key == "genotype" and isinstance(inner, Mapping):  # no document, but the field of one
        return _flat({"format": "darts", **value}, place)
    others = {name: other for name, other in value.items() if name != key}
    if isinstance(inner, Mapping) and not format_of(with_format(inner)):
        bare = _bare(inner, place / key)
        return Entry(bare.document, {**bare.others, **others})
    if not isinstance(inner, str) and key != "arch_index":
        return Entry(inner, others)
    document = {"format": "nasbench201", "cell": inner} if key == "arch_index" else parse_short_text(inner)
    # A table has the options of an architecture in columns beside its text.
    options = set() if key == "architecture" else {*FIELDS.get(format_of(document), ())} & {*others}
    return Entry(
        {**document, **{name: others[name] for name in options}},
        {name: other for name, other in others.items() if name not in options},
    )


def _flat(value: Mapping[str, Any], place: Place) -> Entry:
    """The fields of its format are the architecture, the rest stands beside it."""
    form = format_of(value)
    if form not in FORMATS:
        return Entry(value)
    known = ("format", "name", *FIELDS[form], *OTHER_NAMES.get(form, ()))
    others = {key: other for key, other in value.items() if key not in known}
    for key in others:
        like = closest(str(key), (*known, *_COMMON_METADATA))
        if like in known:
            raise (place / key).refuse(
                f"{place.named} has the unknown key {shown(key)}.", f"Did you mean {like!r}?"
            )
    return Entry({key: value[key] for key in value if key in known}, others)


def _bare(value: Mapping[str, Any], place: Place) -> Entry:
    """Fields that only one format has say the format."""
    for form, row in FORMATS.items():
        if row.marks and all(key in value for key in row.marks):
            whole = (
                {"genotype": {key: value[key] for key in value if key in _GENOTYPE}}
                if form == "darts"
                else {}
            )
            rest = {key: other for key, other in value.items() if not (whole and key in _GENOTYPE)}
            return _flat({"format": form, **whole, **rest}, place)
    like = next((match for key in value if (match := closest(str(key), ("architecture", "format")))), None)
    raise InvalidArchitecture(
        f"{place.named} lacks the key 'architecture'."
        if place.path
        else "The architecture lacks its format.",
        field=(place / ("architecture" if place.path else "format")).pointer,
        hint=f"Did you mean {like!r}?"
        if like
        else f"Give `format` as one of: {', '.join(FORMATS)}; or an architecture under `architecture`.",
    )


def common_space(entries: Iterable[Any]) -> str | None:
    """The search space that all architectures are of: the name of its format. None where they are of several,
    or of none (at the first one that is of none the others are not looked at), or one cannot be read.
    """
    space: str | None = None
    for entry in entries:
        try:
            document = read_entry(entry).document
        except ServiceError:
            return None
        form = format_of(document)
        if space not in (None, form) or form not in FORMATS or not FORMATS[form].is_space:
            return None
        space = form
    return space
