"""`scalectl grid`: the search, or what it would train."""

import shlex
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from scalectl.commands.shared.help import DocumentedCommand
from scalectl.commands.shared.options import (
    BASELINE_HELP,
    PATH,
    address_option,
    data_option,
    device_option,
    dry_run_option,
    events_option,
    executor_option,
    jobs_option,
    json_option,
    log_option,
    no_probe_option,
    quiet_option,
    refuse,
    require_option,
    set_option,
    shard_option,
    stall_option,
    time_budget_option,
)
from scalectl.commands.shared.output import print_json, say
from scalectl.commands.shared.planning import fit, measure_speed, show_plan
from scalectl.commands.shared.results import (
    check_files,
    check_requirement,
    print_next,
    print_results,
)
from scalectl.commands.shared.runs import RUNS
from scalectl.commands.shared.searching import (
    check_trials,
    follow,
    reading,
    refuse_contradictions,
    require_here,
    tell_of_data,
)
from scalectl.commands.shared.signals import continuable
from scalectl.errors import ScalectlError
from scalectl.executors import Cluster, choose_executor, make_executor
from scalectl.report.render import pluralise
from scalectl.search.config import Config

if TYPE_CHECKING:  # slow to load: `--help` does without
    from scalectl.search.engine import Concluded
    from scalectl.search.plan import Plan
    from scalectl.search.results import Results
    from scalectl.search.shards import Shard


@click.command(cls=DocumentedCommand)
@click.argument("grid_file", required=False, type=PATH)
@click.option(
    "-o",
    "--output",
    "run",
    metavar="RUN",
    type=PATH,
    help="Folder for the results.  [default: runs/NAME of the grid file]",
)
@click.option(
    "--baseline",
    metavar="B",
    help=f"{BASELINE_HELP}  [default: the grid file's, else efficientnet_b0]",
)
@data_option
@click.option(
    "--seeds",
    type=click.IntRange(1, 1000),
    help=f"Trainings of each candidate.  [default: the grid file's, else {Config().seeds}]",
)
@jobs_option
@device_option
@executor_option
@address_option
@stall_option
@click.option(
    "--optuna-storage",
    metavar="URL",
    help="The same as --log optuna:URL: sqlite:///FILE.db, or the path of a journal.",
)
@log_option
@time_budget_option("as many seeds, or fewer candidates")
@shard_option
@dry_run_option
@no_probe_option
@set_option
@quiet_option
@require_option
@events_option
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
    logs: tuple[tuple[str, str], ...],
    time_budget: float | None,
    shard: "Shard | None",
    dry_run: bool,
    no_probe: bool,
    overrides: tuple[str, ...],
    quiet: bool,
    require: str | None,
    events: bool,
    as_json: bool,
) -> None:
    """Search the coefficients: enumerate, train each candidate briefly, store, choose.

    Without GRID_FILE it runs the default search: minutes on two cores, nothing to download. Run
    again with the same arguments, it continues; with more --seeds, or another --time-budget, it adds
    to what is there. Several commands on the same folder share the work.
    """
    refuse(require and (shard or dry_run), "--require goes with a search that chooses.")
    refuse_contradictions(click.get_current_context().params)
    from scalectl import parsing
    from scalectl.arch import loading
    from scalectl.search import config, engine, shards, trackers
    from scalectl.search.plan import make_plan

    logs += (("optuna", optuna_storage),) if optuna_storage else ()
    trackers.check_installed(kind for kind, _ in logs)
    grid_file = parsing.find_grid(grid_file) if grid_file else None
    chosen = _choose(config.load_config(grid_file, overrides), baseline, data, seeds, stall)
    chosen = replace(chosen, planned_for=time_budget or 0.0)
    with reading(quiet=quiet):
        plan = make_plan(chosen, loading.find_baseline(chosen.baseline))
    tell_of_data(plan.trials[0].data, quiet=quiet)
    whole, plan = plan, shards.take(plan, shard) if shard else plan
    run = run or RUNS / (grid_file.stem if grid_file else "default")
    executor = choose_executor(device) if executor == "auto" else executor
    cluster = Cluster(address=address, resources=chosen.resources)
    require_here(device, executor, trains=not no_probe)
    make = cache(partial(make_executor, executor, jobs or 0, cluster))
    measure = cache(partial(measure_speed, plan, plan.enumeration.candidates, make, device))
    if dry_run:
        plan = fit(plan, run, seeds, measure) if time_budget else plan
        show_plan(plan, run, None if no_probe or executor == "slurm" else measure, as_json)
        return
    with continuable(run):
        plan = fit(plan, run, seeds, measure) if time_budget else plan
        show = partial(follow, plan=whole, logs=logs, quiet=quiet, lines=events)
        if shard:
            last = show(engine.search_share(plan, whole, run, make(), device))
        else:
            last = show(engine.search(plan, run, make(), device))
    if isinstance(last, engine.Concluded):
        _show_results(last, plan, run, as_json=as_json, lines=events)
        _judge(last.results, last.failed, run)
        check_requirement([last.results], [run], require, plan.config.proxy.data)
    elif shard and isinstance(last, engine.Searched):
        _show_shard(shard, plan, len(whole.trials), run, last.failed, as_json=as_json, lines=events)
        check_trials(last.failed)


def _choose(
    config: Config, baseline: str | None, data: str | None, seeds: int | None, stall: float | None
) -> Config:
    """Replace fields of the grid file by what the command line says."""
    return replace(
        config,
        baseline=baseline or config.baseline,
        seeds=seeds or config.seeds,
        proxy=replace(config.proxy, data=data or config.proxy.data),
        watch=replace(config.watch, stall=stall or config.watch.stall),
    )


def _show_results(
    last: "Concluded", plan: "Plan", run: Path, *, as_json: bool, lines: bool
) -> None:
    from scalectl.report.json_document import describe_plan, describe_run

    results = last.results
    if as_json or lines:
        print_json({**describe_plan(plan, None), **describe_run(results)}, as_line=lines)
    else:
        print_results([results], "rich")
        if not last.failed and results.selection.status != "no_eligible_winner":
            print_next(results, run, data=plan.config.proxy.data, err=True)
            say(
                f"Next: See the evidence.\n  {shlex.join(['scalectl', 'report', str(run)])}",
                err=True,
            )


def _show_shard(
    shard: "Shard",
    plan: "Plan",
    trials: int,
    run: Path,
    failed: int,
    *,
    as_json: bool,
    lines: bool,
) -> None:
    """Print what this shard has trained, and how much is left to the others."""
    from scalectl.report.json_document import describe_plan

    others = trials - len(plan.trials)
    if as_json or lines:
        counts = {"shard": str(shard), "others": others, "failed": failed}
        print_json({**describe_plan(plan, None), **counts}, as_line=lines)
    else:
        say(
            f"Shard {shard}: {len(plan.trials) - failed} of its {pluralise(len(plan.trials), 'trial')} "
            f"ended, and are in {run}. The other shards have {others}. When all are over, scalectl "
            "merge unites their folders, and this command without --shard chooses there."
        )


def _judge(results: "Results", failed: int, run: Path) -> None:
    """Raise `ScalectlError` where files are damaged, trials failed, or there is no winner."""
    check_files(results.damaged)
    check_trials(failed)
    if results.selection.status == "no_eligible_winner":
        command = shlex.join(["scalectl", "report", str(run)])
        raise ScalectlError(results.selection.reason, f"See {command}.", exit_code=4)
