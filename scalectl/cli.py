"""The group of commands: help, version, and what becomes of problems."""

import errno
import itertools
import json
import os
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

import click

from scalectl.commands import COMMANDS, load_command
from scalectl.commands.shared.options import guess_option
from scalectl.commands.shared.output import adapt_streams, say
from scalectl.errors import OutOfSpaceError, ScalectlError, describe
from scalectl.parsing import did_you_mean


class _Group(click.Group):
    """Loads a command when it is asked for; problems become one sentence and an exit code."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, _ctx: click.Context, name: str) -> click.Command | None:
        return load_command(name) if name in COMMANDS else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write nothing: `_HELP` lists the commands in the order in which they are used."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in COMMANDS and not args[0].startswith("-"):
            ctx.fail(f"No such command {args[0]!r}{did_you_mean(args[0], COMMANDS)}")
        return super().resolve_command(ctx, args)

    def main(self, args: Sequence[str] | None = None, *rest: Any, **extra: Any) -> NoReturn:
        """Run a command; this is the one place that catches whatever is raised."""
        arguments = list(sys.argv[1:] if args is None else args)
        adapt_streams()
        os.environ["MPLBACKEND"] = "agg"  # a notebook's own exists in its process alone
        extra["standalone_mode"] = False
        try:
            _refuse_windows()
            code = super().main(arguments, *rest, **extra)
            if sys.stdout:  # None where the caller has closed it
                sys.stdout.flush()
        except SystemExit:
            raise
        except BaseException as problem:
            code = _report(problem, arguments)
        sys.exit(code if isinstance(code, int) else 0)


def _refuse_windows() -> None:
    if sys.platform == "win32":
        raise ScalectlError(
            "scalectl runs on Linux and macOS, and this is Windows.",
            "Run it in WSL, the Windows Subsystem for Linux.",
        )


def _report(problem: BaseException, arguments: Sequence[str]) -> int:
    """Say on stderr what went wrong, and return the exit code."""
    if isinstance(problem, BrokenPipeError):
        _abandon_stdout()  # who reads it has seen enough, as `head` does
        return 141
    mended = _translate(problem, arguments)
    if isinstance(mended, OutOfSpaceError):
        _abandon_stdout()
    with suppress(OSError, ValueError):  # stderr itself may be gone
        if _wants_json(arguments):
            error = {
                "kind": _KINDS.get(mended.exit_code, "interrupted"),
                "message": mended.message,
                "hint": mended.hint,
                "exit_code": mended.exit_code,
            }
            click.echo(json.dumps({"schema_version": 1, "error": error}), err=True)
        elif isinstance(problem, click.UsageError) and problem.ctx:
            say(f"{problem.ctx.get_usage()}\n{mended.hint}\n\nError: {mended.message}", err=True)
        else:
            said = "" if mended.exit_code > 128 else "Error: "
            say(f"{said}{mended}".replace("\n", " "), err=True)
    return mended.exit_code


_KINDS = {
    1: "mistake_in_scalectl",
    2: "usage",
    3: "damaged",
    4: "no_winner",
    5: "out_of_space",
    6: "trials_failed",
}


def _translate(problem: BaseException, arguments: Sequence[str]) -> ScalectlError:
    """Turn whatever was raised into what is said about it."""
    if isinstance(problem, ScalectlError):
        return problem
    if isinstance(problem, click.ClickException):
        return _translate_usage(problem, arguments)
    cause = problem.__cause__ if isinstance(problem, click.Abort) else None
    if isinstance(problem, KeyboardInterrupt) or isinstance(cause, KeyboardInterrupt):
        return ScalectlError("Interrupted.", exit_code=130)
    if isinstance(problem, OSError) and problem.errno in (errno.ENOSPC, errno.EDQUOT):
        return OutOfSpaceError(
            "There is no space left to write to.", "Free some, and run it again."
        )
    if isinstance(problem, OSError) and problem.errno == errno.ENAMETOOLONG:
        return ScalectlError("The name of a file or folder is too long.", "Give a shorter one.")
    return _admit(cause or problem)


def _translate_usage(problem: click.ClickException, arguments: Sequence[str]) -> ScalectlError:
    message = problem.format_message()
    context = problem.ctx if isinstance(problem, click.UsageError) else None
    if isinstance(problem, click.NoSuchOption) and context:
        name = problem.option_name
        close = guess_option(name, context.command, _find_value(name, arguments))
        message = f"No such option {name}{close or '.'}"
    hint = f"{context.command_path} --help shows what is allowed." if context else ""
    return ScalectlError(message, hint, exit_code=problem.exit_code)


def _find_value(name: str, arguments: Sequence[str]) -> str:
    """Find what was given to an option, by the next argument or after "="; "" where nothing was."""
    for argument, following in itertools.zip_longest(arguments, arguments[1:], fillvalue=""):
        if argument == name:
            return following
        if argument.startswith(f"{name}="):
            return argument.removeprefix(f"{name}=")
    return ""


def _admit(problem: BaseException) -> ScalectlError:
    """Say that this is scalectl's own fault, and what to report."""
    if os.environ.get("SCALECTL_TRACEBACK"):
        with suppress(OSError):
            traceback.print_exception(problem)
    steps = traceback.extract_tb(problem.__traceback__)
    where = f" ({Path(steps[-1].filename).name}, line {steps[-1].lineno})" if steps else ""
    return ScalectlError(
        f"This is a mistake in scalectl, not yours: {type(problem).__name__}: "
        f"{describe(problem)}{where}.",
        "Please report this line, the command, and what `SCALECTL_TRACEBACK=1` before it prints.",
        exit_code=1,
    )


def _abandon_stdout() -> None:
    """Keep Python from writing the rest of it when it leaves, which would fail once more."""
    with suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _wants_json(arguments: Sequence[str]) -> bool:
    named = any(os.environ.get(f"SCALECTL_{name.upper()}_JSON") for name in COMMANDS)
    options = list(itertools.takewhile(lambda text: text != "--", arguments))
    return (
        named
        or not {"--json", "--events", "--format=json"}.isdisjoint(options)
        or ("--format", "json") in itertools.pairwise(options)
    )


_HELP = """Search how to scale a ConvNet, scale it, and show the evidence.

\b
scalectl nas              search the baseline itself by brief trainings
scalectl grid             search the coefficients by brief trainings
scalectl scale --phi 4    emit a config from the winner
scalectl report           tables of what was found
scalectl merge RUN...     unite what several machines found

\b
scalectl profile TARGET   what a network costs
scalectl verify FILE...   rebuild emitted configs, and compare
scalectl baselines        what can be scaled, and exported to what

Exit codes: 0 done, 1 a mistake in scalectl, 2 wrong usage or config, 3 damaged files (the rest is
shown), 4 no eligible winner, or none as sure as --require asks, 5 out of space, 6 some trials failed, 129,
130 or 143 interrupted.
"""


@click.group(
    help=_HELP,
    cls=_Group,
    context_settings={
        "help_option_names": ["-h", "--help"],
        "auto_envvar_prefix": "SCALECTL",
    },
)
@click.version_option(package_name="scalectl")
def main() -> None:
    """The commands; `_HELP` says what for."""
