"""Print the results of searches of architectures."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from scalectl.commands.shared.output import say

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
    from scalectl.report import architectures, render

    if words:
        name, text = results.name, architectures.in_words(results)
        if style == "markdown":
            name, text = f"## {render.escape(name)}\n", render.escape(text)
        say(name)
        say(text)
    for number, name in enumerate(names or ("stages", "samplers", "front", "confirmation")):
        table = architectures.tabulate(name, results)
        if table.rows or names:
            between = "\n" if words or number else ""
            click.echo(between + render.render(table, style), nl=False)
