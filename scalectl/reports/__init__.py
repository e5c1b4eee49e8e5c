"""Reports, a slot: one file per table, and its line in `REPORTS`.

A report is a function from the evidence to a table; `render` makes text of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module


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
    """Column name -> value; None where there is none. A tuple of numbers is a curve."""
    notes: tuple[str, ...] = ()


REPORTS = {
    "candidates": "scalectl.reports.candidates",
    "ranking": "scalectl.reports.ranking",
    "controls": "scalectl.reports.controls",
    "family": "scalectl.reports.family",
    "frontier": "scalectl.reports.frontier",
    "curves": "scalectl.reports.curves",
    "fit": "scalectl.reports.fit",
    "confirmation": "scalectl.reports.confirmation",
    "fidelity": "scalectl.reports.fidelity",
    "failures": "scalectl.reports.failures",
}
"""Name -> the module whose `tabulate` takes the evidence and gives the table."""


def tabulate(name: str, evidence: object) -> Table:
    """The table of that name, one of `REPORTS`, for an `evidence.Evidence`."""
    table: Table = import_module(REPORTS[name]).tabulate(evidence)
    return table
