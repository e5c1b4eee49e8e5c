"""The commands: parse, call, print, exit code."""

import json
import re
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from functools import cache, partial
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
    from scalectl.calibration import Calibration
    from scalectl.evidence import Evidence
    from scalectl.exports import Written
    from scalectl.factory import Baseline
    from scalectl.family import Size
    from scalectl.mirror import Mirror
    from scalectl.render import Format
    from scalectl.scaling import Coefficients
    from scalectl.search import Plan
    from scalectl.store import Store
    from scalectl.trial import Trial
    from scalectl.verdict import Verdict

_RUNS = Path("runs")
_PATH = click.Path(path_type=Path)
_BASELINE_HELP = "A name (scalectl baselines), a .toml or .json, or package.module:factory."


def _check_device(_context: click.Context, _option: click.Parameter, name: str) -> str:
    if not re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", name):
        raise click.BadParameter(f"{name!r} is not auto, cpu, mps, cuda or cuda:NUMBER.")
    return name


def _check_duration(
    _context: click.Context, _option: click.Parameter, text: str | None
) -> float | None:
    from scalectl.budget import parse_duration

    if text is None:
        return None
    try:
        return parse_duration(text)
    except ValueError:
        raise click.BadParameter(
            f"{text!r} is not a time above 0, such as 90s, 45m, 2h, 1h30m or 1d."
        ) from None


def _say(text: str, *, err: bool = False) -> None:
    """A line for people."""
    from scalectl.render import printable

    click.echo(printable(text), err=err)


