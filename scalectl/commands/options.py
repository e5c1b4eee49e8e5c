"""What several commands ask for in the same way."""

import re
from pathlib import Path

import click

PATH = click.Path(path_type=Path)
BASELINE_HELP = "A name (scalectl baselines), a .toml or .json, or package.module:factory."

require_option = click.option(
    "--require",
    type=click.Choice(["identified"]),
    help="Exit with code 4 where the choice is not identified, as in a script that goes on with it.",
)
require_option = click.option(
    "--require",
    type=click.Choice(["identified"]),
    help="Exit with code 4 where the choice is not identified, for scripts that go on with it.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")


def check_device(_context: click.Context, _option: click.Parameter, name: str) -> str:
    """As `devices` takes it. Raises `click.BadParameter` for anything else."""
    if not re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", name):
        raise click.BadParameter(f"{name!r} is not auto, cpu, mps, cuda or cuda:NUMBER.")
    return name
