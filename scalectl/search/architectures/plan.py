"""Lay out a search of architectures: where it starts, what may be chosen, what makes a network good."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from scalectl.arch.architecture import Architecture
from scalectl.arch.factory import Baseline, Factory, cost_of
from scalectl.arch.scaling import NAMED, Multipliers
from scalectl.arch.space import build_architecture, list_dimensions
from scalectl.data import open_dataset
from scalectl.errors import ScalectlError
from scalectl.search.architectures.config import ArchitectureConfig
from scalectl.search.candidates import shrink
from scalectl.search.plan import check_data, limits
from scalectl.trial import Candidate, DataCard, Trial


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchitecturePlan:
    """Where a search of architectures starts; results decide the rest."""

    config: ArchitectureConfig
    start: Architecture
    """The baseline, at full size."""
    dimensions: Mapping[str, tuple[Any, ...]]
    """Dimension of the space -> its choices."""
    trials: tuple[Trial, ...]
    """The baseline's training alone."""

    may_grow: ClassVar[bool] = True
    """Whether results add further trials."""

    @property
    def searched(self) -> tuple[Any, ...]:
        """What makes this another search than others; more trials or samplers do not."""
        return (
            self.start.fingerprint,
            asdict(self.config.proxy.recipe),
            self.trials[0].data.digests,
            self.dimensions,
            asdict(self.config.objective),
        )


def make_architecture_plan(config: ArchitectureConfig, baseline: Baseline) -> ArchitecturePlan:
    """Open the data, and lay out the search.

    Raises `ScalectlError` for unusable data, and for a baseline that has no such stages.
    """
    if isinstance(baseline, Factory):
        raise ScalectlError(
            f"{baseline.target} is a factory, whose stages scalectl does not know.",
            "Choose a baseline of stages: scalectl baselines lists some.",
        )
    card = open_dataset(config.proxy.data, limits(config.proxy)).card
    check_data(config.proxy, card)
    return ArchitecturePlan(
        config=config,
        start=baseline,
        dimensions=list_dimensions(config.space, baseline),
        trials=(_make_trial(config, baseline, baseline, card, "start"),),
    )


def make_trial(plan: ArchitecturePlan, choices: Mapping[str, Any], control: str) -> Trial:
    """Make the trial of a network of the space; `control` says who proposed it."""
    network = build_architecture(plan.start, choices)
    return _make_trial(plan.config, plan.start, network, plan.trials[0].data, control)


def _make_trial(
    config: ArchitectureConfig,
    start: Architecture,
    network: Architecture,
    card: DataCard,
    control: str,
) -> Trial:
    """Make a trial: at full size the network is the trial's baseline, and its proxy is trained."""
    small = shrink(network, config.proxy, card.classes)
    ratio = cost_of(network).macs / cost_of(start).macs
    candidate = Candidate(
        control=control,
        coefficients=NAMED["dwr"],
        multipliers=Multipliers(),
        shares=None,
        nominal_ratio=ratio,
        realised_ratio=ratio,
        architecture=small,
        cost=cost_of(small),
        phi=0.0,
    )
    return Trial(
        baseline=network,
        candidate=candidate,
        recipe=config.proxy.recipe,
        data=card,
        seed=0,
        purpose="nas",
    )


def is_start(trial: Trial) -> bool:
    """Whether a trial is that of the baseline, from which a search of architectures starts."""
    return trial.purpose == "nas" and trial.candidate.control == "start"


Weigh = Callable[[Sequence[Baseline]], Mapping[str, float]]
"""Return what networks cost at full size, by fingerprint: their MACs, or seconds that were measured."""


def count_macs(networks: Iterable[Baseline]) -> Mapping[str, float]:
    """Count the MACs of networks, by fingerprint."""
    return {network.fingerprint: cost_of(network).macs for network in networks}


def rate(top1: float, cost: float, config: ArchitectureConfig, start: Architecture) -> float:
    """Return accuracy * (cost / target)^exponent (Tan et al. 2019, equation 2).

    The cost is in MACs, or in seconds where the objective is latency.
    """
    objective = config.objective
    target = objective.latency or objective.macs or cost_of(start).macs
    return top1 * float((cost / target) ** objective.exponent)
