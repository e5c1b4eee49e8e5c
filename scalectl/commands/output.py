"""What commands print: lines for people, tables, and JSON documents."""

import json
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:  # the import in `print_table` is made when it is called
    from scalectl.report.tables import Table


def say(text: str, *, err: bool = False) -> None:
    """A line for people."""
    from scalectl.report.render import printable

    click.echo(printable(text), err=err)


def print_table(table: "Table") -> None:
    """For people."""
    from scalectl.report.render import render

    click.echo(render(table, "rich"), nl=False)


def print_json(document: dict[str, Any]) -> None:
    """For programs, on stdout."""
    click.echo(json.dumps(document, indent=2))
