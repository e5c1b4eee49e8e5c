"""What a plan will train, shown, timed and cut to fit, before any of it is trained."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from scalectl.commands.output import print_json, print_table, say
from scalectl.errors import ScalectlError
from scalectl.executors import Executor

if TYPE_CHECKING:  # slow to load: `--help` does without
    from scalectl.calibration import Calibration
    from scalectl.search import Plan


def measure_speed(plan: "Plan", make: Callable[[], Executor], device: str) -> "Calibration":
    """How fast this machine, or its cluster, trains the networks of a plan."""
    from scalectl.calibration import calibrate

    say("Some networks are trained for seconds, to see how fast this machine is ...", err=True)
    return calibrate(plan, make(), device)


def fit(
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
    recalled = budget.recall(plan, run, before)
    if recalled:
        say(f"{_count(recalled)}, as {run} was planned for the same time.", err=True)
        return recalled
    choice = budget.choose(plan, before, measure().estimate, most_seeds)
    text = f"{_count(choice.plan)}: about {budget.humanise(choice.seconds)} from now."
    if choice.beyond:
        text += f" The next larger plan takes {budget.humanise(choice.beyond)}."
    if choice.left_out:
        names = ", ".join(one.control or str(one.coefficients) for one in choice.left_out)
        text += f" Left out: {names}."
    say(text, err=True)
    return choice.plan


def _count(plan: "Plan") -> str:
    seeds = plan.grid.seeds
    candidates = len(plan.enumeration.candidates)
    return f"{seeds} seed{'s' * (seeds != 1)} of {candidates} candidates, {len(plan.trials)} trials"


def show_plan(
    plan: "Plan", run: Path, measure: "Callable[[], Calibration] | None", as_json: bool
) -> None:
    """Its candidates, its trials, and how long they take; without `measure` that is left out."""
    from scalectl import search, strategies, validation
    from scalectl.reports.candidates import tabulate_candidates
    from scalectl.reports.document import document_plan

    if as_json:
        print_json(document_plan(plan, _estimate(plan, run, measure) if measure else None))
        return
    enumeration = plan.enumeration
    print_table(tabulate_candidates(enumeration.candidates))
    for one in enumeration.rejected:
        say(f"rejected {one.coefficients} {one.control}: it {one.reason}")
    trials = strategies.at_most(plan)
    say(
        f"{enumeration.merged} proposals were merged: the same network as another. "
        f"{_at_most(plan).capitalize()}{len(trials)} trials, {search.count_macs(trials):.3g} MACs of "
        "training."
    )
    if note := strategies.note(plan):
        say(f"Note: {note}", err=True)
    if follow_ups := validation.expect(plan):
        say(f"{len(follow_ups)} trials follow, to see whether the choice holds.")
    seconds = _estimate(plan, run, measure) if measure else None
    if seconds is not None:
        from scalectl.budget import humanise

        say(
            f"It takes about {humanise(seconds)} on this machine."
            if seconds
            else "Nothing is left to train."
        )


def _at_most(plan: "Plan") -> str:
    """Before the number of its trials, where that depends on what is found."""
    return "at most " if plan.grid.strategy.is_adaptive else ""


def _estimate(plan: "Plan", run: Path, measure: "Callable[[], Calibration]") -> float | None:
    """Seconds for what is not in the run; where that cannot be measured, the reason is said."""
    from scalectl import contents, strategies, validation

    ended = {one.trial.id for one in contents.survey(run).records if one.state.is_final}
    trials = [*strategies.at_most(plan), *validation.expect(plan)]
    left = [trial for trial in trials if trial.id not in ended]
    try:
        return measure().estimate(left) if left else 0.0
    except ScalectlError as problem:
        say(f"There is no estimate: {problem}", err=True)
        return None