class _Group(click.Group):
    """Turns problems that the user can mend into one sentence and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ScalectlError as problem:
            _say(f"Error: {problem}".replace("\n", " "), err=True)
            ctx.exit(problem.exit_code)
        except KeyboardInterrupt:
            _say("Interrupted.", err=True)
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

    \b
    scalectl profile TARGET   what a network costs
    scalectl verify FILE...   rebuild emitted configs, and compare
    scalectl baselines        what can be scaled, and exported to what

    Exit codes: 0 done, 2 wrong usage or config, 3 damaged files (the rest is shown), 4 no eligible
    winner, 5 out of space, 6 some trials failed, 129, 130 or 143 interrupted.
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
@click.option("--baseline", metavar="B", help=_BASELINE_HELP)
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
@click.option(
    "--stall",
    type=click.FloatRange(0, min_open=True),
    metavar="SECONDS",
    help="Stop a trial that takes no step for so long.  [default: 600]",
)
@click.option(
    "--optuna-storage",
    metavar="URL",
    help="Show the search in Optuna too: sqlite:///FILE.db, or the path of a journal.",
)
@click.option(
    "--time-budget",
    metavar="TIME",
    callback=_check_duration,
    help="Train what fits into 90s, 45m, 2h, 1h30m or 1d: as many seeds, or fewer candidates.",
)
@click.option(
    "--dry-run", is_flag=True, help="Show what would be trained, and estimate how long it takes."
)
@click.option("--no-probe", is_flag=True, help="With --dry-run: do not measure this machine.")
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
    stall: float | None,
    optuna_storage: str | None,
    time_budget: float | None,
    dry_run: bool,
    no_probe: bool,
    overrides: tuple[str, ...],
    quiet: bool,
    as_json: bool,
) -> None:
    """Search the coefficients: enumerate, train each candidate briefly, store, choose.

    Without GRID_FILE it runs the default search: minutes on two cores, nothing to download. Run
    again with the same arguments, it continues; with more --seeds, or another --time-budget, it adds
    to what is there. Several commands on the same folder share the work.
    """
    if no_probe and (time_budget or not dry_run):
        raise click.UsageError("--no-probe goes with --dry-run alone.")
    from scalectl import documents, search

    chosen = documents.load_grid(grid_file, overrides)
    chosen = replace(
        chosen,
        baseline=baseline or chosen.baseline,
        seeds=seeds or chosen.seeds,
        planned_for=time_budget or 0.0,
    )
    if data:
        chosen = replace(chosen, proxy=replace(chosen.proxy, data=data))
    if stall:
        chosen = replace(chosen, watch=replace(chosen.watch, stall=stall))
    plan = search.plan(chosen, documents.find_baseline(chosen.baseline))
    run = run or _RUNS / (grid_file.stem if grid_file else "default")
    jobs = jobs or search.count_cores()
    measure = cache(partial(_measure, plan, jobs, device, executor))
    if dry_run:
        plan = _fit(plan, run, seeds, measure) if time_budget else plan
        _show_plan(plan, run, None if no_probe else measure, as_json)
        return
    with _continuable(run):
        plan = _fit(plan, run, seeds, measure) if time_budget else plan
        store = _claim(plan, run)
        mirror = _open_mirror(optuna_storage, store) if optuna_storage else None
        train = partial(_train, plan, store, mirror, jobs, device, executor, quiet)
        failed = _search(plan, store, train)
        if plan.grid.select.by == "latency":
            _time_networks(plan, run, device)
        evidence = _conclude(run)
        follow_ups = _follow_up(plan, evidence)
        if follow_ups:
            _announce(follow_ups, store)
            failed += len(train([follow_ups]) - store.list_ended())
            evidence = _conclude(run)
    _show_evidence(evidence, as_json, plan)
    _judge_files([evidence])
    if failed:
        raise ScalectlError(
            f"{failed} trials failed; the report has their reasons.",
            "Run the same command again to try them once more, as often as watch.retries allows.",
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
@click.option("--baseline", metavar="B", help=_BASELINE_HELP)
@click.option("--phi", metavar="P", help="A number, or a range: 1..7, 1..3:0.5.")
@click.option("--macs", metavar="N", help="The size nearest to so many multiply-adds: 1.2G.")
@click.option("--params", metavar="N", help="The size nearest to so many parameters: 8M.")
@click.option("--activations", metavar="N", help="The size nearest to so many: 20M.")
@click.option("--family", is_flag=True, help="phi = 0.5, 1, 2, 3.5, 5, 6, 7: the ladder b1..b7.")
@click.option(
    "--official", metavar="B4", help="A published network: b4, lite3, v2_s, tinynet_c ..."
)
@click.option(
    "--max-resolution",
    type=click.IntRange(8, 8192),
    metavar="PX",
    help="What this leaves of the resolution goes to depth and width.",
)
@click.option("--explain", is_flag=True, help="How the published sizes relate to phi.")
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
    macs: str | None,
    params: str | None,
    activations: str | None,
    family: bool,
    official: str | None,
    max_resolution: int | None,
    explain: bool,
    formats: tuple[str, ...],
    folder: Path,
    no_verify: bool,
    as_json: bool,
) -> None:
    """Apply coefficients to a baseline: sizes, their cost, and configs that load.

    Say how large by one of --phi, --macs, --params, --activations, --family and --official. Each
    config is built again from its file, and compared, before it is called good.
    """
    targets = {"macs": macs, "params": params, "activations": activations}
    wishes = [*targets.values(), phi, family, official, explain]
    if sum(map(bool, wishes)) != 1:
        raise click.UsageError(
            "Say how large, by one of --phi 4, --phi 1..7, --macs 1.2G, --params 8M, "
            "--activations 20M, --family and --official b4; or --explain."
        )
    if explain:
        _explain(as_json)
        return
    if official:
        if run or coefficients or baseline or max_resolution:
            raise click.UsageError("--official stands alone: it is a published network.")
        sizes = _published(official)
    else:
        start, source = _find_start(run, coefficients, baseline)
        if any(targets.values()):
            sizes = _solve(start, source, targets, max_resolution)
        else:
            sizes = _apply(start, source, _parse_phis(phi), max_resolution)
        _comment(sizes)
    written = [_export(size, formats, folder, verify=not no_verify) for size in sizes]
    _show_sizes(sizes, written, as_json)
    if not formats:
        _say(f"Add --to {', --to '.join(EXPORTS)} to write configs.", err=True)
    _judge_exports([one for size in written for one in size])


@main.command()
@click.argument("target")
@click.option("--phi", type=click.FloatRange(-12, 12), metavar="P", help="Scaled so much.")
@click.option(
    "--coefficients", metavar="A,B,G", help="By these, as in scale.  [default: as in scale]"
)
@click.option(
    "--resolution", type=click.IntRange(8, 8192), metavar="PX", help="For images of this size."
)
@click.option("--per-stage", is_flag=True, help="Each part, not only the total.")
@click.option("--measure", is_flag=True, help="Run it: latency and peak memory on this machine.")
@click.option(
    "--device",
    default="auto",
    show_default=True,
    callback=_check_device,
    help="Where to measure: auto, cpu, mps, cuda or cuda:NUMBER.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
def profile(
    target: str,
    phi: float | None,
    coefficients: str | None,
    resolution: int | None,
    per_stage: bool,
    measure: bool,
    device: str,
    as_json: bool,
) -> None:
    """What a network costs: parameters, multiply-adds, activations.

    TARGET is a baseline (scalectl baselines lists them; b4, lite3 and v2_s are short names), a .toml
    or .json file, or package.module:factory.
    """
    from scalectl import render
    from scalectl.documents import find_baseline
    from scalectl.factory import resize
    from scalectl.reports.profile import describe_stages, tabulate_profile

    network = find_baseline(target)
    if phi is not None:
        start, source = _find_start(None, coefficients, target)
        network = _apply(start, source, [phi], None)[0].architecture
        _say(f"Coefficients {start[1]} of {source}.", err=True)
    elif coefficients:
        raise click.UsageError("--coefficients needs --phi.")
    if resolution:
        network = resize(network, resolution=resolution)
    latency = None
    if measure:
        from scalectl.latency import measure_latency

        latency = measure_latency(network, device)
    if as_json:
        from scalectl.cost import measure as count

        document: dict[str, Any] = {
            "schema_version": 1,
            "name": network.name,
            "resolution": network.resolution,
            **asdict(count(network)),
            "stages": describe_stages(network),
        }
        _print_json(document | ({"latency": asdict(latency)} if latency else {}))
        return
    click.echo(render.render(tabulate_profile(network, per_stage=per_stage), "rich"), nl=False)
    if latency:
        _say(
            f"One image takes {1000 * latency.seconds:.1f} ms (median of {latency.runs}, "
            f"{1000 * latency.fastest:.1f} to {1000 * latency.slowest:.1f}) on {latency.device} with "
            f"{latency.threads} threads; peak memory {latency.peak_memory / 2**20:,.0f} MiB."
        )


@main.command()
@click.argument("files", nargs=-1, required=True, type=_PATH, metavar="FILE...")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
def verify(files: tuple[Path, ...], as_json: bool) -> None:
    """Rebuild emitted files in the libraries they are for, and compare with their claims.

    A Python module is run for that: verify only what you trust. Exit code 3 where a network is not
    what its file says.
    """
    from scalectl import exports

    found = [(path, *exports.verify(path)) for path in files]
    if as_json:
        entries = [
            {"path": str(path), "format": form, **asdict(result)} for path, form, result in found
        ]
        _print_json({"schema_version": 1, "files": entries})
    else:
        for path, form, result in found:
            mark = {True: "good", False: "WRONG", None: "not checked"}[result.ok]
            _say(f"{path} ({form}): {mark}: {result.note}")
    wrong = [path for path, _, result in found if result.ok is False]
    if wrong:
        raise ScalectlError(
            f"{len(wrong)} of {len(files)} files are wrong; the first is {wrong[0]}.",
            "Do not use them: emit them again with scalectl scale.",
            exit_code=3,
        )


@main.command()
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
def baselines(name: str | None, as_json: bool) -> None:
    """What can be scaled, by which rounding rule, and exported to what.

    With NAME (a baseline, a file or a factory): its parts, and what each format cannot express.
    """
    from scalectl import render
    from scalectl.baselines import BASELINES
    from scalectl.documents import find_baseline
    from scalectl.reports import baselines as report_baselines
    from scalectl.reports.profile import tabulate_profile

    network = find_baseline(name) if name else None
    if as_json:
        chosen = [network] if network else [entry.architecture for entry in BASELINES.values()]
        entries = [report_baselines.describe_baseline(one) for one in chosen]
        _print_json({"schema_version": 1, "baselines": entries})
    elif network:
        for table in (
            tabulate_profile(network, per_stage=True),
            report_baselines.tabulate_obstacles(network),
        ):
            click.echo(render.render(table, "rich"))
    else:
        click.echo(render.render(report_baselines.tabulate_baselines(), "rich"), nl=False)


def _check_page(
    _context: click.Context, _option: click.Parameter, path: Path | None
) -> Path | None:
    if path and path.suffix.lower() not in (".html", ".htm"):
        raise click.BadParameter(f"{str(path)!r} does not end in .html.")
    return path


@main.command()
@click.argument("runs", nargs=-1, type=_PATH)
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
    type=_PATH,
    callback=_check_page,
    help="Write everything as one page.",
)
@click.option(
    "--figures", "folder", metavar="DIR", type=_PATH, help="Write the figures as SVG, PNG and PDF."
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
    runs = runs or (_newest_run(),)
    if watch:
        _watch(runs, page)
    found = [evidence.gather(run) for run in runs]
    if page:
        _write_page(runs, found, page)
        _say(f"The page is in {page}.", err=True)
    if folder:
        _write_figures(found, folder)
        _say(f"The figures are in {folder}.", err=True)
    if as_json:
        from scalectl.reports import document

        several = len(found) > 1
        _print_json(
            document.document_runs(found) if several else document.document_evidence(found[0])
        )
    elif (page or folder) and not (form or table):
        _print_verdicts(found)
    else:
        _print_reports(found, form or "rich", table)
    _judge_files(found)


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
    from scalectl import files
    from scalectl.page import build

    # Pages are passed on: where a run is on this machine is nobody's business (PROMISES 12).
    names = [run.name if run.is_absolute() else run.as_posix() for run in runs]
    files.replace(path, build(list(zip(names, found, strict=True))))


def _write_figures(found: "Sequence[Evidence]", folder: Path) -> None:
    """In a folder of its own for each of several runs."""
    from scalectl import figures, files

    for number, one in enumerate(found, 1):
        place = folder / f"{number}-{one.name}" if len(found) > 1 else folder
        files.make_folder(place)
        for picture in figures.list_pictures(one):
            if picture.figure is None:
                _say(f"No figure {picture.name}: {picture.text}", err=True)
                continue
            for form in figures.FORMATS:
                files.replace(
                    place / f"{picture.name}.{form}", figures.encode(picture.figure, form)
                )


def _judge_files(found: "Sequence[Evidence]") -> None:
    damaged = [file for one in found for file in one.damaged]
    if damaged:
        raise ScalectlError(
            f"{len(damaged)} damaged files were left out; the first is {damaged[0].path}: "
            f"{damaged[0].reason}.",
            "Run scalectl grid again with the arguments that made them: it makes them anew.",
            exit_code=3,
        )


def _claim(plan: "Plan", run: Path) -> "Store":
    from scalectl import search

    store, damaged = search.claim(plan, run)
    if damaged:
        _say(
            f"{len(damaged)} damaged files went to {run / 'quarantine'}, and are made again; the "
            f"first is {damaged[0].path.name}: {damaged[0].reason}.",
            err=True,
        )
    return store


def _search(plan: "Plan", store: "Store", train: Callable[..., set[str]]) -> int:
    """Train what the strategy asks for; the number of trials that have not ended after it."""
    from scalectl import search, strategies

    bound = strategies.at_most(plan)
    adaptive = plan.grid.strategy.is_adaptive
    done = _announce(bound, store) if not adaptive else len(store.list_ended())
    if adaptive and done:
        _say(f"{done} of at most {len(bound)} trials are in {store.folder} already.", err=True)
    if note := strategies.note(plan):
        _say(f"Note: {note}", err=True)
    retries = plan.grid.watch.retries
    rounds = strategies.rounds(plan, lambda: search.read_over(store, retries))
    asked = train(rounds, len(bound) - done if adaptive else None)
    if len(asked) < len(bound):
        _say(f"{len(asked)} of at most {len(bound)} trials were enough.", err=True)
    return len(asked - store.list_ended())


def _announce(trials: "Sequence[Trial]", store: "Store") -> int:
    """Say how many of them are there already."""
    ended = len({trial.id for trial in trials} & store.list_ended())
    if ended:
        _say(f"{ended} of {len(trials)} trials are in {store.folder} already.", err=True)
    return ended


def _train(
    plan: "Plan",
    store: "Store",
    mirror: "Mirror | None",
    jobs: int,
    device: str,
    executor: str,
    quiet: bool,
    rounds: "Iterable[Sequence[Trial]]",
    most: int | None = None,
) -> set[str]:
    """Run what remains, round after round; the ids of all trials that were asked for.

    `most` is how many may come, where that depends on what is found.
    """
    from rich.console import Console

    from scalectl import search
    from scalectl.executors import make_executor
    from scalectl.progress import Live
    from scalectl.trial import Record

    workspace = search.workspace(plan, store, jobs, device)
    chosen, retries = make_executor(executor, jobs), plan.grid.watch.retries
    asked = set[str]()
    with Live([], Console(stderr=True, quiet=quiet), most) as live:
        for trials in rounds:
            asked |= {trial.id for trial in trials}
            left = search.remaining(trials, plan, store)
            live.expect(left)
            for news in search.search(left, chosen, workspace, store, retries):
                live.show(news)
                if mirror and isinstance(news, Record):
                    mirror.add([news])
    if mirror:
        mirror.add(patience=30)
    return asked


def _time_networks(plan: "Plan", run: Path, device: str) -> None:
    from scalectl import latencies
    from scalectl.contents import read

    _say("Measuring the latency of each candidate.", err=True)
    networks = [one.trial.candidate for one in read(run).records if one.trial.stage == "search"]
    latencies.measure(run, [*plan.enumeration.candidates, *networks], device)


def _follow_up(plan: "Plan", evidence: "Evidence") -> "tuple[Trial, ...]":
    """What the grid file asks for to see whether the choice holds."""
    from scalectl import validation

    trials, rejected = validation.confirm(plan, evidence.selection.recommended)
    for one in rejected:
        _say(f"not confirmed at {one.coefficients} {one.control}: it {one.reason}", err=True)
    candidates = [one.candidate for one in evidence.summaries if one.candidate.shares]
    return (*trials, *validation.train_longer(plan, candidates))


def _open_mirror(storage: str, store: "Store") -> "Mirror":
    from scalectl.mirror import Mirror

    return Mirror(storage, store, lambda text: _say(text, err=True))


def _at_most(plan: "Plan") -> str:
    """Before the number of its trials, where that depends on what is found."""
    return "at most " if plan.grid.strategy.is_adaptive else ""


@contextmanager
def _continuable(run: Path) -> Iterator[None]:
    """Leave with 130 on Ctrl-C, 143 on SIGTERM and 129 on SIGHUP, and say how to go on."""

    def stop(number: int, _frame: FrameType | None) -> NoReturn:
        for one in numbers:
            signal.signal(one, signal.SIG_DFL)  # a second time, it ends at once
        raise _StoppedError(number)

    # What the caller ignores stays ignored: nohup.
    numbers = [
        number
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        if signal.getsignal(number) is not signal.SIG_IGN
    ]
    previous = [signal.signal(number, stop) for number in numbers]
    try:
        yield
    except _StoppedError as stopped:
        _say(
            f"Interrupted. Every finished trial is in {run}; to continue, run the same command: "
            f"{_repeat_command()}",
            err=True,
        )
        raise SystemExit(128 + stopped.number) from None
    finally:
        for number, handler in zip(numbers, previous, strict=True):
            signal.signal(number, handler)


class _StoppedError(BaseException):
    """Not an `Exception`: what is raised in a trial that runs in this process is not its failure."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def _repeat_command() -> str:
    import shlex
    import sys

    return shlex.join(["scalectl", *sys.argv[1:]])


