"""What the forms of the page offer and refuse is what the contract says: its choices, limits and patterns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from importlib.resources import files
from typing import Any

import pytest
from pydantic import TypeAdapter

from service.contract.kinds import KINDS
from service.contract.many import RankOptions
from service.contract.options import MODEL_NAME

PAGE = files("service.api").joinpath("web", "index.html").read_text()
# The schema's name of what an input has.
LIMITS = {"min": "minimum", "max": "maximum", "maxlength": "maxLength"}


@dataclass
class Control:
    """An input or a select. choices: the values that a select offers, without the one for nothing."""

    attributes: dict[str, str | None]
    choices: list[str] = field(default_factory=list)


class Controls(HTMLParser):
    """Those of each form, by its id, its part (`data-kind`) and their name."""

    def __init__(self) -> None:
        super().__init__()
        self.found: dict[tuple[str, str, str], Control] = {}
        self._form, self._part, self._last = "", "", Control({})
        self.feed(PAGE)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        if tag == "form":
            self._form, self._part = attributes["id"] or "", ""
        elif tag == "fieldset":
            self._part = attributes.get("data-kind") or ""
        elif tag == "option" and attributes.get("value"):
            self._last.choices.append(attributes["value"] or "")
        elif tag in ("input", "select", "textarea"):
            self._last = Control(attributes)
            self.found[self._form, self._part, attributes.get("name") or ""] = self._last


CONTROLS = Controls().found


def schema_of(options: Any, name: str) -> dict[str, Any]:
    """What the contract says of an option that was given."""
    found: dict[str, Any] = TypeAdapter(options).json_schema()["properties"][name]
    return next((kind for kind in found.get("anyOf", ()) if kind["type"] != "null"), found)


def cases() -> Iterator[Any]:
    search, tune, ghn, fit = (KINDS[name].options for name in ("search", "finetune", "ghn", "predictor"))
    of = {
        ("train-form", "search"): (search, "order evaluations max_parameters"),
        ("train-form", "finetune"): (tune, "tuning_data epochs start head images compare"),
        ("train-form", "model"): (ghn, "data"),
        ("rank-form", ""): (RankOptions, "order top_k"),
        ("fit-form", ""): (fit, "property"),
    }
    for (form, part), (options, names) in of.items():
        for name in names.split():
            schema = schema_of(options, name.removeprefix("tuning_"))
            yield pytest.param(CONTROLS[form, part, name], schema, id=f"{form}-{name}")
    for form, part in (("train-form", "model"), ("fit-form", "")):
        schema = {"type": "string", "pattern": MODEL_NAME}
        yield pytest.param(CONTROLS[form, part, "name"], schema, id=f"{form}-name")


@pytest.mark.parametrize(("control", "schema"), [*cases()])
def test_a_field_of_a_form(control: Control, schema: dict[str, Any]) -> None:
    attributes = control.attributes
    if "enum" in schema:
        assert sorted(control.choices) == sorted(schema["enum"])
    for attribute, limit in LIMITS.items():
        if attribute != "maxlength" or "pattern" not in schema:
            assert attributes.get(attribute) == (str(schema[limit]) if limit in schema else None)
    if "pattern" in schema:
        # The browser matches the whole text, and wants a dash in brackets escaped.
        assert f"^{attributes['pattern']}$".replace(r"\-", "-") == schema["pattern"]
    if schema["type"] == "boolean":
        assert attributes["type"] == "checkbox"
    if schema["type"] == "integer":
        assert (attributes["type"], attributes["step"]) == ("number", "1")
