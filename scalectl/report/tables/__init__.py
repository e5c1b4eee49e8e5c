"""Tables of a run, a slot: one file for each table, and its line in `TABLES`. `render` writes them."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Protocol, cast

if TYPE_CHECKING:  # brings the numerics, which `scale` does without
    from scalectl.search.results import Results


@dataclass(frozen=True, slots=True)
class Column:
    """A column: the key of its values in `--json`, its heading for people, and how they are written."""

    name: str
    title: str
    format: str = ""
    """A format specification for numbers, such as ".2f"; empty for text."""
    essential: bool = False
    """Whether a narrow terminal hides the other columns first; it begins at the right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows of plain values, and what a reader must know about them."""

    name: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[Mapping[str, object], ...]
    """Column name -> value; None where it is not known. A tuple of numbers is a curve."""
    notes: tuple[str, ...] = ()


MACS_NOTE = "MACs are multiply-adds; FLOPs = 2 x MACs."

TABLES = {
    "candidates": "scalectl.report.tables.candidates",
    "ranking": "scalectl.report.tables.ranking",
    "controls": "scalectl.report.tables.controls",
    "family": "scalectl.report.tables.family",
    "frontier": "scalectl.report.tables.frontier",
    "curves": "scalectl.report.tables.curves",
    "fit": "scalectl.report.tables.fit",
    "confirmation": "scalectl.report.tables.confirmation",
    "fidelity": "scalectl.report.tables.fidelity",
    "failures": "scalectl.report.tables.failures",
}
"""Name -> the module that makes it, a `TableModule`; in the order of a report."""


class TableModule(Protocol):
    """The interface of a module that makes one table."""

    def tabulate(self, results: "Results") -> Table:
        """Make the table of a run; without rows where its data are missing."""
        ...


def tabulate(name: str, results: "Results") -> Table:
    """Make the table of that name, one of `TABLES`."""
    return cast(TableModule, import_module(TABLES[name])).tabulate(results)