def _conclude(run: Path) -> "Evidence":
    from scalectl import evidence, verdict

    found = evidence.gather(run)
    verdict.write(evidence.conclude(found), run)
    return found


def _measure(plan: "Plan", jobs: int, device: str, executor: str) -> "Calibration":
    from scalectl.calibration import calibrate
    from scalectl.executors import make_executor

    _say("Some networks are trained for seconds, to see how fast this machine is ...", err=True)
    return calibrate(plan, make_executor(executor, jobs), device)


def _fit(
    plan: "Plan", run: Path, most_seeds: int | None, measure: "Callable[[], Calibration]"
) -> "Plan":
    """What fits into the time; what was planned for the same time before is not planned anew."""
    from scalectl import budget, search

    if plan.grid.strategy.is_adaptive:
        raise click.UsageError(
            "--time-budget plans seeds and candidates of the strategy all; limit another one by "
            "strategy.points, --seeds and design.max_candidates."
        )
    before = search.look(plan, run)
    recalled = budget.recall(plan, run)
    if recalled:
        _say(f"{_count(recalled)}, as {run} was planned for the same time.", err=True)
        return recalled
    choice = budget.choose(plan, before, measure().estimate, most_seeds)
    text = f"{_count(choice.plan)}: about {budget.humanise(choice.seconds)} from now."
    if choice.beyond:
        text += f" The next larger plan takes {budget.humanise(choice.beyond)}."
    if choice.left_out:
        names = ", ".join(one.control or str(one.coefficients) for one in choice.left_out)
        text += f" Left out: {names}."
    _say(text, err=True)
    return choice.plan


