"""A plan carried out: searched, chosen from, followed up; and shown while it is."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from scalectl.commands.output import say
from scalectl.executors import Executor
from scalectl.trial import Record, Trial

if TYPE_CHECKING:  # slow to load: `--help` does without
    from scalectl.evidence import Evidence
    from scalectl.mirror import Mirror
    from scalectl.search import Plan
    from scalectl.store import Store


Train = Callable[..., set[str]]
"""Trains rounds of trials, and gives the ids of all that were asked for."""


def prepare(
    plan: "Plan",
    run: Path,
    optuna_storage: str | None,
    make: Callable[[], Executor],
    device: str,
    quiet: bool,
) -> "tuple[Store, Train]":
    """Where records go, and what trains."""
    executor = make()  # what it lacks is said before anything is written
    store = _claim(plan, run)
    mirror = _open_mirror(optuna_storage, store) if optuna_storage else None
    return store, partial(_train, plan, store, mirror, executor, device, quiet)


def conduct(plan: "Plan", store: "Store", train: Train, device: str) -> "tuple[Evidence, int]":
    """Search, choose, and train what shows whether the choice holds.

    The second is how many trials have not ended. A command that is stopped anywhere in it continues
    when it is given again.
    """
    run, failed = store.folder, train_all(plan, store, train)
    if plan.grid.select.by == "latency":
        _time_networks(plan, run, device)
    evidence = _conclude(run)
    follow_ups = _follow_up(plan, evidence)
    if follow_ups:
        _announce(follow_ups, store)
        failed += len(train([follow_ups]) - store.list_ended())
        evidence = _conclude(run)
    return evidence, failed


def train_all(plan: "Plan", store: "Store", train: Train) -> int:
    """Train what the strategy asks for; the number of trials that have not ended after it."""
    from scalectl import search, strategies

    bound = strategies.at_most(plan)
    adaptive = plan.grid.strategy.is_adaptive
    done = _announce(bound, store) if not adaptive else len(store.list_ended())
    if adaptive and done:
        say(f"{done} of at most {len(bound)} trials are in {store.folder} already.", err=True)
    if note := strategies.note(plan):
        say(f"Note: {note}", err=True)
    retries = plan.grid.watch.retries
    rounds = strategies.rounds(plan, lambda: search.read_over(store, retries))
    asked = train(rounds, len(bound) - done if adaptive else None)
    if len(asked) < len(bound):
        say(f"{len(asked)} of at most {len(bound)} trials were enough.", err=True)
    return len(asked - store.list_ended())


def _claim(plan: "Plan", run: Path) -> "Store":
    from scalectl import search

    store, damaged = search.claim(plan, run)
    if damaged:
        say(
            f"{len(damaged)} damaged files went to {run / 'quarantine'}, and are made again; the "
            f"first is {damaged[0].path.name}: {damaged[0].reason}.",
            err=True,
        )
    return store


def _open_mirror(storage: str, store: "Store") -> "Mirror":
    from scalectl.mirror import Mirror

    return Mirror(storage, store, lambda text: say(text, err=True))


def _announce(trials: Sequence[Trial], store: "Store") -> int:
    """Say how many of them are there already."""
    ended = len({trial.id for trial in trials} & store.list_ended())
    if ended:
        say(f"{ended} of {len(trials)} trials are in {store.folder} already.", err=True)
    return ended


def _train(
    plan: "Plan",
    store: "Store",
    mirror: "Mirror | None",
    executor: Executor,
    device: str,
    quiet: bool,
    rounds: Iterable[Sequence[Trial]],
    most: int | None = None,
) -> set[str]:
    """Run what remains, round after round; the ids of all trials that were asked for.

    `most` is how many may come, where that depends on what is found.
    """
    from rich.console import Console

    from scalectl import search
    from scalectl.progress import Live

    workspace = search.workspace(plan, store, device)
    retries = plan.grid.watch.retries
    asked = set[str]()
    with Live(Console(stderr=True, quiet=quiet), most) as live:
        for trials in rounds:
            asked |= {trial.id for trial in trials}
            left = search.remaining(trials, plan, store)
            live.expect(left)
            for news in search.search(left, executor, workspace, store, retries):
                live.show(news)
                if mirror and isinstance(news, Record):
                    mirror.add([news])
    if mirror:
        mirror.add(patience=30)
    return asked


def _time_networks(plan: "Plan", run: Path, device: str) -> None:
    from scalectl import latencies
    from scalectl.contents import read

    say("Measuring the latency of each candidate.", err=True)
    networks = [one.trial.candidate for one in read(run).records if one.trial.stage == "search"]
    latencies.measure(run, [*plan.enumeration.candidates, *networks], device)


def _conclude(run: Path) -> "Evidence":
    from scalectl import evidence, verdict

    found = evidence.gather(run)
    verdict.write(evidence.conclude(found), run)
    return found


def _follow_up(plan: "Plan", evidence: "Evidence") -> tuple[Trial, ...]:
    """What the grid file asks for to see whether the choice holds."""
    from scalectl import validation

    trials, rejected = validation.confirm(plan, evidence.selection.recommended)
    for one in rejected:
        say(f"not confirmed at {one.coefficients} {one.control}: it {one.reason}", err=True)
    candidates = [one.candidate for one in evidence.summaries if one.candidate.shares]
    return (*trials, *validation.train_longer(plan, candidates))
