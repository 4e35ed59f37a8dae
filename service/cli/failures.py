"""How a command ends that could not do its work.

Exit status: 0 done; 1 failed; 2 wrong usage; 3 the input was refused; 130 interrupted. What went wrong is
said on standard error, once: on a terminal as sentences, elsewhere and with --json as an RFC 9457 problem
document in one line of JSON, so that programs can read it.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import typer
from typer.core import TyperGroup

from service.cli.console import json_for
from service.errors import CommandFailed, ServiceError, UnusableFile, WrongSetting
from service.extras import not_installed

if TYPE_CHECKING:
    from service.contract.problem import Problem

_json: ContextVar[bool] = ContextVar("weightcast-json", default=False)

FAILED, WRONG_USAGE, REFUSED, INTERRUPTED = 1, 2, 3, 130
_REFUSAL_STATUSES = frozenset({400, 413, 415, 422})
# Of pydantic, about an option whose default depends on another one, which is wrong.
_FOLLOWS = "default_factory_not_called"


SECTIONS = (
    ("Weights", ("predict", "embed", "compare")),
    ("Ranking", ("rank", "predictor", "search")),
    ("Training", ("train", "finetune", "evaluate", "architectures", "models")),
    ("Service", ("serve", "api", "worker", "jobs", "health")),
    ("This installation", ("doctor", "version")),
)


def _summary(command: Any) -> str:
    return str(command.help or "").strip().partition("\n\n")[0].replace("\n", " ")


class Commands(TyperGroup):
    """A group of commands whose errors become an exit status and a problem document, never a traceback of
    ours.
    """

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Under a heading for what they are for, each with its whole first sentence."""
        left = {name: command for name in self.list_commands(ctx) if (command := self.get_command(ctx, name))}
        for heading, names in (*SECTIONS, ("Commands", tuple(left))):
            rows = [(name, _summary(left.pop(name))) for name in names if name in left]
            if rows:
                with formatter.section(heading):
                    formatter.write_dl(rows)

    def invoke(self, ctx: Any) -> Any:
        _json.set(False)
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise typer.Exit(INTERRUPTED) from None
        except BrokenPipeError:
            # The reader went away (`weightcast ... | head`): nothing is left to say, nor anybody to say it
            # to.
            sys.stderr.close()
            raise typer.Exit(FAILED) from None
        except Exception as error:
            status = report(error)
            if status is None:
                _say_in_our_words(error)
                raise
            raise typer.Exit(status) from None


def note_json(is_set: bool) -> bool:
    """Callback of --json: remembers it for errors, which are reported when the command has ended."""
    _json.set(is_set)
    return is_set


def is_terminal() -> bool:
    return sys.stderr.isatty()


def wants_json() -> bool:
    return _json.get()


def as_sentence(text: str) -> str:
    """With a stop at its end."""
    return text if text.endswith((".", "!", "?", ":")) or "\n" in text else f"{text}."


def report(error: Exception, *, source: str | None = None) -> int | None:
    """Tell the user what went wrong. Returns the exit status, or None for an error that is not ours.

    source: what the user named on the command line, where the error is about one of several.
    """
    problem = problem_of(error)
    if problem is None:
        return None
    if source is not None:
        problem = cast("Problem", {**problem, "source": source})
    if is_terminal() and not wants_json():
        about = "" if source is None else f"{source}: "
        typer.secho(f"{about}{as_sentence(str(problem.get('detail')))}", fg="red", err=True)
        if hint := problem.get("hint"):
            typer.secho(as_sentence(str(hint)), err=True)
    else:
        typer.echo(json_for(sys.stderr, problem, default=str), err=True)
    return REFUSED if problem.get("status") in _REFUSAL_STATUSES else FAILED


@dataclass(slots=True)
class SourceFailures:
    """Of a command over several sources: one that fails is told, and does not stop the others. statuses: of
    those.
    """

    statuses: set[int] = field(default_factory=set)

    def tell(self, error: Exception, source: str) -> None:
        """What is wrong with one source. Raises what is none of ours."""
        status = report(error, source=source)
        if status is None:
            raise error
        self.statuses.add(status)

    def exit(self) -> None:
        """Ends the command if a source failed. Raises Exit."""
        if self.statuses:
            raise typer.Exit(REFUSED if self.statuses == {REFUSED} else FAILED)


def problem_of(error: Exception) -> Problem | None:
    """The problem document of an error, made up where the error has none; None if it is unknown to us."""
    if isinstance(error, ServiceError):
        return error.problem()
    carried = getattr(error, "problem", None)
    if isinstance(carried, Mapping) and carried:
        return cast("Problem", dict(carried))
    translated = _translated(error)
    return None if translated is None else translated.problem()


def _translated(error: Exception) -> ServiceError | None:
    """Errors of Python and of libraries in the user's terms."""
    if _is_client_error(error):
        is_away = isinstance(error, sys.modules["service.client"].ConnectionFailed)
        hint = (
            "Is the service running? `weightcast serve` starts one; --url, or WEIGHTCAST_URL, says where it "
            "is."
        )
        return CommandFailed(str(error), hint=hint if is_away else None)
    if type(error).__name__ == "ValidationError" and getattr(error, "title", None) == "Settings":
        return _wrong_settings(error)
    if isinstance(error, ModuleNotFoundError):
        return not_installed(error)
    if isinstance(error, OSError) and error.filename is not None:
        # Of two names, the second is that of the user: a file is renamed to it when it is whole.
        return UnusableFile(f"{error.filename2 or error.filename}: {error.strerror}.")
    return None


def _say_in_our_words(error: Exception) -> None:
    """Of typer's error about an option's value, whose message is pydantic's."""
    cause: Any = error.__cause__
    if isinstance(error, typer.BadParameter) and type(cause).__name__ == "ValidationError":
        from service.kit.field_messages import sentence

        error.message = sentence("It", cause.errors()[0]).removeprefix("It: ")


def _is_client_error(error: Exception) -> bool:
    """Without importing the client, which takes a while: its errors exist only where it was imported."""
    client = sys.modules.get("service.client")
    return client is not None and isinstance(error, client.WeightcastError)


def _wrong_settings(error: Any) -> WrongSetting:
    """Names the settings and what is wrong with them, never their values: some are secret."""
    from service.kit.field_messages import sentence
    from service.settings import variable

    wrong = [
        sentence(variable(str(entry["loc"][0])) if entry["loc"] else "Settings", entry)
        for entry in error.errors(include_url=False, include_input=False)
        if entry["type"] != _FOLLOWS
    ]
    return WrongSetting(" ".join(wrong), hint="docs/configuration.md says what each setting may be.")