def _count(plan: "Plan") -> str:
    seeds = plan.grid.seeds
    candidates = len(plan.enumeration.candidates)
    return f"{seeds} seed{'s' * (seeds != 1)} of {candidates} candidates, {len(plan.trials)} trials"


def _show_plan(
    plan: "Plan", run: Path, measure: "Callable[[], Calibration] | None", as_json: bool
) -> None:
    from scalectl import render, search, strategies, validation
    from scalectl.reports.candidates import tabulate_candidates
    from scalectl.reports.document import document_plan

    if as_json:
        _print_json(document_plan(plan, _estimate(plan, run, measure) if measure else None))
        return
    enumeration = plan.enumeration
    click.echo(render.render(tabulate_candidates(enumeration.candidates), "rich"), nl=False)
    for one in enumeration.rejected:
        _say(f"rejected {one.coefficients} {one.control}: it {one.reason}")
    trials = strategies.at_most(plan)
    _say(
        f"{enumeration.merged} proposals were merged: the same network as another. "
        f"{_at_most(plan).capitalize()}{len(trials)} trials, {search.count_macs(trials):.3g} MACs of "
        "training."
    )
    if note := strategies.note(plan):
        _say(f"Note: {note}", err=True)
    if follow_ups := validation.expect(plan):
        _say(f"{len(follow_ups)} trials follow, to see whether the choice holds.")
    seconds = _estimate(plan, run, measure) if measure else None
    if seconds is not None:
        from scalectl.budget import humanise

        _say(
            f"It takes about {humanise(seconds)} on this machine."
            if seconds
            else "Nothing is left to train."
        )


