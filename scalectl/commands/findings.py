"""What was found, printed: the comparison and the tables of runs; and what could not be read."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from scalectl.commands.output import say
from scalectl.errors import ScalectlError
from scalectl.report.tables import TABLES, tabulate

if TYPE_CHECKING:  # slow to load: `--help` does without
    from scalectl.report.render import Format
    from scalectl.search.results import Results


def print_findings(found: "Sequence[Results]", style: "Format", name: str | None = None) -> None:
    """The comparison where there are several, then each run; `name` is the one table to print."""
    from scalectl.report import render
    from scalectl.report.tables.comparison import tabulate_runs

    if name == "comparison" or (len(found) > 1 and name is None):
        click.echo(render.render(tabulate_runs(found), style), nl=False)
        if name == "comparison" or style == "csv":
            return
        click.echo()
    for one in found:
        _print_tables(one, style, name)


def _print_tables(results: "Results", style: "Format", chosen: str | None) -> None:
    from scalectl.report import render
    from scalectl.report.heat_map import draw_heat_map

    if style == "csv":
        click.echo(render.render(tabulate(chosen or "ranking", results), style), nl=False)
        return
    print_verdicts([results], style)
    heat_map = draw_heat_map(results) if style == "rich" and not chosen else ""
    if heat_map:
        click.echo("\n" + heat_map, nl=False)
    for name in [chosen] if chosen else TABLES:
        table = tabulate(name, results)
        if table.rows or chosen:
            click.echo("\n" + render.render(table, style), nl=False)


def print_verdicts(found: "Sequence[Results]", style: "Format" = "rich") -> None:
    """The name of each run, and what it decided, in words."""
    from scalectl.report import render
    from scalectl.report.prose import in_words

    for one in found:
        name, words = one.name, in_words(one)
        if style == "markdown":
            name, words = f"## {render.escape(name)}\n", render.escape(words)
        elif style == "latex":
            name = f"\\section*{{{render.escape_latex(name)}}}"
            words = render.escape_latex(words)
        say(name)
        say(words)


def judge_files(found: "Sequence[Results]") -> None:
    """Raises `ScalectlError` where some were damaged, after the rest was shown."""
    damaged = [file for one in found for file in one.damaged]
    if damaged:
        raise ScalectlError(
            f"{len(damaged)} damaged files were left out; the first is {damaged[0].path}: "
            f"{damaged[0].reason}.",
            "Run scalectl grid again with the arguments that made them: it makes them anew.",
            exit_code=3,
        )


def check_requirement(found: "Sequence[Results]", require: str | None) -> None:
    """Raise `ScalectlError` with code 4 where a run has not the status that is required."""
    for results in found:
        selection = results.selection
        if require and selection.status != require:
            raise ScalectlError(
                f"{results.name} is not {require}: {selection.reason}",
                "The report says what would help.",
                exit_code=4,
            )
