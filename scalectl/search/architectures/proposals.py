"""Let samplers of Optuna propose architectures; Optuna stores and decides nothing else.

What is proposed is a function of the plan and of the records of earlier rounds alone, as every
strategy's rounds are: never of time, or of the order in which trials end. Where latency is the
objective, it is a function of the latencies in the run's file, too, none of which ever changes.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import optuna
from optuna.distributions import CategoricalDistribution
from optuna.samplers import BaseSampler, NSGAIISampler, RandomSampler, TPESampler
from optuna.trial import TrialState

from scalectl.search.architectures.config import ArchitectureConfig
from scalectl.search.architectures.plan import ArchitecturePlan, Weigh, make_trial, rate
from scalectl.search.strategies import Read, settle
from scalectl.trial import Record, Trial


def rounds(plan: ArchitecturePlan, read: Read, weigh: Weigh) -> Iterator[Sequence[Trial]]:
    """Yield the baseline, and then, sampler after sampler, one batch of new networks after another.

    A batch depends on its number and on earlier records, not on its size, so that a search goes on
    when more trials are asked for. It ends early where no new network can be proposed. Networks are
    weighed when their round is over, while nothing is trained.
    """
    records = yield from settle(plan.trials, read)
    _weigh_trained(plan.trials, records, weigh)
    for name in dict.fromkeys(plan.config.samplers):
        yield from _follow(name, plan, read, weigh)


def list_first(plan: ArchitecturePlan) -> list[Trial]:
    """List what is trained before any result is known: the baseline, and the start of every sampler."""
    count = min(plan.config.startup, plan.config.trials)
    known = {trial.id for trial in plan.trials}
    asked = _propose(_make_study("random", plan.config), plan, known, count, "random")
    return list(
        {trial.id: trial for trial in (*plan.trials, *(trial for _, trial in asked))}.values()
    )


def at_most(config: ArchitectureConfig) -> int:
    """Count the trials that a search may train: the random start of all samplers is one."""
    shared = min(config.startup, config.trials)
    return 1 + shared + len(set(config.samplers)) * (config.trials - shared)


_PATIENCE = 100
"""Known networks in a round after which there is no new one."""


def _follow(
    name: str, plan: ArchitecturePlan, read: Read, weigh: Weigh
) -> Iterator[Sequence[Trial]]:
    config, study = plan.config, _make_study(name, plan.config)
    known = {trial.id for trial in plan.trials}
    left, batch, control = config.trials, config.startup, "random"
    while left > 0:
        asked = _propose(study, plan, known, min(batch, left), control)
        fresh = {trial.id: trial for _, trial in asked if trial.id not in known}
        known |= fresh.keys()
        if not fresh:
            return
        yield from settle(list(fresh.values()), read)
        records = read()
        costs = _weigh_trained([trial for _, trial in asked], records, weigh)
        for proposal, trial in asked:
            values = _judge(records[trial.id], trial, plan, costs)
            study.tell(proposal, values, state=None if values else TrialState.FAIL)
        left, control = left - len(fresh), name
        batch = left if name == "random" else config.batch  # what is random waits for no result


def _propose(
    study: optuna.Study, plan: ArchitecturePlan, known: set[str], count: int, control: str
) -> list[tuple[optuna.trial.Trial, Trial]]:
    """Ask for networks until so many are new, or hardly any is."""
    space = {name: CategoricalDistribution(values) for name, values in plan.dimensions.items()}
    asked: list[tuple[optuna.trial.Trial, Trial]] = []
    fresh = set[str]()
    while len(fresh) < count and len(asked) < count + _PATIENCE:
        proposal = study.ask(space)
        trial = make_trial(plan, proposal.params, control)
        asked.append((proposal, trial))
        fresh |= {trial.id} - known
    return asked


def _make_study(name: str, config: ArchitectureConfig) -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    seeks_front = config.objective.kind == "pareto"
    directions = ["maximize", "minimize"] if seeks_front else ["maximize"]
    return optuna.create_study(directions=directions, sampler=_make_sampler(name, config))


def _make_sampler(name: str, config: ArchitectureConfig) -> BaseSampler:
    """Make a sampler; with equal seeds all of them draw the same networks until they know enough."""
    if name == "nsga2":
        return NSGAIISampler(seed=0, population_size=config.startup)
    if name == "tpe":
        # What is only proposed counts as bad (Ginsbourger et al. 2010), so that a batch is no point.
        return TPESampler(seed=0, n_startup_trials=config.startup, constant_liar=True)
    return RandomSampler(seed=0)


def _weigh_trained(
    trials: Iterable[Trial], records: Mapping[str, Record], weigh: Weigh
) -> Mapping[str, float]:
    """Weigh the networks whose training did not fail."""
    return weigh([trial.baseline for trial in trials if records[trial.id].top1 is not None])


def _judge(
    record: Record, trial: Trial, plan: ArchitecturePlan, costs: Mapping[str, float]
) -> list[float] | None:
    """Return what the sampler is told of a network; None where its training failed."""
    if record.top1 is None:
        return None
    cost = costs[trial.baseline.fingerprint]  # its own: another network may have the same proxy
    if plan.config.objective.kind == "pareto":
        return [record.top1, cost]
    return [rate(record.top1, cost, plan.config, plan.start)]