def _estimate(plan: "Plan", run: Path, measure: "Callable[[], Calibration]") -> float | None:
    """Seconds for what is not in the run; where that cannot be measured, the reason is said."""
    from scalectl import contents, strategies, validation

    ended = {one.trial.id for one in contents.survey(run).records if one.state.is_final}
    trials = [*strategies.at_most(plan), *validation.expect(plan)]
    left = [trial for trial in trials if trial.id not in ended]
    try:
        return measure().estimate(left) if left else 0.0
    except ScalectlError as problem:
        _say(f"There is no estimate: {problem}", err=True)
        return None


def _show_evidence(evidence: "Evidence", as_json: bool, plan: "Plan") -> None:
    from scalectl.reports.document import document_evidence, document_plan

    if as_json:
        _print_json({**document_plan(plan, None), **document_evidence(evidence)})
    else:
        _print_reports([evidence], "rich", "ranking")
        _say("\nNext: scalectl scale --phi 4, or scalectl report.", err=True)


def _print_reports(found: "Sequence[Evidence]", form: str, name: str | None) -> None:
    """The comparison where there are several, then each run."""
    from scalectl import render
    from scalectl.reports.comparison import tabulate_runs

    style: render.Format = form  # type: ignore[assignment]
    if name == "comparison" or (len(found) > 1 and name is None):
        click.echo(render.render(tabulate_runs(found), style), nl=False)
        if name == "comparison" or style == "csv":
            return
        click.echo()
    for one in found:
        _print_tables(one, style, name)


