"""How a command ends that could not do its work.

Exit status: 0 done; 1 failed; 2 wrong usage; 3 the input was refused; 130 interrupted. What was refused, and
why, goes to standard error as an RFC 9457 problem document, one line of JSON each, so that programs can read
it; on a terminal a sentence comes first.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any

import typer
from typer.core import TyperGroup

from service.errors import ServiceError
from service.extras import not_installed

FAILED, WRONG_USAGE, REFUSED, INTERRUPTED = 1, 2, 3, 130
_REFUSAL_STATUSES = frozenset({400, 413, 415, 422})


class Commands(TyperGroup):
    """A group of commands whose errors become an exit status and a problem document, never a traceback of
    ours.
    """

    def invoke(self, ctx: Any) -> Any:
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
                raise
            raise typer.Exit(status) from None


def report(error: Exception, *, source: str | None = None) -> int | None:
    """Tell the user what went wrong. Returns the exit status, or None for an error that is none of ours.

    source: what the user named on the command line, where the error is about one of several.
    """
    problem = problem_of(error)
    if problem is None:
        return None
    if source is not None:
        problem = {**problem, "source": source}
    if sys.stderr.isatty():
        hint = problem.get("hint")
        about = "" if source is None else f"{source}: "
        typer.secho(f"{about}{problem.get('detail')}", fg="red", err=True)
        if hint:
            typer.secho(str(hint), err=True)
    typer.echo(json.dumps(problem, ensure_ascii=False, default=str), err=True)
    return REFUSED if problem.get("status") in _REFUSAL_STATUSES else FAILED


def problem_of(error: Exception) -> dict[str, Any] | None:
    """The problem document of an error, made up where the error has none; None if it is unknown to us."""
    if isinstance(error, ServiceError):
        return error.problem()
    carried = getattr(error, "problem", None)
    if isinstance(carried, Mapping) and carried:
        return dict(carried)
    if _is_client_error(error):
        problem = _plain_problem("failed", "The command failed", str(error))
        if isinstance(error, sys.modules["service.client"].ConnectionFailed):
            problem["hint"] = (
                "Is the service running? `weightcast serve` starts one; "
                "--url, or WEIGHTCAST_URL, says where it is."
            )
        return problem
    if type(error).__name__ == "ValidationError" and getattr(error, "title", None) == "Settings":
        return _wrong_settings(error)
    if isinstance(error, ModuleNotFoundError):
        missing = not_installed(error)
        return None if missing is None else missing.problem()
    if isinstance(error, OSError) and error.filename is not None:
        return _plain_problem("file", "A file could not be used", f"{error.filename}: {error.strerror}.")
    return None


def _is_client_error(error: Exception) -> bool:
    """Without importing the client, which takes a while: its errors exist only where it was imported."""
    client = sys.modules.get("service.client")
    return client is not None and isinstance(error, client.WeightcastError)


def _wrong_settings(error: Any) -> dict[str, Any]:
    """Names the options and what is wrong with them, never their values: some are secret."""
    from service.settings import variable

    wrong = [
        f"{variable(str(entry['loc'][0])) if entry['loc'] else 'Settings'}: {entry['msg']}."
        for entry in error.errors(include_url=False, include_input=False, include_context=False)
    ]
    return {
        **_plain_problem("settings", "An option of the environment is wrong", " ".join(wrong)),
        "hint": "docs/configuration.md says what each option may be.",
    }


def _plain_problem(code: str, title: str, detail: str) -> dict[str, Any]:
    return {
        "type": f"https://weightcast.dev/problems/{code}",
        "title": title,
        "status": 500,
        "detail": detail,
    }
