"""The group of commands: help, version, and what becomes of problems."""

from typing import Any

import click

from scalectl import __version__
from scalectl.commands import COMMANDS, load_command
from scalectl.commands.output import say
from scalectl.errors import ScalectlError


class _Group(click.Group):
    """Turns problems that the user can mend into one sentence and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ScalectlError as problem:
            say(f"Error: {problem}".replace("\n", " "), err=True)
            ctx.exit(problem.exit_code)
        except KeyboardInterrupt:
            say("Interrupted.", err=True)
            ctx.exit(130)


@click.group(
    cls=_Group,
    commands=[load_command(name) for name in COMMANDS],
    context_settings={
        "help_option_names": ["-h", "--help"],
        "auto_envvar_prefix": "SCALECTL",
    },
)
@click.version_option(__version__)
def main() -> None:
    r"""Search how to scale a ConvNet, scale it, and show the evidence.

    \b
    scalectl grid             search the coefficients by brief trainings
    scalectl scale --phi 4    emit a config from the winner
    scalectl report           tables of what was found
    scalectl merge RUN...     unite what several machines found

    \b
    scalectl profile TARGET   what a network costs
    scalectl verify FILE...   rebuild emitted configs, and compare
    scalectl baselines        what can be scaled, and exported to what

    Exit codes: 0 done, 2 wrong usage or config, 3 damaged files (the rest is shown), 4 no eligible
    winner, 5 out of space, 6 some trials failed, 129, 130 or 143 interrupted.
    """