def _print_tables(evidence: "Evidence", style: "Format", chosen: str | None) -> None:
    from scalectl import render
    from scalectl.reports import tabulate
    from scalectl.reports.heatmap import tabulate_surface

    if style == "csv":
        click.echo(render.render(tabulate(chosen or "ranking", evidence), style), nl=False)
        return
    _print_verdicts([evidence], style)
    heat_map = tabulate_surface(evidence) if style == "rich" and not chosen else None
    if heat_map:
        click.echo("\n" + render.draw_heat_map(heat_map), nl=False)
    for name in [chosen] if chosen else REPORTS:
        table = tabulate(name, evidence)
        if table.rows or chosen:
            click.echo("\n" + render.render(table, style), nl=False)


def _print_verdicts(found: "Sequence[Evidence]", style: "Format" = "rich") -> None:
    from scalectl import render
    from scalectl.reports.verdict import in_words

    for one in found:
        name, words = one.name, in_words(one)
        if style == "markdown":
            name, words = f"## {render.escape(name)}\n", render.escape(words)
        elif style == "latex":
            name = f"\\section*{{{render.escape_latex(name)}}}"
            words = render.escape_latex(words)
        _say(name)
        _say(words)


def _parse_phis(text: str | None) -> list[float]:
    """Of "4", "1..7" or "1..3:0.5"; without, the ladder."""
    from scalectl.family import LADDER
    from scalectl.scaling import PHI_LIMIT

    if not text:
        return list(LADDER.values())
    ends, _, step_text = text.partition(":")
    first, dots, last = ends.partition("..")
    try:
        start, stop = float(first), float(last if dots else first)
        step = float(step_text or 1)
    except ValueError:
        start, stop, step = 1.0, 0.0, 1.0
    if not (-PHI_LIMIT <= start <= stop <= PHI_LIMIT and 0.01 <= step <= 2 * PHI_LIMIT):
        raise click.BadParameter(
            f"{text!r} is neither a number nor a range such as 1..7 or 1..3:0.5, within "
            f"-{PHI_LIMIT:g} to {PHI_LIMIT:g}, in steps of 0.01 or more.",
            param_hint="--phi",
        )
    return [
        round(start + step * number, 9) for number in range(int((stop - start) / step + 1e-9) + 1)
    ]


