"""What was found, printed: the comparison and the tables of runs; and what could not be read."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from scalectl.commands.output import say
from scalectl.errors import ScalectlError
from scalectl.report.render import pluralise
from scalectl.report.tables import tabulate

if TYPE_CHECKING:  # slow to load: `--help` does without
    from scalectl.report.render import Format
    from scalectl.search.results import Results


def print_findings(
    found: "Sequence[Results]",
    style: "Format",
    names: Sequence[str] = (),
    paths: Sequence[Path] = (),
    *,
    comments: bool = True,
) -> None:
    """The comparison where there are several, then each run with the tables of these names.

    `paths` are where the runs are, for the commands that come next; without any, none is printed.
    Without `comments` only the tables are printed.
    """
    from scalectl.report import render
    from scalectl.report.tables.comparison import tabulate_runs

    if list(names) == ["comparison"] or (len(found) > 1 and len(names) != 1):
        click.echo(render.render(tabulate_runs(found), style), nl=False)
        if list(names) == ["comparison"] or not comments:
            return
        click.echo()
    for number, results in enumerate(found):
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
    """What to do next, with the commands as they are to be typed."""
    from scalectl.report.advice import advise
    from scalectl.report.render import escape

    say("", err=err)
    for step in advise(results, str(run)):
        say(f"Next: {step.why}", err=err)
        if step.command:
            as_code = f"`{escape(step.command)}`" if style == "markdown" else f"  {step.command}"
            say(as_code, err=err)


def print_verdicts(found: "Sequence[Results]", style: "Format" = "rich") -> None:
    """The name of each run, and what it decided, in words."""
    from scalectl.report import render
    from scalectl.report.prose import in_words

    for one in found:
        name, words = one.name, in_words(one)
        if style == "markdown":
            name, words = f"## {render.escape(name)}\n", render.escape(words)
        say(name)
        say(words)


def judge_files(found: "Sequence[Results]") -> None:
    """Raises `ScalectlError` where some were damaged, after the rest was shown."""
    damaged = [file for one in found for file in one.damaged]
    if damaged:
        raise ScalectlError(
            f"{pluralise(len(damaged), 'damaged file')} left out; the first is {damaged[0].path}: "
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
