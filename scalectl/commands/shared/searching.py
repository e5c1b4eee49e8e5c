"""What the commands that search have in common, from reading the images to the exit code."""

from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from scalectl.commands.shared.options import refuse
from scalectl.commands.shared.output import print_json, say
from scalectl.errors import ScalectlError
from scalectl.executors import CLUSTERS
from scalectl.executors.hardware import require_device
from scalectl.report.render import pluralise
from scalectl.trial import DataCard, Record

if TYPE_CHECKING:  # slow to load: `--help` does without
    from scalectl.search.architectures.engine import Event
    from scalectl.search.architectures.plan import ArchitecturePlan
    from scalectl.search.plan import Plan

    E = TypeVar("E", bound=Event)


def refuse_contradictions(options: Mapping[str, Any]) -> None:
    """Raise `click.UsageError` where options of a search, by name, contradict each other."""
    time_budget, executor = options["time_budget"], options["executor"]
    refuse(
        options["no_probe"] and (time_budget or not options["dry_run"]),
        "--no-probe goes with --dry-run alone.",
    )
    refuse(
        time_budget and options["shard"],
        "--time-budget plans for one machine alone; shards need one plan.",
    )
    refuse(
        time_budget and executor == "slurm", "--time-budget cannot time jobs that wait in a queue."
    )
    refuse(
        options["events"] and (options["as_json"] or options["dry_run"]),
        "--events goes neither with --json nor with --dry-run.",
    )
    refuse(
        options["address"] and executor not in CLUSTERS,
        f"--address goes with --executor {' or '.join(CLUSTERS)}.",
    )


def tell_of_data(card: DataCard, *, quiet: bool) -> None:
    """Say on stderr what the data set holds, and what may spoil a search."""
    from scalectl.report.account import describe_data

    if not quiet:
        say(describe_data(card), err=True)


@contextmanager
def reading(*, quiet: bool) -> Iterator[None]:
    """Show on a terminal that images are read, which may take a while the first time."""
    from rich.console import Console

    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield
        return
    with console.status("Reading the images; what is unchanged is remembered ..."):
        yield


def require_here(device: str, executor: str, *, trains: bool) -> None:
    """Refuse a device that this machine lacks, unless others train or nothing is trained at all."""
    if trains and executor not in CLUSTERS:
        require_device(device)


def follow(
    events: "Generator[E, None, object]",
    plan: "Plan | ArchitecturePlan",
    logs: Iterable[tuple[str, str]],
    *,
    quiet: bool,
    lines: bool,
) -> "E":
    """Show the events, and the trials in trackers too; the last event says how it ended."""
    from rich.console import Console

    from scalectl.report.events import describe_event
    from scalectl.report.progress import Live
    from scalectl.search.engine import Begun
    from scalectl.search.trackers.mirror import Mirror, name_search

    mirrors: list[Mirror] = []
    with Live(Console(stderr=True), quiet=quiet) as live, closing(events):
        for event in events:
            live.show(event)
            if lines:
                print_json(describe_event(event), as_line=True)
            if isinstance(event, Begun) and logs:
                name = name_search(plan, event.store.folder)
                mirrors += [Mirror(*log, event.store, name, live.say) for log in logs]
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
