"""The commands: parse, call, print, exit code."""

import json
import re
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

import click

from scalectl import __version__
from scalectl.errors import ScalectlError
from scalectl.executors import EXECUTORS
from scalectl.exports import EXPORTS
from scalectl.reports import REPORTS

if TYPE_CHECKING:  # heavy, or slow to load: `--help` and `scale` do without
    from scalectl.evidence import Evidence
    from scalectl.family import Size
    from scalectl.scaling import Coefficients
    from scalectl.search import Plan
    from scalectl.verdict import Verdict

_RUNS = Path("runs")
_PATH = click.Path(path_type=Path)


def _check_device(_context: click.Context, _option: click.Parameter, name: str) -> str:
    if not re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", name):
        raise click.BadParameter(f"{name!r} is not auto, cpu, mps, cuda or cuda:NUMBER.")
    return name


class _Group(click.Group):
    """Turns problems that the user can mend into one sentence and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ScalectlError as problem:
            click.echo(f"Error: {problem}", err=True)
            ctx.exit(problem.exit_code)
        except KeyboardInterrupt:
            click.echo("Interrupted.", err=True)
            ctx.exit(130)


@click.group(
    cls=_Group,
    context_settings={
        "help_option_names": ["-h", "--help"],
        "auto_envvar_prefix": "SCALECTL",
    },
)
@click.version_option(__version__)
def main() -> None:
    r"""Search how to scale a ConvNet, scale it, and show the evidence.

    \b
    scalectl grid             search the coefficients by brief trainings
    scalectl scale --phi 4    emit a config from the winner
    scalectl report           tables of what was found

    Exit codes: 0 done, 2 wrong usage or config, 3 damaged files (the rest is shown), 4 no eligible
    winner, 5 out of space, 6 some trials failed, 130 or 143 interrupted.
    """


@main.command()
@click.argument("grid_file", required=False, type=_PATH)
@click.option(
    "-o",
    "--output",
    "run",
    metavar="RUN",
    type=_PATH,
    help="Folder for the results.  [default: runs/NAME of the grid file]",
)
@click.option("--baseline", metavar="B", help="A name, or a .toml or .json that scale emitted.")
@click.option(
    "--data",
    metavar="D",
    help="glyphs, fashion_mnist:ROOT, folder:PATH, torch/NAME:ROOT or hfds/NAME.",
)
@click.option("--seeds", type=click.IntRange(1, 1000), help="Trainings of each candidate.")
@click.option("--jobs", type=click.IntRange(1), help="Trials at once.  [default: one per core]")
@click.option(
    "--device",
    default="auto",
    show_default=True,
    callback=_check_device,
    help="auto, cpu, mps, cuda or cuda:NUMBER.",
)
@click.option(
    "--executor", type=click.Choice(list(EXECUTORS)), default="processes", show_default=True
)
@click.option("--dry-run", is_flag=True, help="Show what would be trained; train nothing.")
@click.option(
    "--set",
    "overrides",
    metavar="KEY=VALUE",
    multiple=True,
    help="Change a field of the grid, such as proxy.epochs=3. Repeatable.",
)
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
def grid(
    grid_file: Path | None,
    run: Path | None,
    baseline: str | None,
    data: str | None,
    seeds: int | None,
    jobs: int | None,
    device: str,
    executor: str,
    dry_run: bool,
    overrides: tuple[str, ...],
    quiet: bool,
    as_json: bool,
) -> None:
    """Search the coefficients: enumerate, train each candidate briefly, store, choose.

    Without GRID_FILE it runs the default search: minutes on two cores, nothing to download. Run
    again with the same arguments, it continues; with more --seeds, it adds them.
    """
    from scalectl import documents, search

    chosen = documents.load_grid(grid_file, overrides)
    chosen = replace(chosen, baseline=baseline or chosen.baseline, seeds=seeds or chosen.seeds)
    if data:
        chosen = replace(chosen, proxy=replace(chosen.proxy, data=data))
    plan = search.plan(chosen, documents.find_baseline(chosen.baseline))
    if dry_run:
        _show_plan(plan, as_json)
        return
    run = run or _RUNS / (grid_file.stem if grid_file else "default")
    search.claim(plan, run)
    with _continuable(run):
        failed = _train(plan, run, jobs or search.count_cores(), device, executor, quiet)
    evidence = _conclude(run)
    _show_evidence(evidence, as_json, plan)
    if failed:
        raise ScalectlError(
            f"{failed} trials failed; the report has their reasons.",
            "Run the same command again to try them once more.",
            exit_code=6,
        )
    if evidence.selection.status == "no_eligible_winner":
        raise ScalectlError(evidence.selection.reason, "See scalectl report.", exit_code=4)


@main.command()
@click.option(
    "--from",
    "run",
    metavar="RUN",
    type=_PATH,
    help="Apply what this run found.  [default: the newest under runs/, else the paper]",
)
@click.option(
    "--coefficients",
    metavar="A,B,G",
    help="alpha,beta,gamma, or a name: paper, dwr, dWr, depth, width, resolution.",
)
@click.option("--baseline", metavar="B", help="A name, or a .toml or .json that scale emitted.")
@click.option("--phi", metavar="P", help="A number, or a range such as 1..7.")
@click.option("--family", is_flag=True, help="phi = 0.5, 1, 2, 3.5, 5, 6, 7: the ladder b1..b7.")
@click.option("--official", metavar="B4", help="A published EfficientNet, b0 to b8.")
@click.option(
    "--to",
    "formats",
    type=click.Choice(list(EXPORTS)),
    multiple=True,
    help="Write a config in this format. Repeatable.",
)
@click.option(
    "-o",
    "--output",
    "folder",
    metavar="DIR",
    type=_PATH,
    default=Path(),
    help="Folder for the configs.  [default: the current one]",
)
@click.option("--no-verify", is_flag=True, help="Do not rebuild what was written.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
def scale(
    run: Path | None,
    coefficients: str | None,
    baseline: str | None,
    phi: str | None,
    family: bool,
    official: str | None,
    formats: tuple[str, ...],
    folder: Path,
    no_verify: bool,
    as_json: bool,
) -> None:
    """Apply coefficients to a baseline: sizes, their cost, and configs that load.

    Each config is built again from its file, and compared, before it is called good.
    """
    from scalectl import render
    from scalectl.reports import family as report_family

    if official:
        if run or coefficients or baseline or phi or family:
            raise click.UsageError("--official stands alone: it is a published network.")
        sizes = _published(official)
    else:
        phis = _parse_phis(phi, family)
        found, source = _find_coefficients(run, coefficients)
        sizes = _apply(found, source, baseline, phis)
        click.echo(f"Coefficients {sizes[0].coefficients} of {source}.", err=True)
        if min(phis) < 0:
            click.echo("Warning: coefficients found for growing need not suit shrinking.", err=True)
    exports = [_export(size, formats, folder, verify=not no_verify) for size in sizes]
    if as_json:
        _print_json(_document_sizes(sizes, exports))
    else:
        click.echo(render.render(report_family.tabulate_sizes(sizes), "rich"), nl=False)
    for written in (one for size in exports for one in size):
        click.echo(f"{written['path']}: {written['note']}", err=True)
    if not formats:
        click.echo(f"Add --to {', --to '.join(EXPORTS)} to write configs.", err=True)
    wrong = [one for size in exports for one in size if one["verified"] is False]
    if wrong:
        raise ScalectlError(
            f"{wrong[0]['path']} is not the network that was asked for: {wrong[0]['note']}.",
            "Do not use it; please report this.",
        )


@main.command()
@click.argument("runs", nargs=-1, type=_PATH)
@click.option("--table", type=click.Choice(list(REPORTS)), help="This one alone.  [default: all]")
@click.option(
    "--format",
    "form",
    type=click.Choice(["rich", "markdown", "csv", "json"]),
    default="rich",
    show_default=True,
    help="csv is one table, the ranking unless --table names another.",
)
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
def report(runs: tuple[Path, ...], table: str | None, form: str, as_json: bool) -> None:
    """Tables: candidates, ranking, controls, family, frontier.

    RUNS are run folders or .parquet files; without any, the newest run under ./runs.
    """
    from scalectl import evidence
    from scalectl.reports.document import document_evidence

    as_json = as_json or form == "json"
    if as_json and table:
        raise click.UsageError("--table does not go with JSON, whose document has all of them.")
    found = [evidence.gather(run) for run in runs or (_newest_run(),)]
    if as_json:
        documents = [document_evidence(one) for one in found]
        _print_json(documents[0] if len(documents) == 1 else {"runs": documents})
    else:
        for one in found:
            _print_tables(one, form, table)
    damaged = [file for one in found for file in one.damaged]
    if damaged:
        raise ScalectlError(
            f"{len(damaged)} damaged files were left out; the first is {damaged[0].path}: "
            f"{damaged[0].reason}.",
            "Run scalectl grid again with the arguments that made them: it trains them anew.",
            exit_code=3,
        )


def _train(plan: "Plan", run: Path, jobs: int, device: str, executor: str, quiet: bool) -> int:
    """Run what remains; the number of trials that failed."""
    from rich.console import Console

    from scalectl import search
    from scalectl.executors import make_executor
    from scalectl.progress import Live
    from scalectl.store import Store
    from scalectl.trial import Record

    store = Store(run)
    damaged = store.read().damaged
    if damaged:
        store.quarantine(damaged)
        click.echo(f"{len(damaged)} damaged files went to {run / 'quarantine'}.", err=True)
    trials = search.remaining(plan, store)
    if len(trials) < len(plan.trials):
        done = len(plan.trials) - len(trials)
        click.echo(f"{done} of {len(plan.trials)} trials are in {run} already.", err=True)
    failed = 0
    workspace = search.workspace(plan, run, jobs, device)
    with Live(trials, Console(stderr=True, quiet=quiet)) as live:
        for news in search.search(trials, make_executor(executor, jobs), workspace, store):
            live.show(news)
            failed += isinstance(news, Record) and not news.state.is_final
    return failed


@contextmanager
def _continuable(run: Path) -> Iterator[None]:
    """Leave with 130 on Ctrl-C and 143 on SIGTERM, and say how to go on."""

    def stop(_number: int, _frame: FrameType | None) -> NoReturn:
        raise _TerminatedError

    previous = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    except (KeyboardInterrupt, _TerminatedError) as stopped:
        click.echo(
            f"Interrupted. Every finished trial is in {run}; to continue, run the same command: "
            f"{_repeat_command()}",
            err=True,
        )
        raise SystemExit(130 if isinstance(stopped, KeyboardInterrupt) else 143) from None
    finally:
        signal.signal(signal.SIGTERM, previous)


class _TerminatedError(Exception):
    pass


def _repeat_command() -> str:
    import shlex
    import sys

    return shlex.join(["scalectl", *sys.argv[1:]])


def _conclude(run: Path) -> "Evidence":
    from scalectl import evidence, verdict

    found = evidence.gather(run)
    verdict.write(evidence.conclude(found), run)
    return found


def _show_plan(plan: "Plan", as_json: bool) -> None:
    from scalectl import render
    from scalectl.reports.candidates import tabulate_candidates
    from scalectl.reports.document import document_plan

    if as_json:
        _print_json(document_plan(plan))
        return
    enumeration = plan.enumeration
    click.echo(render.render(tabulate_candidates(enumeration.candidates), "rich"), nl=False)
    for one in enumeration.rejected:
        click.echo(f"rejected {one.coefficients} {one.control}: it {one.reason}")
    click.echo(
        f"{enumeration.merged} proposals were merged: the same network as another. "
        f"{len(plan.trials)} trials, {plan.training_macs:.3g} MACs of training."
    )


def _show_evidence(evidence: "Evidence", as_json: bool, plan: "Plan") -> None:
    from scalectl.reports.document import document_evidence, document_plan

    if as_json:
        _print_json({**document_plan(plan), **document_evidence(evidence)})
    else:
        _print_tables(evidence, "rich", "ranking")
        click.echo("\nNext: scalectl scale --phi 4, or scalectl report.", err=True)


def _print_tables(evidence: "Evidence", form: str, table: str | None) -> None:
    from scalectl import render
    from scalectl.reports import tabulate
    from scalectl.reports.verdict import in_words

    if form == "csv":
        click.echo(render.render(tabulate(table or "ranking", evidence), "csv"), nl=False)
        return
    click.echo(f"## {evidence.name}\n" if form == "markdown" else evidence.name)
    click.echo(in_words(evidence))
    for name in [table] if table else REPORTS:
        style: render.Format = "markdown" if form == "markdown" else "rich"
        click.echo("\n" + render.render(tabulate(name, evidence), style), nl=False)


def _parse_phis(phi: str | None, family: bool) -> list[float]:
    from scalectl.family import LADDER

    if bool(phi) == family:
        raise click.UsageError("Say how large: --phi 4, --phi 1..7, --family or --official b4.")
    if not phi:
        return list(LADDER.values())
    first, dots, last = phi.partition("..")
    try:
        start, stop = float(first), float(last if dots else first)
    except ValueError:
        start, stop = 1.0, 0.0
    if not (-_PHI_LIMIT <= start <= stop <= _PHI_LIMIT):
        raise click.BadParameter(
            f"{phi!r} is neither a number nor a range such as 1..7, "
            f"within -{_PHI_LIMIT} to {_PHI_LIMIT}.",
            param_hint="--phi",
        )
    return [start + step for step in range(int(stop - start) + 1)]


_PHI_LIMIT = 12


def _published(name: str) -> list["Size"]:
    from scalectl.family import official_size

    return [official_size(name.lower())]


def _apply(
    found: "Coefficients | Verdict", source: str, baseline: str | None, phis: Sequence[float]
) -> list["Size"]:
    """Sizes of the named baseline, else the run's, else B0; rounded as the run's candidates were."""
    from scalectl.documents import find_baseline
    from scalectl.family import size_at
    from scalectl.verdict import Verdict

    if isinstance(found, Verdict):
        if baseline:
            found = replace(found, baseline=find_baseline(baseline))
        architecture, coefficients = found.scaled_baseline, found.coefficients
    else:
        architecture, coefficients = find_baseline(baseline or "efficientnet_b0"), found
    return [size_at(architecture, coefficients, phi, source) for phi in phis]


def _find_coefficients(run: Path | None, text: str | None) -> tuple["Coefficients | Verdict", str]:
    """What to scale by, and whose it is, in words."""
    from scalectl.scaling import NAMED

    if run and text:
        raise click.UsageError("Give --from or --coefficients, not both.")
    if text:
        return _parse_coefficients(text), text if text in NAMED else "the command line"
    run = run or _newest_run_or_none()
    if run is None:
        return NAMED["paper"], "the paper (no run under ./runs)"
    verdict = _read_verdict(run)
    if verdict.status == "no_eligible_winner":
        raise ScalectlError(
            f"{run} has no eligible winner: {verdict.reason}",
            "Finish the search, or give --coefficients.",
            exit_code=4,
        )
    doubt = ", NOT IDENTIFIED: the balanced choice" if verdict.status == "not_identified" else ""
    return verdict, f"{run}{doubt}"


def _read_verdict(run: Path) -> "Verdict":
    from scalectl import verdict

    stored = verdict.read(run)
    if stored:
        return stored
    from scalectl import evidence

    return evidence.conclude(evidence.gather(run))


def _parse_coefficients(text: str) -> "Coefficients":
    from scalectl.scaling import NAMED, Coefficients

    if text in NAMED:
        return NAMED[text]
    try:
        alpha, beta, gamma = (float(part) for part in text.split(","))
    except ValueError:
        raise click.BadParameter(
            f"{text!r} is not three numbers alpha,beta,gamma, nor one of {', '.join(NAMED)}.",
            param_hint="--coefficients",
        ) from None
    return Coefficients(alpha, beta, gamma)


def _newest_run_or_none() -> Path | None:
    """The run under ./runs that was written to last."""
    newest = max(_RUNS.glob("*/trials"), key=lambda path: path.stat().st_mtime, default=None)
    return newest.parent if newest else None


def _newest_run() -> Path:
    run = _newest_run_or_none()
    if run is None:
        raise ScalectlError(
            "There is no run under ./runs.", "Run scalectl grid first, or name a run."
        )
    return run


def _export(
    size: "Size", formats: Sequence[str], folder: Path, *, verify: bool
) -> list[dict[str, Any]]:
    """Write the configs of a size, and build each again."""
    from scalectl.exports import make_export

    written = []
    for form in dict.fromkeys(formats):
        export = make_export(form)
        path = folder / f"{size.name}{export.suffix}"
        content = export.emit(size)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        except OSError as problem:
            raise ScalectlError(
                f"{path} cannot be written: {problem.strerror}.", "Choose another folder with -o."
            ) from None
        result = export.verify(path) if verify else None
        written.append(
            {
                "format": form,
                "path": str(path),
                "verified": result.ok if result else None,
                "params": result.params if result else size.cost.params,
                "note": result.note if result else "written, not verified",
            }
        )
    return written


def _document_sizes(
    sizes: Sequence["Size"], exports: Sequence[list[dict[str, Any]]]
) -> dict[str, Any]:
    from scalectl.reports.family import describe

    coefficients = sizes[0].coefficients
    return {
        "schema_version": 1,
        "coefficients": coefficients and asdict(coefficients),
        "source": sizes[0].source,
        "sizes": [
            {**describe(size), "exports": written}
            for size, written in zip(sizes, exports, strict=True)
        ],
    }


def _print_json(document: dict[str, Any]) -> None:
    click.echo(json.dumps(document, indent=2))
