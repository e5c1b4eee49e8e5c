"""Plan the trials that show whether a choice holds: on fresh seeds and test images, and longer."""

from collections.abc import Sequence
from dataclasses import replace

from scalectl.analysis.confirmation import detectable
from scalectl.analysis.evidence import list_trained
from scalectl.analysis.response import measure_noise, observe
from scalectl.arch.rounding import Spread
from scalectl.arch.scaling import NAMED, Coefficients
from scalectl.search.candidates import Rejected, make_candidate, spread
from scalectl.search.config import FRESH, Design
from scalectl.search.plan import Plan, make_block
from scalectl.search.results import Results, find_reference
from scalectl.trial import Candidate, Trial


def follow_up(plan: Plan, results: Results) -> tuple[tuple[Trial, ...], tuple[Rejected, ...]]:
    """Plan what the grid file asks for after a choice; return also networks without such a size."""
    trials, rejected = confirm(plan, *find_reference(plan.config, results.selection))
    trained = [summary.candidate for summary in results.summaries if summary.candidate.shares]
    return (*trials, *train_longer(plan, trained)), rejected


def find_detectable(plan: Plan, results: Results) -> float | None:
    """Find the difference in top-1 that the planned confirmation finds with a power of 80 %.

    By the noise of the search's trainings; None below two seeds of either.
    """
    sd = measure_noise(observe(list_trained(results.searched), "top1")).sd
    if sd is None or plan.config.confirm.seeds < 2:
        return None
    return detectable(sd, 1 + len(_CONTROLS), plan.config.confirm.seeds)


_CONTROLS = ("dwr", "paper", "depth", "width", "resolution")


def confirm(
    plan: Plan, chosen: Coefficients, stages: Spread = "uniform"
) -> tuple[tuple[Trial, ...], tuple[Rejected, ...]]:
    """Plan the confirmation: the choice and its controls on fresh seeds, at each size asked for.

    Networks that cannot be realised at a size are returned as the second. Both are empty where the
    grid file asks for no seeds.
    """
    wanted, like = plan.config.confirm, replace(plan.trials[0], purpose="confirm")
    trials: list[Trial] = []
    rejected: list[Rejected] = []
    for phi in wanted.phis if wanted.seeds else ():
        networks: dict[str, Candidate] = {}
        for (coefficients, where), control in _name(chosen, stages, plan.config.design).items():
            candidate = make_candidate(
                coefficients, control, plan.config.design, plan.baseline, plan.native, phi, where
            )
            if isinstance(candidate, Rejected):
                rejected.append(candidate)
            else:
                networks.setdefault(candidate.fingerprint, candidate)
        for seed in plan.config.list_seeds(wanted.seeds):
            trials += make_block(like, tuple(networks.values()), FRESH + seed)
    return tuple(trials), tuple(rejected)


def _name(
    chosen: Coefficients, stages: Spread, design: Design
) -> dict[tuple[Coefficients, Spread], str]:
    """Name what is confirmed; the choice first, before a control that is the same network.

    The choice's coefficients with every other spread of blocks are controls too.
    """
    others = {(chosen, other): other for other in design.stages if other != stages}
    controls = {(NAMED[name], design.stages[0]): name for name in _CONTROLS}
    return {(chosen, stages): controls.get((chosen, stages), "")} | others | controls


def train_longer(plan: Plan, candidates: Sequence[Candidate]) -> tuple[Trial, ...]:
    """Plan longer trainings of some trained candidates, spread over the triangle."""
    wanted, like = plan.config.fidelity, plan.trials[0]
    recipe = replace(like.recipe, epochs=like.recipe.epochs * wanted.factor)
    like = replace(like, recipe=recipe, purpose="fidelity")
    chosen = tuple(spread(candidates, wanted.points))
    seeds = plan.config.list_seeds(wanted.seeds)
    return tuple(trial for seed in seeds for trial in make_block(like, chosen, seed))


def expect(plan: Plan) -> list[Trial]:
    """Predict the trials that will follow the search; dwr stands for the choice."""
    trials, _ = confirm(plan, NAMED["dwr"], plan.config.design.stages[0])
    return [*trials, *train_longer(plan, plan.enumeration.candidates[1:])]