def _parse_count(text: str, option: str) -> float:
    """Of "1.2G", "8M", "300k" or a plain number."""
    match = re.fullmatch(r"(\d+\.?\d*(?:e\d+)?)([kMG]?)", text)
    if not match or float(match[1]) == 0:
        raise click.BadParameter(
            f"{text!r} is not a number above 0, such as 1.2G, 8M or 300k.", param_hint=option
        )
    return float(match[1]) * {"": 1, "k": 1e3, "M": 1e6, "G": 1e9}[match[2]]


def _published(name: str) -> list["Size"]:
    from scalectl.family import official_size

    return [official_size(name.lower())]


def _explain(as_json: bool) -> None:
    from scalectl import render
    from scalectl.reports.published import tabulate_published

    table = tabulate_published()
    if as_json:
        _print_json({"schema_version": 1, "published": list(table.rows), "notes": table.notes})
    else:
        click.echo(render.render(table, "rich"), nl=False)


def _find_start(
    run: Path | None, text: str | None, name: str | None
) -> tuple[tuple["Baseline", "Coefficients"], str]:
    """What to scale, and by what: the named baseline, else the run's, else B0.

    It rounds as the run's candidates did. A run that searched a factory names code, and code is run
    only where the user names it.
    """
    from scalectl.documents import find_baseline
    from scalectl.factory import Factory
    from scalectl.verdict import Verdict

    found, source = _find_coefficients(run, text)
    if not isinstance(found, Verdict):
        return (find_baseline(name or "efficientnet_b0"), found), source
    if name:
        found = replace(found, baseline=find_baseline(name))
    elif isinstance(found.baseline, Factory):
        raise ScalectlError(
            f"{source} searched the factory {found.baseline.target}, whose code is not run unasked.",
            f"Add --baseline {found.baseline.target}.",
        )
    return (found.scaled_baseline, found.coefficients), source


