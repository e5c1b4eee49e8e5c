"""The group of commands: help, version, and what becomes of problems."""

from typing import Any

import click

from scalectl.commands import COMMANDS, load_command
from scalectl.commands.output import say
from scalectl.errors import ScalectlError


class _Group(click.Group):
    """Loads a command when it is asked for; problems become one sentence and an exit code."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, _ctx: click.Context, name: str) -> click.Command | None:
        return load_command(name) if name in COMMANDS else None

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ScalectlError as problem:
            say(f"Error: {problem}".replace("\n", " "), err=True)
            ctx.exit(problem.exit_code)
        except KeyboardInterrupt:
            say("Interrupted.", err=True)
            ctx.exit(130)


_HELP = """Search how to scale a ConvNet, scale it, and show the evidence.

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
