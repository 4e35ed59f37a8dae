"""Options of commands, from the classes of the contract: names, types, defaults, limits and help."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, Field, fields
from enum import Enum, StrEnum
from functools import wraps
from types import MappingProxyType, NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import typer

from service.contract.options import Options
from service.kit.json_types import JsonObject

OptionsT = TypeVar("OptionsT", bound=Options)
# What a command is called with: values of the fields that it does not declare itself, without those that
# nobody gave.
Values = JsonObject
Command = Callable[..., None]


def offers(
    options: type[Options], *,
    into: str = "values", only: Sequence[str] | None = None, leave_out: Sequence[str] = (),
    notes: Mapping[str, str] = MappingProxyType({}), unset: Sequence[str] = (),
    flags: Mapping[str, Sequence[str]] = MappingProxyType({}),
    completions: Mapping[str, Callable[..., Any]] = MappingProxyType({}),
) -> Callable[[Command], Command]:  # fmt: skip
    """A command whose parameter `into` becomes an option for each field of the class.

    A field that the command has a parameter for, that is left out, or is not in `only`, is not among them.
    notes: what the command adds to the help of a field. flags: other names of its option. completions: what
    shells complete it by. unset: fields whose default the command works out.
    """

    def decorate(command: Command) -> Command:
        own = inspect.signature(command).parameters
        hints = get_type_hints(command, include_extras=True)
        types = get_type_hints(options, include_extras=True)
        derived = [
            _parameter(
                entry,
                types[entry.name],
                notes.get(entry.name, ""),
                flags.get(entry.name, ()),
                completions.get(entry.name),
                entry.name in unset,
            )
            for entry in fields(options)
            if entry.name not in own and entry.name not in leave_out and (only is None or entry.name in only)
        ]
        names = [parameter.name for parameter in derived]

        @wraps(command)
        def run(**arguments: Any) -> None:
            chosen = {name: _plain(arguments.pop(name)) for name in names}
            arguments[into] = {name: value for name, value in chosen.items() if value is not None}
            command(**arguments)

        parameters: list[inspect.Parameter] = []
        for parameter in own.values():
            if parameter.name == into:
                parameters += derived
            else:
                parameters.append(parameter.replace(annotation=hints[parameter.name]))
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        return run

    return decorate


def checked(options: type[OptionsT], values: Mapping[str, Any]) -> OptionsT:
    """Raises BadParameter naming the option."""
    # Imported late, for it loads pydantic, which help has no use for.
    from service.contract.reading import read
    from service.errors import InvalidRequest

    try:
        return read(options, values)
    except InvalidRequest as error:
        first = error.extra["errors"][0]
        name = first["pointer"].lstrip("/").replace("/", ".").replace("_", "-")
        detail = first["detail"].removeprefix("Value error, ")
        raise typer.BadParameter(detail, param_hint=f"--{name}" if name else None) from None


def _parameter(
    entry: Field[Any], annotation: Any, note: str,
    flags: Sequence[str], completion: Callable[..., Any] | None, is_unset: bool,
) -> inspect.Parameter:  # fmt: skip
    metadata: Mapping[str, Any] = entry.metadata
    plain, optional = _plain_type(entry.name, annotation)
    help_text = f"{metadata.get('description', '')} {note}".replace("`", "").strip() or None
    # A flag has one name where there is nothing to say no to.
    if not flags and plain is bool and entry.default is False:
        flags = [f"--{entry.name.replace('_', '-')}"]
    option = typer.Option(
        *flags, help=help_text, autocompletion=completion,
        min=_number(metadata.get("ge")), max=_number(metadata.get("le")),
    )  # fmt: skip
    default = inspect.Parameter.empty if entry.default is MISSING else entry.default
    if is_unset:
        default, optional = None, True
    if isinstance(plain, type) and issubclass(plain, Enum) and isinstance(default, str):
        default = plain(default)
    return inspect.Parameter(
        entry.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=default,
        annotation=Annotated[plain | None if optional else plain, option],
    )


def assigned(texts: Sequence[str]) -> Values:
    """From `NAME=VALUE`, a dot before a name inside another; values are JSON, or else text. Raises
    BadParameter.
    """
    values: Values = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not name or not equals:
            raise typer.BadParameter(f"{text!r} is not NAME=VALUE", param_hint="--set")
        *outer, last = name.replace("-", "_").split(".")
        place = values
        for part in outer:
            place = place.setdefault(part, {})
        try:
            place[last] = json.loads(value)
        except ValueError:
            place[last] = value
    return values


def _plain_type(name: str, annotation: Any) -> tuple[Any, bool]:
    """The type without what it says beside it, choices as an enumeration; and whether None is allowed."""
    if get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    optional = get_origin(annotation) in (Union, UnionType)
    if optional:
        annotation = next(part for part in get_args(annotation) if part is not NoneType)
    if get_origin(annotation) is Literal:
        choices = {choice.upper().replace("-", "_"): choice for choice in get_args(annotation)}
        return StrEnum(name.title().replace("_", ""), choices), optional
    return annotation, optional


def _plain(value: Any) -> Any:
    return value.value if isinstance(value, Enum) else value


def _number(limit: Any) -> float | None:
    return None if limit is None else limit
