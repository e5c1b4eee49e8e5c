"""What a search of architectures is asked for, as a file describes it."""

from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal

from annotated_types import Ge, Le, MinLen

from scalectl.arch.space import Space
from scalectl.executors import Resources
from scalectl.search.config import Proxy, Watch

Sampler = Literal["tpe", "nsga2", "random"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    """What makes a network good: accuracy * (cost / target)^exponent (Tan et al. 2019, equation 2)."""

    macs: Annotated[float, Ge(0)] = 0.0
    """The target, for the network at full size; 0 means the baseline's own MACs."""
    latency: Annotated[float, Ge(0)] = 0.0
    """The target in seconds for one image at full size, where measured latency takes the place of MACs; 0
    means that MACs are counted."""
    latency_on: Literal["", "cpu", "cuda"] = ""
    """Where latency is measured, by the command that proposes; empty: the device that it trains on."""
    exponent: Annotated[float, Ge(-10), Le(0)] = -0.07
    """What it costs to be beyond the target: -0.07 takes 5 % of the accuracy for twice the target's."""
    kind: Literal["product", "pareto"] = "product"
    """What samplers are told: the product; or accuracy and cost, of which they seek the front."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchitectureConfig:
    """A search of architectures, as a file describes it."""

    FILE: ClassVar[str] = "nas.toml"
    baseline: str = "efficientnet_b0"
    """Where the search starts: a name from `scalectl baselines`, or a file of stages."""
    trials: Annotated[int, Ge(1), Le(100_000)] = 200
    """Networks that each sampler trains, beside the baseline; each once, with the same seed."""
    samplers: Annotated[tuple[Sampler, ...], MinLen(1)] = ("tpe",)
    """Those of Optuna's that propose networks, one after the other."""
    startup: Annotated[int, Ge(2), Le(1000)] = 20
    """The first networks of every sampler, drawn at random, the same for all; and NSGA-II's population."""
    batch: Annotated[int, Ge(1), Le(1000)] = 4
    """Networks proposed at once after those, by what is known by then."""
    planned_for: Annotated[float, Ge(0)] = 0.0
    """Seconds of the --time-budget that `trials` were chosen for; 0 for none."""
    confirm_seeds: Annotated[int, Ge(0), Le(1000)] = 8
    """Fresh seeds on which the winner is compared with the baseline and the best random network."""
    objective: Objective = field(default_factory=Objective)
    space: Space = field(default_factory=Space)
    proxy: Proxy = field(default_factory=Proxy)
    watch: Watch = field(default_factory=Watch)
    resources: Resources = field(default_factory=Resources)
