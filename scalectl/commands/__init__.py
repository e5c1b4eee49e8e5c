"""Commands, a slot: one file per command, and its line in `COMMANDS`. Each parses, calls and prints.

What several need is in `shared`. None imports at its top what is heavy.
"""

from importlib import import_module

import click

COMMANDS = {
    "nas": "scalectl.commands.nas",
    "grid": "scalectl.commands.grid",
    "scale": "scalectl.commands.scale",
    "report": "scalectl.commands.report",
    "merge": "scalectl.commands.merge",
    "profile": "scalectl.commands.profile",
    "verify": "scalectl.commands.verify",
    "baselines": "scalectl.commands.baselines",
}
"""Name -> the module that has the command of that name."""


def load_command(name: str) -> click.Command:
    """Import the command of that name, one of `COMMANDS`."""
    command: click.Command = getattr(import_module(COMMANDS[name]), name)
    return command
