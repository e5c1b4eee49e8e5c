"""Print the results of searches of architectures."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from scalectl.commands.shared.results import print_tables, print_words

if TYPE_CHECKING:  # slow to load: `--help` does without
    from scalectl.report.render import Format
    from scalectl.search.architectures.results import ArchitectureResults


def print_architectures(
    results: "ArchitectureResults",
    style: "Format",
    names: Sequence[str] = (),
    *,
    words: bool = True,
) -> None:
    """Print what a search found: in words where `words` is true, then the tables of these names."""
    from scalectl.report.architectures import TABLES

    if words:
        print_words(results, style)
    chosen = names or ("stages", "samplers", "front", "confirmation")
    tables = [TABLES[name](results) for name in chosen]
    print_tables([table for table in tables if table.rows or names], style, apart=words)
