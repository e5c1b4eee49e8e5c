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
"""Of sparklines, heat maps, rules and bars; as wide, and as dark, as what they stand for."""


def say(text: str, *, err: bool = False) -> None:
    """A line for people."""
    from scalectl.errors import printable

    click.echo(printable(text), err=err)


def print_table(table: "Table") -> None:
    """For people."""
    from scalectl.report.render import render

    click.echo(render(table, "rich"), nl=False)


def print_json(document: dict[str, Any]) -> None:
    """For programs, on stdout."""
    click.echo(json.dumps(document, indent=2))


def print_line(content: dict[str, Any]) -> None:
    """A line of JSON on stdout, at once, for programs that follow."""
    click.echo(json.dumps(content, allow_nan=False))
