"""`scalectl grid`: the search, or what it would train."""

from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from scalectl.commands.conduct import conduct, prepare, train_all
from scalectl.commands.findings import judge_files, print_findings
from scalectl.commands.options import BASELINE_HELP, PATH, check_device, json_option
from scalectl.commands.output import print_json, say
from scalectl.commands.planning import fit, measure_speed, show_plan
from scalectl.commands.runs import RUNS
from scalectl.commands.signals import continuable
from scalectl.errors import ScalectlError
from scalectl.executors import CLUSTERS, EXECUTORS, Cluster, make_executor
from scalectl.grid import Grid

if TYPE_CHECKING:  # slow to load: `--help` does without
    from scalectl.evidence import Evidence
    from scalectl.search import Plan
    from scalectl.shards import Shard


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


def _check_shard(
    _context: click.Context, _option: click.Parameter, text: str | None
) -> "Shard | None":
    if text is None:
        return None
    from scalectl import shards

    try:
        return shards.parse(text)
    except ValueError as problem:
        raise click.BadParameter(str(problem)) from None


@click.command()
@click.argument("grid_file", required=False, type=PATH)
@click.option(
    "-o",
    "--output",
    "run",
    metavar="RUN",
    type=PATH,
    help="Folder for the results.  [default: runs/NAME of the grid file]",
)
@click.option("--baseline", metavar="B", help=BASELINE_HELP)
@click.option(
    "--data",
    metavar="D",
    help="glyphs, fashion_mnist:ROOT, folder:PATH, torch/NAME:ROOT or hfds/NAME.",
)
@click.option("--seeds", type=click.IntRange(1, 1000), help="Trainings of each candidate.")
@click.option(
    "--jobs",
    type=click.IntRange(1),
    help="Trials at once.  [default: one per core, or all that a cluster has room for]",
)
@click.option(
    "--device",
    default="auto",
    show_default=True,
    callback=check_device,
    help="auto, cpu, mps, cuda or cuda:NUMBER.",
)
@click.option(
    "--executor",
    type=click.Choice(list(EXECUTORS)),
    default="processes",
    show_default=True,
    help="Where trials run: on this machine, on a Ray cluster, or as Slurm jobs.",
)
@click.option(
    "--address",
    metavar="A",
    default="",
    help="Of a Ray cluster: HOST:PORT, or auto; with slurm, local tries it without Slurm.",
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
    "--shard",
    metavar="I/N",
    callback=_check_shard,
    help="Train the I-th of N shares alone, into a folder of its own; scalectl merge unites them.",
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
@json_option
def grid(
    grid_file: Path | None,
    run: Path | None,
    baseline: str | None,
    data: str | None,
    seeds: int | None,
    jobs: int | None,
    device: str,
    executor: str,
    address: str,
    stall: float | None,
    optuna_storage: str | None,
    time_budget: float | None,
    shard: "Shard | None",
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
    if time_budget and shard:
        raise click.UsageError("--time-budget plans for one machine alone; shards need one plan.")
    if time_budget and executor == "slurm":
        raise click.UsageError("--time-budget cannot time jobs that wait in a queue.")
    if address and executor not in CLUSTERS:
        raise click.UsageError(f"--address goes with --executor {' or '.join(CLUSTERS)}.")
    from scalectl import documents, search, shards

    chosen = _choose(documents.load_grid(grid_file, overrides), baseline, data, seeds, stall)
    chosen = replace(chosen, planned_for=time_budget or 0.0)
    plan = search.plan(chosen, documents.find_baseline(chosen.baseline))
    whole, plan = plan, shards.take(plan, shard) if shard else plan
    run = run or RUNS / (grid_file.stem if grid_file else "default")
    cluster = Cluster(address=address, resources=chosen.resources)
    make = cache(partial(make_executor, executor, jobs or 0, cluster))
    measure = cache(partial(measure_speed, plan, make, device))
    if dry_run:
        plan = fit(plan, run, seeds, measure) if time_budget else plan
        show_plan(plan, run, None if no_probe or executor == "slurm" else measure, as_json)
        return
    if shard:
        with continuable(run):
            store, train = prepare(plan, run, optuna_storage, make, device, quiet)
            failed = train_all(plan, store, train)
        _show_shard(shard, plan, len(whole.trials), run, failed, as_json)
        _judge_trials(failed)
        return
    with continuable(run):
        plan = fit(plan, run, seeds, measure) if time_budget else plan
        store, train = prepare(plan, run, optuna_storage, make, device, quiet)
        evidence, failed = conduct(plan, store, train, device)
    _show_evidence(evidence, as_json, plan)
    _judge(evidence, failed)


def _choose(
    found: Grid, baseline: str | None, data: str | None, seeds: int | None, stall: float | None
) -> Grid:
    """The grid with what the command line says in place of its own."""
    return replace(
        found,
        baseline=baseline or found.baseline,
        seeds=seeds or found.seeds,
        proxy=replace(found.proxy, data=data or found.proxy.data),
        watch=replace(found.watch, stall=stall or found.watch.stall),
    )


def _show_evidence(evidence: "Evidence", as_json: bool, plan: "Plan") -> None:
    from scalectl.reports.document import document_evidence, document_plan

    if as_json:
        print_json({**document_plan(plan, None), **document_evidence(evidence)})
    else:
        print_findings([evidence], "rich", "ranking")
        say("\nNext: scalectl scale --phi 4, or scalectl report.", err=True)


def _show_shard(
    shard: "Shard", plan: "Plan", trials: int, run: Path, failed: int, as_json: bool
) -> None:
    """What it did, and what others have to do."""
    from scalectl.reports.document import document_plan

    others = trials - len(plan.trials)
    if as_json:
        counts = {"shard": str(shard), "others": others, "failed": failed}
        print_json({**document_plan(plan, None), **counts})
    else:
        say(
            f"Shard {shard}: {len(plan.trials) - failed} of its {len(plan.trials)} trials ended, and "
            f"are in {run}. The other shards have {others}. When all are over, scalectl merge RUN... "
            "-o RUN unites their folders, and this command without --shard chooses there."
        )


def _judge(evidence: "Evidence", failed: int) -> None:
    """Raises `ScalectlError` where something is missing of what was asked for."""
    judge_files([evidence])
    _judge_trials(failed)
    if evidence.selection.status == "no_eligible_winner":
        raise ScalectlError(evidence.selection.reason, "See scalectl report.", exit_code=4)


def _judge_trials(failed: int) -> None:
    if failed:
        raise ScalectlError(
            f"{failed} trials failed; the report has their reasons.",
            "Run the same command again to try them once more, as often as watch.retries allows.",
            exit_code=6,
        )
