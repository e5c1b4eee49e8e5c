"""What is trained after a choice, to see whether it holds (METHOD, section 4, items 7 and 8)."""

from collections.abc import Sequence
from dataclasses import replace

from scalectl.grid import FRESH, Rejected, realise, spread
from scalectl.scaling import NAMED, Coefficients
from scalectl.search import Plan, make_block
from scalectl.trial import Candidate, Trial

_CONTROLS = ("dwr", "paper", "depth", "width", "resolution")


def confirm(plan: Plan, chosen: Coefficients) -> tuple[tuple[Trial, ...], tuple[Rejected, ...]]:
    """The choice, dwr, paper and the three corners at each size asked for, on fresh seeds.

    The second are those that cannot be realised at a size. Both are empty where no seeds are asked for.
    """
    wanted, like = plan.grid.confirm, replace(plan.trials[0], stage="confirm")
    trials: list[Trial] = []
    rejected: list[Rejected] = []
    for phi in wanted.phis if wanted.seeds else ():
        found = [
            realise(one, control, plan.grid.design, plan.baseline, plan.native, phi)
            for one, control in _name(chosen).items()
        ]
        rejected += [one for one in found if isinstance(one, Rejected)]
        networks: dict[str, Candidate] = {}
        for one in found:
            if isinstance(one, Candidate):
                networks.setdefault(one.fingerprint, one)
        for seed in range(FRESH, FRESH + wanted.seeds):
            trials += make_block(like, tuple(networks.values()), seed)
    return tuple(trials), tuple(rejected)


def _name(chosen: Coefficients) -> dict[Coefficients, str]:
    """The choice first, so that a control that is the same network does not take its place."""
    controls = {NAMED[name]: name for name in _CONTROLS}
    return {chosen: controls.get(chosen, "")} | controls


def train_longer(plan: Plan, candidates: Sequence[Candidate]) -> tuple[Trial, ...]:
    """Some of the trained candidates, spread over the triangle, with the search's seeds and more epochs."""
    wanted, like = plan.grid.fidelity, plan.trials[0]
    recipe = replace(like.recipe, epochs=like.recipe.epochs * wanted.factor)
    like = replace(like, recipe=recipe, stage="fidelity")
    chosen = tuple(spread(candidates, wanted.points))
    return tuple(trial for seed in range(wanted.seeds) for trial in make_block(like, chosen, seed))


def expect(plan: Plan, chosen: Coefficients = NAMED["dwr"]) -> list[Trial]:
    """What will follow the search, as far as it can be known before: dwr stands for the choice."""
    trials, _ = confirm(plan, chosen)
    return [*trials, *train_longer(plan, plan.enumeration.candidates[1:])]
