"""What the commands that search have in common, from their options to the exit code."""

from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass, fields, replace
from functools import cache, partial, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from scalectl.commands.shared.options import Choice, check_device, json_option, refuse
from scalectl.commands.shared.output import print_json, say
from scalectl.errors import ScalectlError
from scalectl.executors import (
    CLUSTERS,
    EXECUTORS,
    Cluster,
    Executor,
    Resources,
    choose_executor,
    make_executor,
)
from scalectl.executors.hardware import require_device
from scalectl.parsing import did_you_mean, parse_duration
from scalectl.report.render import pluralise
from scalectl.trial import Record

if TYPE_CHECKING:  # slow to load: `--help` does without
    from scalectl.search.architectures.engine import Event
    from scalectl.search.architectures.plan import ArchitecturePlan
    from scalectl.search.plan import Plan
    from scalectl.search.resume import S
    from scalectl.search.shards import Shard

    E = TypeVar("E", bound=Event)
    P = TypeVar("P", Plan, ArchitecturePlan)


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchOptions:
    """The options that every search takes, by the names of their parameters."""

    data: str | None
    jobs: int | None
    device: str
    executor: str
    address: str
    stall: float | None
    """Seconds."""
    time_budget: float | None
    """Seconds."""
    shard: "Shard | None"
    logs: tuple[tuple[str, str], ...]
    """Kind and place of each tracker."""
    dry_run: bool
    no_probe: bool
    overrides: tuple[str, ...]
    quiet: bool
    events: bool
    as_json: bool

    @property
    def prints_json(self) -> bool:
        """Whether stdout is for programs."""
        return self.as_json or self.events

    @property
    def may_probe(self) -> bool:
        """Whether this machine can tell how long the search takes."""
        return not self.no_probe and self.executor != "slurm"

    def refuse_contradictions(self) -> None:
        """Raise `click.UsageError` where they contradict each other."""
        refuse(
            self.no_probe and (self.time_budget or not self.dry_run),
            "--no-probe goes with --dry-run alone.",
        )
        refuse(
            self.time_budget and self.shard,
            "--time-budget plans for one machine alone; shards need one plan.",
        )
        refuse(
            self.time_budget and self.executor == "slurm",
            "--time-budget cannot time jobs that wait in a queue.",
        )
        refuse(
            self.events and (self.as_json or self.dry_run),
            "--events goes neither with --json nor with --dry-run.",
        )
        refuse(
            self.address and self.executor not in CLUSTERS,
            f"--address goes with --executor {' or '.join(CLUSTERS)}.",
        )

    def load(self, kind: "type[S]", path: Path | None, **others: Any) -> "S":
        """Read the file of a search; these options, and `others` that are given, take its place."""
        from scalectl.search.config import load_settings

        config = load_settings(kind, path, self.overrides)
        return replace(
            config,
            planned_for=self.time_budget or 0.0,
            proxy=replace(config.proxy, data=self.data or config.proxy.data),
            watch=replace(config.watch, stall=self.stall or config.watch.stall),
            **{key: value for key, value in others.items() if value},
        )

    def prepare_executor(self, resources: Resources) -> Callable[[], Executor]:
        """Return what makes the executor, once; refuse a device that this machine lacks, if it trains."""
        name = choose_executor(self.device) if self.executor == "auto" else self.executor
        if name not in CLUSTERS and not self.no_probe:
            require_device(self.device)
        cluster = Cluster(address=self.address, resources=resources)
        return cache(partial(make_executor, name, self.jobs or 0, cluster))


def _read_shard(text: str) -> "Shard":
    from scalectl.search import shards

    try:
        return shards.parse(text)
    except ValueError as problem:
        raise click.BadParameter(str(problem)) from None


def _read_duration(text: str) -> float:
    try:
        return parse_duration(text)
    except ValueError:
        raise click.BadParameter(
            f"{text!r} is not a time above 0, such as 90s, 45m, 2h, 1h30m or 1d."
        ) from None


def _read_tracker(text: str) -> tuple[str, str]:
    """Split a tracker such as "mlflow:URI" into its kind and its place."""
    from scalectl.search.trackers import TRACKERS

    kind, _, where = text.partition(":")
    if kind not in TRACKERS:
        asked = did_you_mean(kind, TRACKERS)
        raise click.BadParameter(f"{kind!r} is none of {', '.join(TRACKERS)}{asked}")
    return kind, where


