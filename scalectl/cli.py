"""The commands: parse, call, print, exit code."""

import click

from scalectl import __version__


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def main() -> None:
    """Search how to scale a ConvNet, scale it, and show the evidence."""
