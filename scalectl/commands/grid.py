"""`scalectl grid`: the search, or what it would train."""

import shlex
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from scalectl.commands.shared.help import DocumentedCommand
from scalectl.commands.shared.options import BASELINE_HELP, PATH, refuse, require_option
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
    SearchOptions,
    check_trials,
    follow,
    lay_out,
    search_options,
)
from scalectl.commands.shared.signals import continuable
from scalectl.errors import ScalectlError
from scalectl.parsing import find_grid
from scalectl.report.render import pluralise
from scalectl.search.config import Config

if TYPE_CHECKING:  # slow to load: `--help` does without
    from scalectl.search.engine import Concluded
    from scalectl.search.plan import Plan
    from scalectl.search.results import Results


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
@click.option(
    "--seeds",
    type=click.IntRange(1, 1000),
    help=f"Trainings of each candidate.  [default: the grid file's, else {Config().seeds}]",
)
@click.option(
    "--optuna-storage",
    metavar="URL",
    help="The same as --log optuna:URL: sqlite:///FILE.db, or the path of a journal.",
)
@require_option
@search_options("as many seeds, or fewer candidates")
def grid(
    grid_file: Path | None,
    run: Path | None,
    baseline: str | None,
    seeds: int | None,
    optuna_storage: str | None,
    require: str | None,
    options: SearchOptions,
) -> None:
    """Search the coefficients: enumerate, train each candidate briefly, store, choose.

    Without GRID_FILE it runs the default search: minutes on two cores, nothing to download. Run
    again with the same arguments, it continues; with more --seeds, or another --time-budget, it adds
    to what is there. Several commands on the same folder share the work.
    """
    refuse(
        require and (options.shard or options.dry_run), "--require goes with a search that chooses."
    )
    options.refuse_contradictions()
    from scalectl.arch.loading import find_baseline
    from scalectl.search import engine, shards, trackers
    from scalectl.search.plan import make_plan

    if optuna_storage:
        options = replace(options, logs=(*options.logs, ("optuna", optuna_storage)))
    trackers.check_installed(kind for kind, _ in options.logs)
    grid_file = find_grid(grid_file) if grid_file else None
    config = options.load(Config, grid_file, baseline=baseline, seeds=seeds)
    plan = lay_out(lambda: make_plan(config, find_baseline(config.baseline)), quiet=options.quiet)
    whole, plan = plan, shards.take(plan, options.shard) if options.shard else plan
    run = run or RUNS / (grid_file.stem if grid_file else "default")
    make = options.prepare_executor(config.resources)
    measure = cache(partial(measure_speed, plan, plan.enumeration.candidates, make, options.device))
    if options.dry_run:
        plan = fit(plan, run, seeds, measure) if options.time_budget else plan
        show_plan(plan, run, measure if options.may_probe else None, options.as_json)
        return
    with continuable(run):
        plan = fit(plan, run, seeds, measure) if options.time_budget else plan
        if options.shard:
            share = engine.search_share(plan, whole, run, make(), options.device)
            last = follow(share, whole, options)
        else:
            last = follow(engine.search(plan, run, make(), options.device), whole, options)
    if isinstance(last, engine.Concluded):
        _show_results(last, plan, run, options)
        _judge(last.results, last.failed, run)
        check_requirement([last.results], [run], require, plan.config.proxy.data)
    elif options.shard and isinstance(last, engine.Searched):
        _show_shard(plan, len(whole.trials) - len(plan.trials), run, last.failed, options)
        check_trials(last.failed)


def _show_results(last: "Concluded", plan: "Plan", run: Path, options: SearchOptions) -> None:
    from scalectl.report.json_document import describe_plan, describe_run

    results = last.results
    if options.prints_json:
        print_json({**describe_plan(plan, None), **describe_run(results)}, as_line=options.events)
        return
    print_results([results], "rich")
    if not last.failed and results.selection.status != "no_eligible_winner":
        print_next(results, run, data=plan.config.proxy.data, err=True)
        say(f"Next: See the evidence.\n  {shlex.join(['scalectl', 'report', str(run)])}", err=True)


def _show_shard(plan: "Plan", others: int, run: Path, failed: int, options: SearchOptions) -> None:
    """Print what this shard has trained, and how much is left to the others."""
    from scalectl.report.json_document import describe_plan

    if options.prints_json:
        counts = {"shard": str(options.shard), "others": others, "failed": failed}
        print_json({**describe_plan(plan, None), **counts}, as_line=options.events)
        return
    trials = len(plan.trials)
    say(
        f"Shard {options.shard}: {trials - failed} of its {pluralise(trials, 'trial')} "
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
