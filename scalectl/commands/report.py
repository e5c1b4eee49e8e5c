"""`scalectl report`: what was found, as tables, figures and one page."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from scalectl import files
from scalectl.commands.findings import judge_files, print_findings, print_verdicts
from scalectl.commands.options import PATH
from scalectl.commands.output import print_json, say
from scalectl.commands.runs import find_newest
from scalectl.reports import REPORTS

if TYPE_CHECKING:  # slow to load: `--help` does without
    from scalectl.evidence import Evidence


def _check_page(
    _context: click.Context, _option: click.Parameter, path: Path | None
) -> Path | None:
    if path and path.suffix.lower() not in (".html", ".htm"):
        raise click.BadParameter(f"{str(path)!r} does not end in .html.")
    return path


@click.command()
@click.argument("runs", nargs=-1, type=PATH)
@click.option(
    "--table", type=click.Choice([*REPORTS, "comparison"]), help="This one alone.  [default: all]"
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["rich", "markdown", "csv", "latex", "json"]),
    help="csv is one table: the ranking, of several runs the comparison, or --table.  [default: rich]",
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
    "--figures", "folder", metavar="DIR", type=PATH, help="Write the figures as SVG, PNG and PDF."
)
@click.option("--watch", is_flag=True, help="Follow running searches until they are over.")
def report(
    runs: tuple[Path, ...],
    table: str | None,
    form: str | None,
    as_json: bool,
    page: Path | None,
    folder: Path | None,
    watch: bool,
) -> None:
    """Tables, figures and one page of what was found.

    RUNS are run folders or .parquet files; without any, the newest run under ./runs. Several are
    compared first.
    """
    from scalectl import evidence

    as_json = as_json or form == "json"
    if as_json and table:
        raise click.UsageError("--table does not go with JSON, whose document has all of them.")
    runs = runs or (find_newest(),)
    if watch:
        _watch(runs, page)
    found = [evidence.gather(run) for run in runs]
    if page:
        _write_page(runs, found, page)
        say(f"The page is in {page}.", err=True)
    if folder:
        _write_figures(found, folder)
        say(f"The figures are in {folder}.", err=True)
    if as_json:
        from scalectl.reports import document

        several = len(found) > 1
        print_json(
            document.document_runs(found) if several else document.document_evidence(found[0])
        )
    elif (page or folder) and not (form or table):
        print_verdicts(found)
    else:
        print_findings(found, form or "rich", table)  # type: ignore[arg-type]
    judge_files(found)


def _watch(runs: Sequence[Path], page: Path | None) -> None:
    """Show, and write the page, after each change."""
    from rich.console import Console

    from scalectl.following import follow
    from scalectl.progress import Board

    with Board(Console(stderr=True)) as board:
        for found in follow(runs):
            board.show(found)
            if page and len(found) == len(runs):
                _write_page(runs, found, page)


def _write_page(runs: Sequence[Path], found: "Sequence[Evidence]", path: Path) -> None:
    from scalectl.page import build

    # Pages are passed on: where a run is on this machine is nobody's business (PROMISES 12).
    names = [run.name if run.is_absolute() else run.as_posix() for run in runs]
    files.replace(path, build(list(zip(names, found, strict=True))))


def _write_figures(found: "Sequence[Evidence]", folder: Path) -> None:
    """In a folder of its own for each of several runs."""
    from scalectl import figures

    for number, one in enumerate(found, 1):
        place = folder / f"{number}-{one.name}" if len(found) > 1 else folder
        files.make_folder(place)
        for picture in figures.list_pictures(one):
            if picture.figure is None:
                say(f"No figure {picture.name}: {picture.text}", err=True)
                continue
            for form in figures.FORMATS:
                files.replace(
                    place / f"{picture.name}.{form}", figures.encode(picture.figure, form)
                )
