"""Print the results of runs: comparison, tables, next steps; and refuse what they lack."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from scalectl.commands.shared.output import say
from scalectl.errors import ScalectlError
from scalectl.report.render import pluralise
from scalectl.report.tables import tabulate

if TYPE_CHECKING:  # slow to load: `--help` does without
    from scalectl.report.render import Format
    from scalectl.search.results import Results
    from scalectl.store.reader import DamagedFile


def print_results(
    runs: "Sequence[Results]",
    style: "Format",
    names: Sequence[str] = (),
    paths: Sequence[Path] = (),
    *,
    comments: bool = True,
) -> None:
    """Print the comparison of several runs, then each run with the tables of these names.

    `paths` are where the runs are: with them, the next steps are printed as commands. Without
    `comments` only the tables are printed.
    """
    from scalectl.report import render
    from scalectl.report.tables.comparison import tabulate_runs

    if list(names) == ["comparison"] or (len(runs) > 1 and len(names) != 1):
        click.echo(render.render(tabulate_runs(runs), style), nl=False)
        if list(names) == ["comparison"] or not comments:
            return
        click.echo()
    for number, results in enumerate(runs):
        _print_tables(results, style, names or ("ranking",), comments=comments)
        if comments and paths:
            print_next(results, paths[number], style)


def _print_tables(
    results: "Results", style: "Format", names: Sequence[str], *, comments: bool
) -> None:
    from scalectl.report import render
    from scalectl.report.heat_map import draw_heat_map

    if comments:
        print_verdicts([results], style)
        heat_map = draw_heat_map(results) if style == "rich" and "ranking" in names else ""
        if heat_map:
            click.echo("\n" + heat_map, nl=False)
    for number, name in enumerate(names):
        table = tabulate(name, results)
        if table.rows or len(names) == 1:
            between = "\n" if comments or number else ""
            click.echo(between + render.render(table, style), nl=False)


def print_next(
    results: "Results", run: Path, style: "Format" = "rich", *, err: bool = False
) -> None:
    """Print what to do next, with the commands as they are to be typed."""
    from scalectl.report.advice import advise
    from scalectl.report.render import escape

    say("", err=err)
    for step in advise(results, str(run)):
        say(f"Next: {step.why}", err=err)
        if step.command:
            as_code = f"`{escape(step.command)}`" if style == "markdown" else f"  {step.command}"
            say(as_code, err=err)


def print_verdicts(runs: "Sequence[Results]", style: "Format" = "rich") -> None:
    """Print the name of each run, and in words what its search decided."""
    from scalectl.report import render
    from scalectl.report.prose import in_words

    for results in runs:
        name, words = results.name, in_words(results)
        if style == "markdown":
            name, words = f"## {render.escape(name)}\n", render.escape(words)
        say(name)
        say(words)


def check_files(damaged: "Sequence[DamagedFile]", then: str = "") -> None:
    """Raise `ScalectlError` with code 3 where files were damaged, once the rest has been shown.

    `then`: what is to be done after they were made anew, such as ", and merge again".
    """
    if damaged:
        raise ScalectlError(
            f"{pluralise(len(damaged), 'damaged file')} left out; the first is {damaged[0].path}: "
            f"{damaged[0].reason}.",
            f"Run scalectl grid again with the arguments that made them: it makes them anew{then}.",
            exit_code=3,
        )


def check_requirement(runs: "Sequence[Results]", require: str | None) -> None:
    """Raise `ScalectlError` with code 4 where a run has not the status that is required."""
    for results in runs:
        selection = results.selection
        if require and selection.status != require:
            raise ScalectlError(
                f"{results.name} is not {require}: {selection.reason}",
                "The report says what would help.",
                exit_code=4,
            )
