"""`scalectl nas`: the search of the baseline itself, the first of EfficientNet's two."""

import shlex
from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

import click

from scalectl.commands.shared.architectures import print_architectures
from scalectl.commands.shared.help import DocumentedCommand
from scalectl.commands.shared.options import (
    PATH,
    Choice,
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
    parse_count,
    parse_latency,
    quiet_option,
    refuse,
    set_option,
    shard_option,
    stall_option,
    time_budget_option,
)
from scalectl.commands.shared.output import print_json, print_table, say
from scalectl.commands.shared.planning import estimate_seconds, measure_speed, say_seconds
from scalectl.commands.shared.results import check_files
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
from scalectl.executors import Cluster, Executor, choose_executor, make_executor
from scalectl.executors.hardware import count_gpus, require_device
from scalectl.parsing import humanise
from scalectl.report.render import pluralise

if TYPE_CHECKING:  # slow to load: `--help` does without
    from scalectl.search.architectures.config import Objective, Sampler
    from scalectl.search.architectures.engine import Chosen
    from scalectl.search.architectures.plan import ArchitecturePlan
    from scalectl.search.estimate import Speed
    from scalectl.search.shards import Shard


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
@data_option
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
@jobs_option
@device_option
@executor_option
@address_option
@stall_option
@time_budget_option("as many networks")
@shard_option
@dry_run_option
@no_probe_option
@log_option
@set_option
@quiet_option
@events_option
@json_option
def nas(
    space_file: Path | None,
    run: Path | None,
    baseline: str | None,
    macs: str | None,
    latency: str | None,
    latency_on: str | None,
    data: str | None,
    trials: int | None,
    samplers: tuple[str, ...],
    objective: str | None,
    jobs: int | None,
    device: str,
    executor: str,
    address: str,
    stall: float | None,
    time_budget: float | None,
    shard: "Shard | None",
    dry_run: bool,
    no_probe: bool,
    logs: tuple[tuple[str, str], ...],
    overrides: tuple[str, ...],
    quiet: bool,
    events: bool,
    as_json: bool,
) -> None:
    """Search a baseline: choose each stage's block, kernel, expansion, width ... by brief trainings.

    SPACE_FILE says otherwise than MnasNet's space. Run again with the same arguments, it continues;
    with more --trials, or another --time-budget, it adds to what is there. Several commands on the
    same folder share the work. grid --baseline RUN and scale --baseline RUN take the winner.
    """
    refuse_contradictions(click.get_current_context().params)
    from scalectl.arch import loading
    from scalectl.search import trackers
    from scalectl.search.architectures import engine
    from scalectl.search.architectures.config import ArchitectureConfig
    from scalectl.search.architectures.plan import make_architecture_plan
    from scalectl.search.config import load_settings

    trackers.check_installed(kind for kind, _ in logs)
    config = load_settings(ArchitectureConfig, space_file, overrides)
    config = replace(
        config,
        baseline=baseline or config.baseline,
        trials=trials or config.trials,
        planned_for=time_budget or 0.0,
        samplers=cast("tuple[Sampler, ...]", samplers) or config.samplers,
        objective=replace(
            _aim(config.objective, macs, latency, latency_on, device),
            kind=cast("Literal['product', 'pareto']", objective) or config.objective.kind,
        ),
        proxy=replace(config.proxy, data=data or config.proxy.data),
        watch=replace(config.watch, stall=stall or config.watch.stall),
    )
    refuse(
        shard and config.objective.latency,
        "--shard does not go with latency: one machine has to measure all networks.",
    )
    if not no_probe:
        require_device(config.objective.latency_on)
    with reading(quiet=quiet):
        plan = make_architecture_plan(config, loading.find_baseline(config.baseline))
    tell_of_data(plan.trials[0].data, quiet=quiet)
    run = run or RUNS / (space_file.stem if space_file else "nas")
    executor = choose_executor(device) if executor == "auto" else executor
    require_here(device, executor, trains=not no_probe)
    cluster = Cluster(address=address, resources=config.resources)
    make = cache(partial(make_executor, executor, jobs or 0, cluster))
    measure = cache(partial(_measure, plan, make, device))
    if dry_run:
        plan = _fit(plan, run, trials, measure) if time_budget else plan
        _show_plan(plan, run, None if no_probe or executor == "slurm" else measure, as_json)
        return
    with continuable(run):
        plan = _fit(plan, run, trials, measure) if time_budget else plan
        search = engine.search(plan, run, make(), device, shard)
        last = follow(search, plan, logs, quiet=quiet, lines=events)
    if isinstance(last, engine.Waiting):
        _show_waiting(last.others, run, as_json=as_json, lines=events)
    elif isinstance(last, engine.Chosen):
        _show_results(last, run, as_json=as_json, lines=events)


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


def _show_waiting(others: int, run: Path, *, as_json: bool, lines: bool) -> None:
    """Print what a shard waits for."""
    if as_json or lines:
        document = {"schema_version": 1, "run": str(run), "others": others}
        print_json(document, as_line=lines)
    else:
        say(
            f"All that this shard may train now is in {run}. What comes next rests on "
            f"{pluralise(others, 'trial')} of other shards: scalectl merge unites the folders, and this "
            "command goes on with what it gives."
        )


def _show_results(last: "Chosen", run: Path, *, as_json: bool, lines: bool) -> None:
    """Print the results, then raise `ScalectlError` for what is missing."""
    from scalectl.report.architectures import describe_architecture_run

    results = last.results
    if as_json or lines:
        print_json(describe_architecture_run(results), as_line=lines)
    else:
        print_architectures(results, "rich")
        if results.winner:
            again = shlex.join(["scalectl", "grid", "--baseline", str(run)])
            say(f"\nNext: Search how to scale it.\n  {again}", err=True)
    check_files(results.damaged)
    check_trials(last.failed)
    if results.winner is None:
        raise ScalectlError("No training finished.", "See the reasons above.", exit_code=4)
