"""`scalectl nas`: the search of the baseline itself, the first of EfficientNet's two."""

import shlex
from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

import click

from scalectl.commands.shared.help import DocumentedCommand
from scalectl.commands.shared.options import PATH, Choice, parse_count, parse_latency, refuse
from scalectl.commands.shared.output import print_json, print_table, say
from scalectl.commands.shared.planning import estimate_seconds, measure_speed, say_seconds
from scalectl.commands.shared.results import check_files, print_architectures
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
from scalectl.executors import Executor
from scalectl.executors.hardware import count_gpus, require_device
from scalectl.parsing import humanise
from scalectl.report.render import pluralise

if TYPE_CHECKING:  # slow to load: `--help` does without
    from scalectl.search.architectures.config import Objective, Sampler
    from scalectl.search.architectures.engine import Chosen
    from scalectl.search.architectures.plan import ArchitecturePlan
    from scalectl.search.estimate import Speed


@click.command(cls=DocumentedCommand)
@click.argument("space_file", required=False, type=PATH)
@click.option(
    "-o",
    "--output",
    "run",
    metavar="RUN",
    type=PATH,
    help="Folder for the results.  [default: runs/NAME of the file, else runs/nas]",
)
@click.option(
    "--baseline",
    metavar="B",
    help="Where it starts: a name (scalectl baselines), a .toml or .json.  [default: the file's, else "
    "efficientnet_b0]",
)
@click.option(
    "--macs",
    metavar="N",
    help="The target for multiply-adds at full size: 400M.  [default: the file's, else the baseline's]",
)
@click.option(
    "--latency",
    metavar="T",
    help="Measure latency in place of MACs: the target for one image at full size, 12ms.",
)
@click.option(
    "--latency-on",
    type=Choice(["cpu", "cuda"]),
    help="Where --latency is measured.  [default: the file's, else the device it trains on]",
)
@click.option(
    "--trials",
    type=click.IntRange(1, 100_000),
    help="Networks that each sampler trains.  [default: the file's, else 200]",
)
@click.option(
    "--sampler",
    "samplers",
    type=Choice(["tpe", "nsga2", "random"]),
    multiple=True,
    help="What proposes networks. Repeatable; random is the control.  [default: the file's, else tpe]",
)
@click.option(
    "--objective",
    type=Choice(["product", "pareto"]),
    help="What samplers seek: accuracy * (cost / target)^-0.07, or the front of both.  "
    "[default: the file's, else product]",
)
@search_options("as many networks")
def nas(
    space_file: Path | None,
    run: Path | None,
    baseline: str | None,
    macs: str | None,
    latency: str | None,
    latency_on: str | None,
    trials: int | None,
    samplers: "tuple[Sampler, ...]",
    objective: "Literal['product', 'pareto'] | None",
    options: SearchOptions,
) -> None:
    """Search a baseline: choose each stage's block, kernel, expansion, width ... by brief trainings.

    SPACE_FILE says otherwise than MnasNet's space. Run again with the same arguments, it continues;
    with more --trials, or another --time-budget, it adds to what is there. Several commands on the
    same folder share the work. grid --baseline RUN and scale --baseline RUN take the winner.
    """
    options.refuse_contradictions()
    from scalectl.arch.loading import find_baseline
    from scalectl.search import trackers
    from scalectl.search.architectures import engine
    from scalectl.search.architectures.config import ArchitectureConfig
    from scalectl.search.architectures.plan import make_architecture_plan

    trackers.check_installed(kind for kind, _ in options.logs)
    config = options.load(
        ArchitectureConfig, space_file, baseline=baseline, trials=trials, samplers=samplers
    )
    target = _aim(config.objective, macs, latency, latency_on, options.device)
    config = replace(config, objective=replace(target, kind=objective or target.kind))
    refuse(
        options.shard and target.latency,
        "--shard does not go with latency: one machine has to measure all networks.",
    )
    if not options.no_probe:
        require_device(target.latency_on)
    plan = lay_out(
        lambda: make_architecture_plan(config, find_baseline(config.baseline)), quiet=options.quiet
    )
    run = run or RUNS / (space_file.stem if space_file else "nas")
    make = options.prepare_executor(config.resources)
    measure = cache(partial(_measure, plan, make, options.device))
    if options.dry_run:
        plan = _fit(plan, run, trials, measure) if options.time_budget else plan
        _show_plan(plan, run, measure if options.may_probe else None, options.as_json)
        return
    with continuable(run):
        plan = _fit(plan, run, trials, measure) if options.time_budget else plan
        search = engine.search(plan, run, make(), options.device, options.shard)
        last = follow(search, plan, options)
    if isinstance(last, engine.Waiting):
        _show_waiting(last.others, run, options)
    elif isinstance(last, engine.Chosen):
        _show_results(last, run, options)


