"""Strategies, a slot: one file per way of deciding what is trained next, and its line in `STRATEGIES`.

A strategy is a module with

- `rounds(plan, read)`, which yields one round of trials after another; the driver runs a round, and
  asks for the next. `read` gives, by id, the records of the run that will not change any more;
- `at_most(plan)`, as many trials as it may train at most, and as costly: some are stand-ins;
- `NOTE`, what a reader of its results must know, or "".

It is a function of the plan and of the records of its own earlier rounds alone: never of time, of the
order in which trials end, of other records in the run. It begins anew whenever the command does, and
rounds that are over cost nothing. So a search goes on after `kill -9`, is shared by several commands,
and ends with the same table (PROMISES 1, 3, 4, 5).
"""

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from importlib import import_module
from types import ModuleType

from scalectl.search import Plan
from scalectl.trial import Record, Trial

Read = Callable[[], Mapping[str, Record]]

STRATEGIES = {
    "all": "scalectl.strategies.exhaustive",
    "optuna": "scalectl.strategies.optuna",
    "halving": "scalectl.strategies.halving",
}
"""Name -> its module; imported when chosen."""


def rounds(plan: Plan, read: Read) -> Iterator[Sequence[Trial]]:
    """What the plan's strategy has trained, round after round."""
    found: Iterator[Sequence[Trial]] = _find(plan).rounds(plan, read)
    return found


def at_most(plan: Plan) -> Sequence[Trial]:
    """As many trials as the plan's strategy may train, and as costly."""
    found: Sequence[Trial] = _find(plan).at_most(plan)
    return found


def note(plan: Plan) -> str:
    """What a reader of the results must know about how they were chosen, or ""."""
    text: str = _find(plan).NOTE
    return text


def settle(
    trials: Sequence[Trial], read: Read
) -> Generator[Sequence[Trial], None, dict[str, Record]]:
    """Yield a round until all of it is over; its records by id, in its order.

    A trial that failed is tried again at once, as often as it may be: what is decided by this round
    would otherwise change when a later command tries it again.
    """
    while True:
        yield trials
        records = read()
        if all(trial.id in records for trial in trials):
            return {trial.id: records[trial.id] for trial in trials}


def _find(plan: Plan) -> ModuleType:
    return import_module(STRATEGIES[plan.grid.strategy.kind])
