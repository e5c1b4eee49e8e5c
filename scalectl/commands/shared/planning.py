"""Show, time, and cut to fit what a plan will train, before any of it is trained."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from scalectl.commands.shared.output import print_json, print_table, say
from scalectl.errors import ScalectlError
from scalectl.executors import Executor
from scalectl.parsing import humanise
from scalectl.report.render import pluralise

if TYPE_CHECKING:  # slow to load: `--help` does without
    from scalectl.search.architectures.plan import ArchitecturePlan
    from scalectl.search.estimate import Speed
    from scalectl.search.plan import Plan
    from scalectl.trial import Candidate, Trial


def measure_speed(
    plan: "Plan | ArchitecturePlan",
    candidates: "Iterable[Candidate]",
    make: Callable[[], Executor],
    device: str,
) -> "Speed":
    """Measure how fast this machine, or its cluster, trains candidates of a plan."""
    from scalectl.search.estimate import probe

    say("Some networks are trained for seconds, to see how fast this machine is ...", err=True)
    return probe(plan, candidates, make(), device)


def fit(plan: "Plan", run: Path, most_seeds: int | None, measure: "Callable[[], Speed]") -> "Plan":
    """Cut a plan to the `planned_for` seconds of its grid; `most_seeds` is what the user asks for.

    A run that was planned for the same time keeps its plan. Raises `ScalectlError` where nothing fits.
    """
    from scalectl.search import estimate, resume

    if plan.config.strategy.kind == "optuna":
        raise click.UsageError(
            "--time-budget plans seeds and candidates, which the strategy optuna proposes itself; "
            "limit it by strategy.points and --seeds."
        )
    before = resume.look(plan, run)
    recalled = estimate.recall_plan(plan, run, before)
    if recalled:
        say(f"{_count(recalled)}, as {run} was planned for the same time.", err=True)
        return recalled
    choice = estimate.choose_plan(plan, before, measure().estimate, most_seeds)
    text = f"{_count(choice.plan)}: about {humanise(choice.seconds)} from now."
    if choice.beyond:
        text += f" The next larger plan takes {humanise(choice.beyond)}."
    if choice.left_out:
        names = ", ".join(candidate.name for candidate in choice.left_out)
        text += f" Left out: {names}."
    say(text, err=True)
    return choice.plan


def _count(plan: "Plan") -> str:
    return (
        f"{pluralise(plan.config.seeds, 'seed')} of "
        f"{pluralise(len(plan.enumeration.candidates), 'candidate')}, "
        f"{pluralise(len(plan.trials), 'trial')}"
    )


def show_plan(
    plan: "Plan", run: Path, measure: "Callable[[], Speed] | None", as_json: bool
) -> None:
    """Print a plan's candidates and trials; with `measure`, also how long they take."""
    from scalectl.report.json_document import describe_plan
    from scalectl.report.tables.candidates import tabulate_candidates
    from scalectl.search import followups, strategies
    from scalectl.search.plan import count_macs
    from scalectl.store import reader

    trials = strategies.find_strategy(plan.config.strategy.kind).at_most(plan)
    follow_ups = followups.expect(plan)

    def estimate() -> float | None:
        if measure is None:
            return None
        records = reader.read_run(run).records
        ended = {record.trial.id for record in records if record.state.is_final}
        left = [trial for trial in (*trials, *follow_ups) if trial.id not in ended]
        return estimate_seconds(left, measure)

    if as_json:
        print_json(describe_plan(plan, estimate()))
        return
    enumeration = plan.enumeration
    print_table(tabulate_candidates(enumeration.candidates))
    for rejected in enumeration.rejected:
        say(f"rejected {rejected.coefficients} {rejected.control}: it {rejected.reason}")
    were = "was" if enumeration.merged == 1 else "were"
    at_most = "At most " if plan.config.is_adaptive else ""
    say(
        f"{pluralise(enumeration.merged, 'proposal')} {were} merged: the same network as another. "
        f"{at_most}{pluralise(len(trials), 'trial')}, {count_macs(trials):.3g} "
        "MACs of training."
    )
    if follow_ups:
        count = pluralise(len(follow_ups), "trial")
        say(f"Then {count} more, to see whether the choice holds.")
    say_seconds(estimate())


def estimate_seconds(trials: "Sequence[Trial]", measure: "Callable[[], Speed]") -> float | None:
    """Estimate the seconds that trials take; None, with a line why, where that fails."""
    try:
        return measure().estimate(trials) if trials else 0.0
    except ScalectlError as problem:
        say(f"There is no estimate: {problem}", err=True)
        return None


def say_seconds(seconds: float | None) -> None:
    """Say how long a plan takes, where that is known."""
    if seconds is not None:
        say(
            f"It takes about {humanise(seconds)} on this machine."
            if seconds
            else "Nothing is left to train."
        )
