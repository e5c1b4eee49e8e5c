import re

import click
import pytest
from click.testing import CliRunner

from scalectl.cli import main
from scalectl.commands import COMMANDS, load_command
from scalectl.commands.shared.help import EXAMPLES
from scalectl.search.config import Config


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_says_what_it_and_its_options_are_for(name: str) -> None:
    command = load_command(name)
    assert command.name == name
    assert command.help
    assert f"scalectl {name}" in (main.help or "")
    options = [option for option in command.params if isinstance(option, click.Option)]
    assert all(option.help or isinstance(option.type, click.Choice) for option in options)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_takes_its_three_examples(name: str) -> None:
    """They are shown, and parsed without a complaint."""
    shown = CliRunner().invoke(main, [name, "--help"]).stdout
    assert len(EXAMPLES[name]) == 3
    for example in EXAMPLES[name]:
        assert f"  {example}\n" in shown
        program, command, *arguments = example.split()
        assert (program, command) == ("scalectl", name)
        load_command(name).make_context(name, arguments)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_help_shows_each_option_once(name: str) -> None:
    """In its group, whichever that is."""
    command = load_command(name)
    shown = CliRunner().invoke(main, [name, "--help"]).stdout.partition("Examples:")[0]
    for option in command.params:
        if isinstance(option, click.Option):
            assert len(re.findall(rf"^ .*{max(option.opts, key=len)}\b", shown, re.MULTILINE)) >= 1
    assert shown.count("--help") == 1


def test_the_defaults_that_a_help_names_are_those_of_the_search() -> None:
    shown = " ".join(CliRunner().invoke(main, ["grid", "--help"]).stdout.split())
    config = Config()
    for default in (config.seeds, config.baseline):
        assert f"[default: the grid file's, else {default}]" in shown
    assert f"[default: the file's, else {config.proxy.data}]" in shown


def test_every_command_is_in_the_group() -> None:
    """And has one line of its own in the help, which is not cut."""
    shown = CliRunner().invoke(main, ["--help"]).stdout
    listed = main.list_commands(click.Context(main))
    assert sorted(listed) == sorted(COMMANDS)
    for name in COMMANDS:
        assert len(re.findall(rf"^  (?:scalectl )?{name} .*  \w", shown, re.MULTILINE)) == 1
    assert "..." not in shown.replace("RUN...", "").replace("FILE...", "").replace("[ARGS]...", "")
