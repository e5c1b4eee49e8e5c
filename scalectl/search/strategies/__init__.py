"""Strategies, a slot: one file per way of deciding what is trained next, and its line in `STRATEGIES`.

A strategy is a function of the plan and of the records of its own earlier rounds alone: never of
time, of the order in which trials end, of other records in the run. So it begins anew whenever the
command does, and rounds that are over cost nothing; a search goes on after `kill -9`, is shared by
several commands, and ends with the same table (docs/promises.md, 1 and 3 to 5).
"""

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from importlib import import_module
from typing import Protocol, cast

from scalectl.search.plan import Plan
from scalectl.trial import Record, Trial

Read = Callable[[], Mapping[str, Record]]

STRATEGIES = {
    "adaptive": "scalectl.search.strategies.adaptive",
    "all": "scalectl.search.strategies.exhaustive",
    "optuna": "scalectl.search.strategies.optuna",
}
"""Name -> the module of a strategy, a `StrategyModule`; imported when it is chosen."""


class StrategyModule(Protocol):
    """The interface of a module that decides which trials are trained next."""

    def rounds(self, plan: Plan, read: Read) -> Iterator[Sequence[Trial]]:
        """Yield one round of trials after another; each is trained before the next is asked for.

        `read` gives, by id, the records of the run that will not change any more.
        """
        ...

    def at_most(self, plan: Plan) -> Sequence[Trial]:
        """List as many trials as it may train at most, and as costly: some may be stand-ins."""
        ...


def find_strategy(name: str) -> StrategyModule:
    """Import the strategy of that name, one of `STRATEGIES`."""
    return cast(StrategyModule, import_module(STRATEGIES[name]))


def settle(
    trials: Sequence[Trial], read: Read
) -> Generator[Sequence[Trial], None, dict[str, Record]]:
    """Yield a round until all of it is over; return its records by id, in its order.

    A trial that failed is tried again at once, as often as it may be: what this round decides would
    otherwise change when a later command tries it again.
    """
    while True:
        yield trials
        records = read()
        if all(trial.id in records for trial in trials):
            return {trial.id: records[trial.id] for trial in trials}
