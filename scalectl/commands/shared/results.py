"""Print the results of runs: comparison, tables, next steps; and refuse what they lack."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from scalectl.commands.shared.output import say
from scalectl.errors import ScalectlError
from scalectl.report.render import pluralise
from scalectl.report.tables import tabulate

if TYPE_CHECKING:  # slow to load: `--help` does without
    from scalectl.report.render import Format
    from scalectl.report.tables import Table
    from scalectl.search.architectures.results import ArchitectureResults
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
    from scalectl.report.tables.comparison import tabulate_runs

    if list(names) == ["comparison"] or (len(runs) > 1 and len(names) != 1):
        print_tables([tabulate_runs(runs)], style, apart=False)
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
    from scalectl.report.heat_map import draw_heat_map

    if comments:
        print_words(results, style)
        heat_map = draw_heat_map(results) if style == "rich" and "ranking" in names else ""
        if heat_map:
            click.echo("\n" + heat_map, nl=False)
    tables = [tabulate(name, results) for name in names]
    print_tables(
        [table for table in tables if table.rows or len(names) == 1], style, apart=comments
    )


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


def print_words(results: "Results | ArchitectureResults", style: "Format" = "rich") -> None:
    """Print the name of a run, and in words what its search decided."""
    from scalectl.report import architectures, prose
    from scalectl.report.render import escape
    from scalectl.search.results import Results

    name = results.name
    words = (
        prose.in_words(results) if isinstance(results, Results) else architectures.in_words(results)
    )
    if style == "markdown":
        name, words = f"## {escape(name)}\n", escape(words)
    say(name)
    say(words)


def print_tables(tables: "Iterable[Table]", style: "Format", *, apart: bool) -> None:
    """Print tables with an empty line between them, and before the first where it is to be `apart`."""
    from scalectl.report.render import render

    for number, table in enumerate(tables):
        between = "\n" if apart or number else ""
        click.echo(between + render(table, style), nl=False)


def print_next(
    results: "Results", run: Path, style: "Format" = "rich", *, data: str = "", err: bool = False
) -> None:
    """Print what to do next, with the commands as they are to be typed; `data` names the images."""
    from scalectl.report.advice import advise
    from scalectl.report.render import escape

    say("", err=err)
    for step in advise(results, str(run), data):
        say(f"Next: {step.why}", err=err)
        if step.command:
            as_code = f"`{escape(step.command)}`" if style == "markdown" else f"  {step.command}"
            say(as_code, err=err)


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


def check_requirement(
    runs: "Sequence[Results]", paths: Sequence[Path], require: str | None, data: str = ""
) -> None:
    """Raise `ScalectlError` with code 4 where a run has not the status that is required.

    What is identified before the search is over, or by networks that only guess, is not.
    """
    if not require:
        return
    from scalectl.report.advice import advise

    for results, path in zip(runs, paths, strict=True):
        if doubt := _find_doubt(results):
            step = advise(results, str(path), data)[0]
            raise ScalectlError(
                f"{results.name} is not {require}: {doubt}",
                f"{step.why.rstrip('.')}: {step.command}" if step.command else step.why,
                exit_code=4,
            )


def _find_doubt(results: "Results") -> str:
    """Say why nobody should go on with a choice; "" where it is identified."""
    from scalectl.report.prose import count_trials, is_chance

    if results.selection.status != "identified":
        return results.selection.reason
    if results.outlook and results.lacks_trials:
        return f"only {count_trials(results.outlook)} trials are over."
    if is_chance(results):
        return "no network is better than one that always answers the largest class."
    return ""