_OPTIONS = (
    click.option(
        "--data",
        metavar="D",
        help="glyphs, fashion_mnist:ROOT, folder:PATH, torch/NAME:ROOT or hfds/NAME.  [default: the file's, else glyphs]",
    ),
    click.option(
        "--jobs",
        type=click.IntRange(1),
        help="Trials at once.  [default: one per core, what fills a GPU, or all that a cluster has room for]",
    ),
    click.option(
        "--device",
        default="auto",
        show_default=True,
        callback=check_device,
        help="auto, cpu, mps, cuda or cuda:NUMBER.",
    ),
    click.option(
        "--executor",
        type=Choice(["auto", *EXECUTORS]),
        default="auto",
        show_default=True,
        help="Where trials run: on this machine's GPUs or cores, on a Ray cluster, or as Slurm jobs.",
    ),
    click.option(
        "--address",
        metavar="A",
        default="",
        help="Of a Ray cluster: HOST:PORT, or auto; with slurm, local tries it without Slurm.",
    ),
    click.option(
        "--stall",
        type=click.FloatRange(0, min_open=True),
        metavar="SECONDS",
        help="Stop a trial that takes no step for so long.  [default: 600]",
    ),
    click.option(
        "--dry-run",
        is_flag=True,
        help="Show what would be trained, and estimate how long it takes.",
    ),
    click.option("--no-probe", is_flag=True, help="With --dry-run: do not measure this machine."),
    click.option(
        "--log",
        "logs",
        metavar="TRACKER[:WHERE]",
        multiple=True,
        type=_read_tracker,
        help="Show each trial in tensorboard:FOLDER, mlflow:URI, wandb:PROJECT or optuna:URL. Repeatable.",
    ),
    click.option(
        "--shard",
        metavar="I/N",
        type=_read_shard,
        help="Train the I-th of N shares alone, into a folder of its own; scalectl merge unites them.",
    ),
    click.option(
        "--set",
        "overrides",
        metavar="KEY=VALUE",
        multiple=True,
        help="Change a field of the file, such as proxy.epochs=3. Repeatable.",
    ),
    click.option(
        "--events",
        is_flag=True,
        help="A line of JSON on stdout for all that happens; --json's is last.",
    ),
    click.option("-q", "--quiet", is_flag=True, help="No progress."),
    json_option,
)


def search_options(fits: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the argument `options`; `fits` says what is cut to a --time-budget."""
    time_budget = click.option(
        "--time-budget",
        metavar="TIME",
        type=_read_duration,
        help=f"Train what fits into 90s, 45m, 2h, 1h30m or 1d: {fits}.",
    )

    def add(command: Callable[..., None]) -> Callable[..., None]:
        @wraps(command)
        def call(**given: Any) -> None:
            common = {field.name: given.pop(field.name) for field in fields(SearchOptions)}
            command(options=SearchOptions(**common), **given)

        for option in (time_budget, *_OPTIONS):
            call = option(call)
        return call

    return add


def lay_out(make: "Callable[[], P]", *, quiet: bool) -> "P":
    """Make a plan, which reads the images, and say on stderr what may spoil a search with them."""
    from rich.console import Console

    from scalectl.report.account import describe_data

    if quiet:
        return make()
    with Console(stderr=True).status("Reading the images; what is unchanged is remembered ..."):
        plan = make()
    say(describe_data(plan.trials[0].data), err=True)
    return plan


def follow(
    events: "Generator[E, None, object]",
    plan: "Plan | ArchitecturePlan",
    options: SearchOptions,
) -> "E":
    """Show the events, and the trials in trackers too; the last event says how it ended."""
    from rich.console import Console

    from scalectl.report.events import describe_event
    from scalectl.report.progress import Live
    from scalectl.search.engine import Begun
    from scalectl.search.trackers.mirror import Mirror, name_search

    mirrors: list[Mirror] = []
    with Live(Console(stderr=True), quiet=options.quiet) as live, closing(events):
        for event in events:
            live.show(event)
            if options.events:
                print_json(describe_event(event), as_line=True)
            if isinstance(event, Begun) and options.logs:
                name = name_search(plan, event.store.folder)
                mirrors += [Mirror(*log, event.store, name, live.say) for log in options.logs]
            elif isinstance(event, Record):
                for mirror in mirrors:
                    mirror.add([event])
    for mirror in mirrors:
        mirror.add(patience=30)
    return event


def check_trials(failed: int) -> None:
    """Raise `ScalectlError` with code 6 where some trials failed."""
    if failed:
        raise ScalectlError(
            f"{pluralise(failed, 'trial')} failed; the report has their reasons.",
            "Run the same command again to try once more, as often as watch.retries allows.",
            exit_code=6,
        )
