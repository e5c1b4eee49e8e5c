"""Let a sampler of Optuna propose points of the triangle; Optuna stores and decides nothing else."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from warnings import catch_warnings, simplefilter

import optuna
from optuna.distributions import FloatDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, GPSampler, RandomSampler, TPESampler

from scalectl.arch.scaling import Coefficients, Shares
from scalectl.search.candidates import Rejected, make_candidate
from scalectl.search.plan import Plan
from scalectl.search.strategies import Read, settle
from scalectl.trial import Candidate, Record, Trial, average_scores


def rounds(plan: Plan, read: Read) -> Iterator[Sequence[Trial]]:
    """Yield the controls, and then one batch of new networks after another, with all seeds each.

    It ends early where no new network can be proposed. A batch depends on its number and on earlier
    records, not on its size, so that a search goes on when more points are asked for.
    """
    strategy, first = plan.config.strategy, plan.trials[0]
    records = yield from settle(plan.trials, read)
    for number, done in enumerate(range(0, strategy.points, strategy.batch), 1):
        size = min(strategy.batch, strategy.points - done)
        proposed = _propose(plan, records, plan.config.first_seed + number, size)
        if not proposed:
            return
        trials = [
            replace(first, candidate=candidate, seed=seed)
            for seed in plan.config.list_seeds(plan.config.seeds)
            for candidate in proposed
        ]
        records |= yield from settle(trials, read)


def at_most(plan: Plan) -> Sequence[Trial]:
    """List the trials; the costliest control stands for each network that is not known yet."""
    costliest = max(plan.trials, key=lambda trial: trial.candidate.cost.macs)
    unknown = plan.config.strategy.points * plan.config.seeds
    return [*plan.trials, *[costliest] * unknown]


_SPACE = {"depth": FloatDistribution(0, 1), "width": FloatDistribution(0, 1)}
"""The share of depth, and width's part of the rest: samplers want the triangle as a square."""
_STARTUP = 4
"""Number of networks below which points are random."""
_PATIENCE = 10
"""Points without a new network after which they are random."""
_LIMIT = 100
"""Points without a new network after which there is none."""


def _propose(
    plan: Plan, records: Mapping[str, Record], number: int, size: int
) -> Sequence[Candidate]:
    """Propose new networks where the sampler expects the most, or knows the least.

    What is only proposed counts as the worst there is (a constant liar, Ginsbourger et al. 2010), so
    that a batch is not one point; a point that is a known network after rounding has its score.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    sampler, dice = _make_sampler(plan.config.strategy.sampler, number), RandomSampler(seed=number)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    trained = (record.trial.candidate for record in records.values())
    known = {candidate.fingerprint: candidate for candidate in trained}
    means = average_scores(records.values())
    for network, mean in means.items():
        if (shares := known[network].shares) is not None:
            study.add_trial(
                optuna.create_trial(
                    params=_to_params(shares), distributions=dict(_SPACE), value=mean
                )
            )
    small, worst = plan.enumeration.candidates[0].architecture, min(means.values(), default=0.0)
    proposed: dict[str, Candidate] = {}
    misses = 0
    while len(proposed) < size and misses < _LIMIT:
        study.sampler = sampler if misses < _PATIENCE else dice
        trial = study.ask(_SPACE)
        coefficients = _to_coefficients(trial.params)
        candidate = make_candidate(coefficients, "", plan.config.design, small, plan.native)
        network = "" if isinstance(candidate, Rejected) else candidate.fingerprint
        study.tell(trial, means.get(network, worst))
        misses += 1
        if not isinstance(candidate, Rejected) and network not in {**known, **proposed}:
            proposed[network] = candidate
            misses = 0
    return list(proposed.values())


def _make_sampler(name: str, number: int) -> BaseSampler:
    with catch_warnings():
        simplefilter("ignore", ExperimentalWarning)  # GPSampler was one before Optuna 5
        if name == "gp":
            return GPSampler(seed=number, n_startup_trials=_STARTUP)
        return TPESampler(seed=number, n_startup_trials=_STARTUP)


def _to_params(shares: Shares) -> dict[str, float]:
    rest = shares.width + shares.resolution
    part = shares.width / rest if rest > 0 else 0.5
    return {"depth": min(1.0, max(0.0, shares.depth)), "width": min(1.0, max(0.0, part))}


def _to_coefficients(params: Mapping[str, float]) -> Coefficients:
    """Round to steps far below what a network can follow: no last bit of a sampler matters."""
    depth = round(params["depth"], 3)
    width = round(params["width"] * (1 - depth), 3)
    return Coefficients.from_shares(Shares(depth, width, max(0.0, round(1 - depth - width, 3))))
