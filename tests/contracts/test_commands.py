import re

import click
import pytest
from click.testing import CliRunner

from scalectl.cli import main
from scalectl.commands import COMMANDS, load_command


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_says_what_it_and_its_options_are_for(name: str) -> None:
    command = load_command(name)
    assert command.name == name
    assert command.help
    assert f"scalectl {name}" in (main.help or "")
    options = [one for one in command.params if isinstance(one, click.Option)]
    assert all(one.help or isinstance(one.type, click.Choice) for one in options)


def test_every_command_is_in_the_group() -> None:
    """And has a line of its own in the help."""
    shown = CliRunner().invoke(main, ["--help"]).stdout
    listed = main.list_commands(click.Context(main))
    assert sorted(listed) == sorted(COMMANDS)
    for name in COMMANDS:
        assert re.search(rf"^  scalectl {name} .*  \w", shown, re.MULTILINE)
        assert re.search(rf"^  {name}  +\w", shown, re.MULTILINE)