def _aim(
    objective: "Objective",
    macs: str | None,
    latency: str | None,
    latency_on: str | None,
    device: str,
) -> "Objective":
    """Set what networks may cost: an option takes the place of the file's target, of whichever kind."""
    refuse(macs and latency, "--latency takes the place of --macs: give one of them.")
    if macs:
        objective = replace(objective, macs=parse_count(macs, "--macs"), latency=0.0)
    if latency:
        objective = replace(objective, latency=parse_latency(latency), macs=0.0)
    refuse(
        objective.macs and objective.latency,
        "objective.latency takes the place of objective.macs: set one of them.",
    )
    if not objective.latency:
        refuse(latency_on, "--latency-on goes with --latency.")
        return replace(objective, latency_on="")
    place = latency_on or objective.latency_on or device.partition(":")[0]
    if place == "auto":
        place = "cuda" if count_gpus() else "cpu"
    refuse(place == "mps", "Latency is measured on a CPU or with CUDA: say --latency-on cpu.")
    return replace(objective, latency_on=cast("Literal['cpu', 'cuda']", place))


def _measure(plan: "ArchitecturePlan", make: Callable[[], Executor], device: str) -> "Speed":
    """Measure the speed on the networks that are known before anything is trained."""
    from scalectl.search.architectures import proposals

    first = [trial.candidate for trial in proposals.list_first(plan)]
    return measure_speed(plan, first, make, device)


def _fit(
    plan: "ArchitecturePlan", run: Path, most_trials: int | None, measure: "Callable[[], Speed]"
) -> "ArchitecturePlan":
    """Cut a plan to the `planned_for` seconds of its file; `most_trials` is what the user asks for.

    A run that was planned for the same time keeps its plan. Raises `ScalectlError` where nothing fits.
    """
    from scalectl.search import resume
    from scalectl.search.architectures import estimate

    before = resume.look(plan, run)
    recalled = estimate.recall_plan(plan, run, before)
    if recalled:
        trials = pluralise(recalled.config.trials, "network")
        say(f"{trials} of each sampler, as {run} was planned for the same time.", err=True)
        return recalled
    most = most_trials or estimate.MOST_TRIALS
    plan, seconds = estimate.choose_plan(plan, before, measure().estimate, most)
    trials = pluralise(plan.config.trials, "network")
    say(f"{trials} of each sampler: about {humanise(seconds)} from now.", err=True)
    return plan


def _show_plan(
    plan: "ArchitecturePlan", run: Path, measure: "Callable[[], Speed] | None", as_json: bool
) -> None:
    """Print the space and the trials of a plan; with `measure`, also how long they take."""
    from scalectl.report import architecture_plan as report
    from scalectl.search.architectures import estimate
    from scalectl.store import reader

    seconds = (
        estimate_seconds(estimate.list_left(plan, reader.read_run(run)), measure)
        if measure
        else None
    )
    document = report.describe_architecture_plan(plan, seconds)
    if as_json:
        print_json(document)
        return
    print_table(report.tabulate_space(plan))
    combinations = document["networks"]
    many = f"{combinations:.2g}" if combinations >= 10**6 else f"{combinations:,}"
    say(
        f"{plan.start.name}: {many} combinations. At most {pluralise(document['trials'], 'trial')}, "
        f"some {document['training_macs']:.3g} MACs of training."
    )
    if document["follow_ups"]:
        more = pluralise(document["follow_ups"], "more trial")
        say(f"Then up to {more}, to see whether the winner is better.")
    say_seconds(seconds)


def _show_waiting(others: int, run: Path, options: SearchOptions) -> None:
    """Print what a shard waits for."""
    if options.prints_json:
        document = {"schema_version": 1, "run": str(run), "others": others}
        print_json(document, as_line=options.events)
    else:
        say(
            f"All that this shard may train now is in {run}. What comes next rests on "
            f"{pluralise(others, 'trial')} of other shards: scalectl merge unites the folders, and this "
            "command goes on with what it gives."
        )


def _show_results(last: "Chosen", run: Path, options: SearchOptions) -> None:
    """Print the results, then raise `ScalectlError` for what is missing."""
    from scalectl.report.architectures import describe_architecture_run

    results = last.results
    if options.prints_json:
        print_json(describe_architecture_run(results), as_line=options.events)
    else:
        print_architectures(results, "rich")
        if results.winner:
            again = shlex.join(["scalectl", "grid", "--baseline", str(run)])
            say(f"\nNext: Search how to scale it.\n  {again}", err=True)
    check_files(results.damaged)
    check_trials(last.failed)
    if results.winner is None:
        raise ScalectlError("No training finished.", "See the reasons above.", exit_code=4)
