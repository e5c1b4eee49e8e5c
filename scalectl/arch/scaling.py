"""Compound scaling: coefficients, multipliers, and the network they make (Tan & Le 2019, section 3)."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal, TypeVar

from scalectl.arch.architecture import Stage
from scalectl.arch.factory import Baseline, Factory
from scalectl.arch.rounding import SLACK, Rounding, round_to_multiple
from scalectl.errors import ScalectlError

B = TypeVar("B", bound=Baseline)
Quantity = Literal["macs", "params", "activations"]
PHI_LIMIT = 12.0
"""Beyond 12 doublings nothing was ever trained."""


@dataclass(frozen=True, slots=True)
class Multipliers:
    """What one size multiplies the baseline by."""

    depth: float = 1.0
    width: float = 1.0
    resolution: float = 1.0


@dataclass(frozen=True, slots=True)
class Shares:
    """How added compute is divided: a point of the triangle depth + width + resolution = 1."""

    depth: float
    width: float
    resolution: float

    def distance(self, other: "Shares") -> float:
        """Return the Euclidean distance to another point of the triangle."""
        # Not astuple, which would take most of an enumeration.
        return math.dist(
            (self.depth, self.width, self.resolution), (other.depth, other.width, other.resolution)
        )


@dataclass(frozen=True, slots=True)
class Coefficients:
    """Growth of depth, width and resolution per unit of phi (the paper's alpha, beta, gamma)."""

    alpha: float
    beta: float
    gamma: float

    def __post_init__(self) -> None:
        if not all(math.isfinite(c) and c >= 1 for c in (self.alpha, self.beta, self.gamma)):
            raise ScalectlError(
                f"The coefficients {self} are not usable.",
                "alpha, beta and gamma must each be a number of at least 1 (Tan & Le 2019, eq. 3).",
            )
        if self.growth == 1:
            raise ScalectlError(
                f"The coefficients {self} do not grow anything.",
                "At least one of alpha, beta and gamma must be above 1.",
            )

    def __str__(self) -> str:
        return f"({self.alpha:.4g}, {self.beta:.4g}, {self.gamma:.4g})"

    @property
    def growth(self) -> float:
        """Nominal growth of compute per unit of phi: alpha * beta^2 * gamma^2."""
        return self.alpha * self.beta**2 * self.gamma**2

    @property
    def shares(self) -> Shares:
        """Nominal shares of log-compute."""
        doublings = math.log2(self.growth)
        return Shares(
            math.log2(self.alpha) / doublings,
            2 * math.log2(self.beta) / doublings,
            2 * math.log2(self.gamma) / doublings,
        )

    @classmethod
    def from_shares(cls, shares: Shares) -> "Coefficients":
        """Make the coefficients that double compute per unit of phi in these shares."""
        return cls(2.0**shares.depth, 2.0 ** (shares.width / 2), 2.0 ** (shares.resolution / 2))

    def at(self, phi: float) -> Multipliers:
        """Return the multipliers of a size: alpha^phi, beta^phi and gamma^phi (equation 3)."""
        return Multipliers(self.alpha**phi, self.beta**phi, self.gamma**phi)


NAMED: dict[str, Coefficients] = {
    "depth": Coefficients.from_shares(Shares(1, 0, 0)),
    "width": Coefficients.from_shares(Shares(0, 1, 0)),
    "resolution": Coefficients.from_shares(Shares(0, 0, 1)),
    "dwr": Coefficients.from_shares(Shares(1 / 3, 1 / 3, 1 / 3)),
    # Fast scaling with a width share of .8: Dollar, Singh & Girshick 2021, section 5.
    "dWr": Coefficients.from_shares(Shares(0.1, 0.8, 0.1)),
    "paper": Coefficients(1.2, 1.1, 1.15),
}
"""Coefficients with a name; the first three scale a single dimension."""


def scale(architecture: B, multipliers: Multipliers, rounding: Rounding | None = None) -> B:
    """Multiply the repeats, widths and resolution of a network, and round them.

    `rounding` defaults to the architecture's own. A multiplier of exactly 1 changes nothing.
    """
    rounding = rounding or architecture.rounding
    resolution = multiply(
        architecture.resolution, multipliers.resolution, rounding.round_resolution
    )
    if isinstance(architecture, Factory):
        return architecture.rebuild(
            depth=architecture.depth * multipliers.depth,
            width=architecture.width * multipliers.width,
            resolution=resolution,
            rounding=rounding,
        )
    stem_width, head_width = architecture.stem_width, architecture.head_width
    if "stem" not in rounding.fixed:
        stem_width = multiply(stem_width, multipliers.width, rounding.round_width)
    if head_width and "head" not in rounding.fixed:
        head_width = multiply(head_width, multipliers.width, rounding.round_width)
        head_width = max(rounding.head_minimum, head_width)
    deeper = architecture.stages
    if multipliers.depth != 1:
        deeper = tuple(_deepen(architecture.stages, multipliers.depth, rounding))
    if rounding.stages == "late":
        deeper = _add_late(architecture.stages, deeper, rounding)
    return replace(
        architecture,
        resolution=resolution,
        stem_width=stem_width,
        stages=tuple(_widen(stage, multipliers.width, rounding) for stage in deeper),
        head_width=head_width,
        rounding=rounding,
    )


def _deepen(stages: Sequence[Stage], depth: float, rounding: Rounding) -> Iterator[Stage]:
    """Scale repeats. Joined stages share their scaled sum, the last stage first, as timm shares it."""
    groups: list[list[Stage]] = []
    for stage in stages:
        if stage.joined and groups:
            groups[-1].append(stage)
        else:
            groups.append([stage])
    for number, group in enumerate(groups):
        is_fixed = ("first_repeats" in rounding.fixed and number == 0) or (
            "last_repeats" in rounding.fixed and number == len(groups) - 1
        )
        left = sum(stage.repeats for stage in group)
        wanted = left if is_fixed else multiply(left, depth, rounding.round_repeats)
        shared: list[Stage] = []
        for stage in reversed(group):
            share = max(1, round(stage.repeats / left * wanted))
            shared.insert(0, repeat(stage, share))
            left, wanted = left - stage.repeats, wanted - share
        yield from shared


@lru_cache(maxsize=2**16)  # sizes of one baseline share most of their stages
def repeat(stage: Stage, repeats: int) -> Stage:
    return replace(stage, repeats=repeats)


def _add_late(
    stages: tuple[Stage, ...], deeper: tuple[Stage, ...], rounding: Rounding
) -> tuple[Stage, ...]:
    """Give all blocks that `deeper` adds to the later half of the stages, in proportion to their own.

    One after the other, so that no stage ever loses a block when more are added.
    """
    first, last = (len(stages) + 1) // 2, len(stages) - ("last_repeats" in rounding.fixed)
    added = sum(new.repeats - old.repeats for new, old in zip(deeper, stages, strict=True))
    if added <= 0 or first >= last:
        return deeper
    given = dict.fromkeys(range(first, last), 0)
    for _ in range(added):  # d'Hondt's highest averages
        place = max(given, key=lambda place: (stages[place].repeats / (given[place] + 1), place))
        given[place] += 1
    return tuple(
        repeat(stage, stage.repeats + given.get(place, 0)) for place, stage in enumerate(stages)
    )


@lru_cache(maxsize=2**16)
def _widen(stage: Stage, multiplier: float, rounding: Rounding) -> Stage:
    """Scale widths. Groups widen too (Dollar et al. 2021, section 4.2), and inner widths hold them."""
    is_narrow = stage.block == "bottleneck" and stage.expansion < 1
    inner = round(stage.width * stage.expansion) if is_narrow else stage.width
    group = stage.group_width
    if group:
        group = multiply(group, multiplier, rounding.round_width)
        inner = multiply(inner, multiplier, lambda width: round_to_multiple(width, group))
    else:
        inner = multiply(inner, multiplier, rounding.round_width)
    expanded = stage.expanded_width
    return replace(
        stage,
        width=round(inner / stage.expansion) if is_narrow else inner,
        group_width=group,
        expanded_width=multiply(expanded, multiplier, rounding.round_width) if expanded else 0,
    )


def cap(multipliers: Multipliers, coefficients: Coefficients, resolution: float) -> Multipliers:
    """Hold the resolution's multiplier to a limit, with nominal compute unchanged.

    Depth and width take over what the limit leaves, in proportion to their shares. Raises
    `ScalectlError` for coefficients that grow neither.
    """
    if multipliers.resolution <= resolution:
        return multipliers
    shares = coefficients.shares
    rest = shares.depth + shares.width
    if rest < SLACK:
        raise ScalectlError(
            f"The coefficients {coefficients} grow the resolution alone, which is limited.",
            "Raise --max-resolution, or give coefficients that grow depth or width too.",
        )
    doublings = 2 * math.log2(multipliers.resolution / resolution)
    return Multipliers(
        multipliers.depth * 2 ** (doublings * shares.depth / rest),
        multipliers.width * 2 ** (doublings * shares.width / rest / 2),
        resolution,
    )


def bisect(
    cost: Callable[[float], int], target: float, low: float, high: float, step: float
) -> float:
    """Find the x in [low, high] whose cost is nearest to `target` by ratio, to within `step`.

    `cost` is a step function that never falls.
    """
    low, high = bracket(cost, target, low, high, step)
    return high if math.log(cost(high) / target) <= math.log(target / cost(low)) else low


def bracket(
    cost: Callable[[float], int], target: float, low: float, high: float, step: float
) -> tuple[float, float]:
    """Two x in [low, high], at most `step` apart, between whose costs `target` lies.

    `cost` is a step function that never falls; the lower x costs `target` at most.
    """
    smallest, largest = cost(low), cost(high)
    while high - low > step and smallest < largest:
        middle = (low + high) / 2
        between = cost(middle)
        if between <= target:
            low, smallest = middle, between
        else:
            high, largest = middle, between
    return low, high


def multiply(size: int, multiplier: float, round_size: Callable[[float], int]) -> int:
    """A multiplier of 1 leaves a size as it is, rounded or not."""
    return size if multiplier == 1 else round_size(size * multiplier)
