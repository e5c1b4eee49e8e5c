"""Reports, a slot: one file per table, and its line in `REPORTS`.

A report is a function from the evidence to a table; `render` makes text of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Column:
    """One column: the name of its values as in `--json`, its heading for people, and their format."""

    name: str
    title: str
    format: str = ""
    """A format specification for numbers, such as ".2f"; empty for text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A title, columns, rows of plain values, and what a reader must know about them."""

    name: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[Mapping[str, object], ...]
    """Column name -> value; None where there is none."""
    notes: tuple[str, ...] = ()
