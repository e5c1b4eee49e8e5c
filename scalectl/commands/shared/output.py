"""What commands print: lines for people, tables, and JSON documents."""

import codecs
import json
import sys
from io import TextIOWrapper
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:  # the import in `print_table` is made when it is called
    from scalectl.report.tables import Table


def adapt_streams() -> None:
    """Have stdout and stderr write what their encoding lacks as the nearest ASCII."""
    codecs.register_error("scalectl", _write_in_ascii)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="scalectl")


def _write_in_ascii(problem: UnicodeError) -> tuple[str, int]:
    if not isinstance(problem, UnicodeEncodeError):
        raise problem
    lacking = problem.object[problem.start : problem.end]
    return "".join(_ASCII.get(sign, ascii(sign)[1:-1]) for sign in lacking), problem.end


_ASCII = dict(zip("▁▂▃▄▅▆▇█░▒▓─━", "_.-~=+*#-=%--", strict=True))
"""Signs of sparklines, heat maps, rules and bars -> ASCII that is as wide and as dark."""


def say(text: str, *, err: bool = False) -> None:
    """Print a line for people, with what would move a terminal's cursor escaped."""
    from scalectl.errors import printable

    click.echo(printable(text), err=err)


def print_table(table: "Table") -> None:
    """Print a table for people, as wide as the terminal."""
    from scalectl.report.render import render

    click.echo(render(table, "rich"), nl=False)


def print_json(document: dict[str, Any], *, as_line: bool = False) -> None:
    """Print a JSON document on stdout; as a line at once, for programs that follow a search."""
    click.echo(json.dumps(document, indent=None if as_line else 2, allow_nan=not as_line))
