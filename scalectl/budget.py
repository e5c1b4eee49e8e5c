"""The plan that fits into a time: balanced, and never less than what a run has begun.

Plans form a chain in which each contains those before it: the controls once, then twice, then one
more candidate at a time, and with all of them one more seed at a time. So nothing is ever half
tried, a longer time adds to a shorter one, and two seeds are there for pure error before anything else.
"""

import re
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from scalectl import validation
from scalectl.contents import Reading
from scalectl.errors import ScalectlError
from scalectl.search import Plan, read_grid, resize
from scalectl.trial import Candidate, Record, Trial

_UNITS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
_MOST_SEEDS = 1000

Estimate = Callable[[Sequence[Trial]], float]
"""The seconds that trials take, in order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The largest plan that fits."""

    plan: Plan
    seconds: float
    """What is not in the run yet takes so long."""
    beyond: float | None
    """The next larger plan takes so long; None where there is none."""
    left_out: tuple[Candidate, ...]


def parse_duration(text: str) -> float:
    """Seconds of "90s", "45m", "1h30m", "1.5h" or "1d". Raises `ValueError`."""
    match = re.fullmatch(
        "".join(rf"(?:([0-9]{{1,6}}(?:\.[0-9]+)?){unit})?" for unit in _UNITS), text
    )
    seconds = sum(
        float(number) * unit
        for number, unit in zip(match.groups("0") if match else (), _UNITS.values(), strict=False)
    )
    if not seconds:
        raise ValueError(text)
    return seconds


def humanise(seconds: float) -> str:
    """Such as "45 seconds", "7 minutes", "2.5 hours" or "3.1 days"."""
    for unit, size, limit in (("second", 1, 100), ("minute", 60, 100), ("hour", 3_600, 48)):
        if seconds < limit * size:
            number = seconds / size
            text = f"{number:.1f}" if unit == "hour" else f"{max(1, round(number))}"
            return f"{text} {unit}{'s' * (text != '1')}"
    return f"{seconds / 86_400:.1f} days"


def recall(plan: Plan, run: Path, before: Reading) -> Plan | None:
    """What was chosen for the same time when the run was begun, so that it goes on as it was."""
    stored = read_grid(run, before.damaged)
    if stored is None or stored.planned_for != plan.grid.planned_for:
        return None
    return resize(plan, stored.seeds, stored.design.max_candidates)


def choose(plan: Plan, before: Reading, estimate: Estimate, most_seeds: int | None) -> Choice:
    """The largest plan that fits into `planned_for`; what is in the run already takes no time.

    `plan` has all candidates; `most_seeds` is how many the user asks for, if so. Raises
    `ScalectlError` where nothing fits.
    """
    searched = [one for one in before.records if one.trial.stage == "search"]
    steps = _list_steps(plan, max(most_seeds or _MOST_SEEDS, _count_seeds(searched)))
    ended = {_name(record.trial) for record in before.records if record.state.is_final}

    def take(step: tuple[int, int]) -> float:
        sized = resize(plan, *step)
        trials = [*sized.trials, *validation.expect(sized)]
        return estimate([one for one in trials if _name(one) not in ended])

    begun = _find_begun(plan, steps, searched)
    steps = steps[begun:]
    fitting = bisect_right(steps, plan.grid.planned_for, key=take)
    if not fitting:
        raise _describe_shortage(resize(plan, *steps[0]), take(steps[0]), begun=bool(ended))
    chosen = resize(plan, *steps[fitting - 1])
    kept = {candidate.fingerprint for candidate in chosen.enumeration.candidates}
    return Choice(
        plan=chosen,
        seconds=take(steps[fitting - 1]),
        beyond=take(steps[fitting]) if fitting < len(steps) else None,
        left_out=tuple(one for one in plan.enumeration.candidates if one.fingerprint not in kept),
    )


def _list_steps(plan: Plan, most_seeds: int) -> list[tuple[int, int]]:
    """Seeds and max_candidates of each plan of the chain, the smallest first."""
    others = plan.enumeration.candidates[1:]
    controls = sum(1 for candidate in others if candidate.control)
    everything = plan.grid.design.max_candidates
    sizes = [*range(max(controls, 1), len(others)), everything]
    pair = min(2, most_seeds)
    first = [(seeds, sizes[0]) for seeds in range(1, pair)]
    thinned = [(pair, size) for size in sizes]
    return [*first, *thinned, *((seeds, everything) for seeds in range(pair + 1, most_seeds + 1))]


def _find_begun(plan: Plan, steps: Sequence[tuple[int, int]], records: Sequence[Record]) -> int:
    """The first step that has all that was trained of this plan."""
    known = {candidate.fingerprint for candidate in plan.enumeration.candidates}
    there = {_name(one.trial) for one in records if one.trial.candidate.fingerprint in known}
    sizes = range(len(steps))
    return next(n for n in sizes if there <= set(map(_name, resize(plan, *steps[n]).trials)))


def _count_seeds(records: Sequence[Record]) -> int:
    return max((record.trial.seed + 1 for record in records), default=0)


def _name(trial: Trial) -> tuple[str, int, str]:
    """What tells the trials of one plan apart; quicker than their id."""
    return trial.candidate.fingerprint, trial.seed, trial.stage


def _describe_shortage(smallest: Plan, seconds: float, *, begun: bool) -> ScalectlError:
    networks, seeds = len(smallest.enumeration.candidates), smallest.grid.seeds
    what = "To end what is begun" if begun else "The smallest balanced plan"
    return ScalectlError(
        f"{what}, {seeds} seed{'s' * (seeds != 1)} of {networks} networks, takes about "
        f"{humanise(seconds)}, more than the --time-budget of {humanise(smallest.grid.planned_for)}.",
        "Raise it, or make trials shorter, such as with --set proxy.epochs=2.",
    )
