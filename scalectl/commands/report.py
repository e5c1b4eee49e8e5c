"""`scalectl report`: what was found, as tables, figures and one page."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from scalectl.analysis.recommendation import list_files
from scalectl.commands.shared.help import DocumentedCommand
from scalectl.commands.shared.options import PATH, Choice, refuse, require_option
from scalectl.commands.shared.output import print_json, say
from scalectl.commands.shared.results import (
    check_files,
    check_requirement,
    print_architectures,
    print_results,
    print_words,
)
from scalectl.commands.shared.runs import find_newest
from scalectl.errors import ScalectlError
from scalectl.report.tables import TABLES
from scalectl.store import atomic

if TYPE_CHECKING:  # slow to load: `--help` does without
    from scalectl.report.render import Format
    from scalectl.search.architectures.results import ArchitectureResults
    from scalectl.search.results import Results


def _check_page(
    _context: click.Context, _option: click.Parameter, path: Path | None
) -> Path | None:
    if path and path.suffix.lower() not in (".html", ".htm"):
        raise click.BadParameter(f"{str(path)!r} does not end in .html.")
    return path


_OF_ARCHITECTURES = ("stages", "front", "samplers", "importances")
"""Tables of runs of nas alone."""


@click.command(cls=DocumentedCommand)
@click.argument("runs", nargs=-1, type=PATH)
@click.option(
    "--table",
    type=Choice([*TABLES, "comparison", *_OF_ARCHITECTURES]),
    help="This table alone; the last four are of runs of nas.",
)
@click.option("--all", "everything", is_flag=True, help="All tables, not the ranking alone.")
@click.option(
    "--format",
    "form",
    type=Choice(["rich", "markdown", "csv", "latex", "json"]),
    help="csv and latex are tables alone.  [default: rich]",
)
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@click.option(
    "--html",
    "page",
    metavar="FILE",
    type=PATH,
    callback=_check_page,
    help="Write everything as one page.",
)
@click.option(
    "--figures",
    "folder",
    metavar="DIR",
    type=PATH,
    help="Write the figures as SVG (for light and dark pages), PNG and PDF.",
)
@require_option
@click.option("--watch", is_flag=True, help="Follow running searches until they are over.")
def report(
    runs: tuple[Path, ...],
    table: str | None,
    everything: bool,
    form: str | None,
    as_json: bool,
    page: Path | None,
    folder: Path | None,
    require: str | None,
    watch: bool,
) -> None:
    """Tables, figures and one page of what was found.

    RUNS are run folders or .parquet files; without any, the newest run under ./runs. Several are
    compared first.
    """
    from scalectl.report import architectures, json_document
    from scalectl.search.architectures.results import is_architecture_run, read_architecture_results
    from scalectl.search.results import read_results

    as_json = as_json or form == "json"
    refuse(as_json and table, "--table does not go with JSON, whose document has all of them.")
    refuse(
        everything and (table or form == "csv"),
        "--all goes neither with --table nor with csv, which is one table.",
    )
    runs = runs or (find_newest(),)
    of_nas = any(map(is_architecture_run, runs))
    known = list(architectures.TABLES if of_nas else TABLES)
    refuse(
        of_nas and (len(runs) > 1 or require or watch),
        "A run of nas is reported alone, without --require and --watch.",
    )
    refuse(
        of_nas and table and table not in known,
        f"{runs[0]} is of nas, and has the tables {', '.join(known)}.",
    )
    refuse(
        not of_nas and table in _OF_ARCHITECTURES,
        f"--table {table} is of runs of nas, and this is one of grid.",
    )
    if watch:
        _watch(runs, page)
    nas = read_architecture_results(runs[0]) if of_nas else None
    grids = [] if of_nas else [read_results(run) for run in runs]
    results = [nas] if nas else grids
    _write_files(runs, results, page, folder)
    if as_json:
        describe = json_document.describe_runs
        print_json(architectures.describe_architecture_run(nas) if nas else describe(grids))
    elif (page or folder) and not (form or table):
        for each in results:
            print_words(each)
    else:
        style = cast("Format", form or "rich")
        alone = style in ("csv", "latex")
        names = [table] if table else known if everything else []
        if nas:
            default = ["networks"] if style == "csv" else []
            print_architectures(nas, style, names or default, words=not alone)
        else:
            print_results(grids, style, names, () if table else runs, comments=not alone)
        if style == "rich" and not names:
            say(f"\nMore tables: --all, or --table with one of {', '.join(known)}.", err=True)
    check_files([file for each in results for file in each.damaged])
    check_requirement(grids, runs, require)


def _watch(runs: Sequence[Path], page: Path | None) -> None:
    """Show the runs, and write the page, after each change until all of them are over."""
    from rich.console import Console

    from scalectl.report.progress import Board

    for run in runs:
        if run.is_file():
            raise ScalectlError(
                f"{run} is a file, in which nothing changes.",
                "--watch follows the folder of a run.",
            )
    seen: list[tuple[str, ...]] = []
    with Board(Console(stderr=True)) as board:
        while True:
            names = [list_files(run) for run in runs]
            if names != seen:
                seen = names
                results = [begun for run in runs if (begun := _read_begun(run))]
                board.show(results)
                if len(results) == len(runs):
                    if page:
                        _write_page(runs, results, page)
                    if all(run.outlook and run.outlook.is_over for run in results):
                        return
            time.sleep(_PAUSE)


_PAUSE = 1.0
"""Seconds between looks at a folder's names."""


def _read_begun(run: Path) -> "Results | None":
    """Read a run's results; None where no trial is over yet."""
    from scalectl.search.results import read_results

    has_begun = (run / "FORMAT.json").exists()
    try:
        return read_results(run)
    except ScalectlError as problem:
        if not has_begun or problem.exit_code != 2:
            raise
        return None


def _write_files(
    runs: Sequence[Path],
    results: "Sequence[Results | ArchitectureResults]",
    page: Path | None,
    folder: Path | None,
) -> None:
    """Write the page and the figures that are asked for; those of several runs into a folder for each."""
    if page:
        _write_page(runs, results, page)
        say(f"The page is in {page}.", err=True)
    if folder:
        for number, each in enumerate(results, 1):
            _write_figures(each, folder / f"{number}-{each.name}" if len(runs) > 1 else folder)
        say(f"The figures are in {folder}.", err=True)


def _write_page(
    runs: Sequence[Path], results: "Sequence[Results | ArchitectureResults]", path: Path
) -> None:
    from scalectl.report.html.page import build

    # Pages are passed on, and where a run is on this machine is nobody's business.
    names = [run.name if run.is_absolute() else run.as_posix() for run in runs]
    atomic.replace(path, build(list(zip(names, results, strict=True))))


def _write_figures(results: "Results | ArchitectureResults", folder: Path) -> None:
    """Write figures into a folder, which is made; those whose data are missing are named."""
    from scalectl.report import figures

    atomic.make_folder(folder)
    for picture in figures.draw_all(results):
        if picture.figure is None:
            say(f"No figure {picture.name}: {picture.text}", err=True)
            continue
        contents = {
            f"{picture.name}.{form}": figures.encode(picture.figure, form)
            for form in figures.FORMATS
        }
        contents[f"{picture.name}-dark.svg"] = figures.darken(contents[f"{picture.name}.svg"])
        for name, content in contents.items():
            atomic.replace(folder / name, content)
