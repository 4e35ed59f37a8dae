"""Options of commands come from the contract, and what they are given is checked by it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import pytest
import typer
from typer.testing import CliRunner

from service.cli.from_contract import Values, assigned, checked, offers
from service.contract.fields import option
from service.contract.options import Options


@dataclass(frozen=True, kw_only=True)
class Inner(Options):
    depth: int = field(default=1, metadata=option(ge=1))


@dataclass(frozen=True, kw_only=True)
class Some(Options):
    shape: Literal["round", "square-ish"] = field(metadata=option("Of `all`."))
    size: int | None = field(default=None, metadata=option("How large.", ge=1, le=9))
    fast: bool = False
    rate: float = field(default=0.5, metadata=option(gt=0))
    secret: int = 3
    inner: Inner = Inner()


@pytest.fixture
def app() -> typer.Typer:
    made = typer.Typer(rich_markup_mode=None)

    @made.command()
    @offers(Some, leave_out=("secret", "inner"), notes={"size": "[default: yours]"})
    def show(*, values: Values, rate: float = 2.0) -> None:
        """Show what was given."""
        typer.echo(f"{values} {rate}")

    return made


def test_every_field_is_an_option(app: typer.Typer) -> None:
    shown = " ".join(CliRunner().invoke(app, ["--help"]).output.split())
    assert "<round|square-ish> Of all. [required]" in shown
    assert "How large. [default: yours] [1<=x<=9]" in shown
    assert "--fast" in shown and "--no-fast" not in shown
    assert "--secret" not in shown and "--inner" not in shown


def test_what_nobody_gave_is_left_to_the_contract(app: typer.Typer) -> None:
    given = CliRunner().invoke(app, ["--shape", "square-ish", "--fast"])
    assert given.output.strip() == "{'shape': 'square-ish', 'fast': True} 2.0"
    assert CliRunner().invoke(app, ["--shape", "round", "--size", "10"]).exit_code == 2
    assert CliRunner().invoke(app, []).exit_code == 2


def test_further_options_are_named_by_their_path() -> None:
    values = assigned(["inner.depth=2", "size=3", "shape=round", "rate=1e-3"])
    assert values == {"inner": {"depth": 2}, "size": 3, "shape": "round", "rate": 1e-3}
    assert checked(Some, values) == Some(shape="round", size=3, rate=1e-3, inner=Inner(depth=2))
    with pytest.raises(typer.BadParameter, match="NAME=VALUE"):
        assigned(["size"])


@pytest.mark.parametrize(
    ("values", "hint"),
    [
        ({"shape": "flat"}, "--shape"),
        ({"shape": "round", "inner": {"depth": 0}}, "--inner.depth"),
        ({"shape": "round", "colour": "red"}, "--colour"),
    ],
)
def test_what_is_wrong_names_the_option(values: dict[str, Any], hint: str) -> None:
    with pytest.raises(typer.BadParameter) as refused:
        checked(Some, values)
    assert refused.value.param_hint == hint
