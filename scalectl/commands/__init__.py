"""Commands, a slot: one file per command, and its name in `COMMANDS`. Each parses, calls and prints.

What several need is in `shared`. None imports at its top what is heavy.
"""

from importlib import import_module

import click

COMMANDS = ("nas", "grid", "scale", "report", "merge", "profile", "verify", "baselines")
"""Names of the commands, and of the modules that have them."""


def load_command(name: str) -> click.Command:
    """Import the command of that name, one of `COMMANDS`."""
    command: click.Command = getattr(import_module(f"{__name__}.{name}"), name)
    return command