def _apply(
    start: tuple["Baseline", "Coefficients"],
    source: str,
    phis: Sequence[float],
    max_resolution: int | None,
) -> list["Size"]:
    from scalectl.family import size_at

    return [size_at(*start, phi, source, max_resolution) for phi in phis]


def _solve(
    start: tuple["Baseline", "Coefficients"],
    source: str,
    targets: dict[str, str | None],
    max_resolution: int | None,
) -> list["Size"]:
    from scalectl.family import size_for

    ((quantity, text),) = [(name, text) for name, text in targets.items() if text]
    target = _parse_count(text, f"--{quantity}")
    size = size_for(*start, quantity, target, source, max_resolution)  # type: ignore[arg-type]
    realised = getattr(size.cost, quantity)
    label = "MACs" if quantity == "macs" else quantity
    _say(
        f"phi = {size.phi:.4g} has {realised:,} {label}, {realised / target - 1:+.1%} of the "
        f"{target:,.0f} asked for: the nearest step of the rounding.",
        err=True,
    )
    return [size]


def _comment(sizes: Sequence["Size"]) -> None:
    """What a reader must know before the table."""
    first = sizes[0]
    _say(f"Coefficients {first.coefficients} of {first.source}.", err=True)
    if min(size.phi or 0 for size in sizes) < 0:
        _say(
            "Warning: coefficients found for growing need not suit shrinking; TinyNet (Han et al. "
            "2020) gives up width first.",
            err=True,
        )
    capped = [size.name for size in sizes if size.is_capped]
    if capped:
        _say(f"--max-resolution holds {', '.join(capped)}: depth and width took over.", err=True)


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
    doubt = ", NOT IDENTIFIED: a careful choice" if verdict.status == "not_identified" else ""
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


def _export(size: "Size", formats: Sequence[str], folder: Path, *, verify: bool) -> list["Written"]:
    from scalectl.exports import write

    return [write(size, form, folder, verify=verify) for form in dict.fromkeys(formats)]


def _show_sizes(sizes: Sequence["Size"], written: Sequence[list["Written"]], as_json: bool) -> None:
    from scalectl import render
    from scalectl.reports.family import describe, tabulate_sizes

    coefficients = sizes[0].coefficients
    if as_json:
        entries = [
            {**describe(size), "exports": [asdict(one) for one in exports]}
            for size, exports in zip(sizes, written, strict=True)
        ]
        _print_json(
            {
                "schema_version": 1,
                "coefficients": coefficients and asdict(coefficients),
                "source": sizes[0].source,
                "sizes": entries,
            }
        )
    else:
        click.echo(render.render(tabulate_sizes(sizes), "rich"), nl=False)
    for size, exports in zip(sizes, written, strict=True):
        for one in exports:
            _say(f"{one.path or f'{size.name} for {one.format}'}: {one.note}", err=True)


def _judge_exports(written: Sequence["Written"]) -> None:
    wrong = [one for one in written if one.verified is False]
    if wrong:
        raise ScalectlError(
            f"{wrong[0].path} is not the network that was asked for: {wrong[0].note}.",
            "Do not use it; please report this.",
        )
    refused = [one for one in written if one.path is None]
    if refused:
        raise ScalectlError(
            f"{len(refused)} of {len(written)} configs were not written: {refused[0].format} "
            f"{refused[0].note}.",
            "Choose another format, such as torch, or coefficients that it can follow.",
        )


def _print_json(document: dict[str, Any]) -> None:
    click.echo(json.dumps(document, indent=2))
