"""Compound scaling: coefficients, multipliers, and the network they make (Tan & Le 2019, section 3)."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, overload

from scalectl.architecture import (
    Architecture,
    Rounding,
    Stage,
    at_least,
    is_absent,
    round_half_even,
    round_width,
    truncate,
)
from scalectl.cost import measure
from scalectl.errors import ScalectlError
from scalectl.factory import Baseline, Factory, resize

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
        """Between the points."""
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
    def from_shares(cls, shares: Shares, growth: float = 2.0) -> "Coefficients":
        """The coefficients of that growth which divide it so."""
        return cls(
            growth**shares.depth, growth ** (shares.width / 2), growth ** (shares.resolution / 2)
        )

    def at(self, phi: float) -> Multipliers:
        """D = alpha^phi, w = beta^phi, r = gamma^phi (equation 3)."""
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


@overload
def scale(
    architecture: Architecture, multipliers: Multipliers, rounding: Rounding | None = None
) -> Architecture: ...
@overload
def scale(
    architecture: Factory, multipliers: Multipliers, rounding: Rounding | None = None
) -> Factory: ...
def scale(
    architecture: Baseline, multipliers: Multipliers, rounding: Rounding | None = None
) -> Baseline:
    """The network with repeats, widths and resolution multiplied and rounded.

    `rounding` defaults to the architecture's own. A multiplier of exactly 1 changes nothing.
    """
    rounding = rounding or architecture.rounding
    resolution = _multiply(
        architecture.resolution,
        multipliers.resolution,
        lambda value: _round_nearest(value, rounding.resolution_divisor),
    )
    if isinstance(architecture, Factory):
        return resize(
            architecture,
            depth=architecture.depth * multipliers.depth,
            width=architecture.width * multipliers.width,
            resolution=resolution,
            rounding=rounding,
        )

    def width(size: int) -> int:
        return _multiply(size, multipliers.width, lambda value: _round_width(value, rounding))

    keeps_head = "head" in rounding.fixed or is_absent(architecture.head_width)
    return replace(
        architecture,
        resolution=resolution,
        stem_width=architecture.stem_width
        if "stem" in rounding.fixed
        else width(architecture.stem_width),
        stages=tuple(
            _widen(stage, multipliers.width, rounding)
            for stage in _deepen(architecture.stages, multipliers.depth, rounding)
        ),
        head_width=architecture.head_width
        if keeps_head
        else at_least(rounding.head_minimum, width(architecture.head_width)),
        rounding=rounding,
    )


def _deepen(stages: Sequence[Stage], depth: float, rounding: Rounding) -> Iterator[Stage]:
    """Joined stages share the scaled sum of their repeats, the last one first, as timm shares it."""
    groups: list[list[Stage]] = []
    for stage in stages:
        if stage.joined and groups:
            groups[-1].append(stage)
        else:
            groups.append([stage])
    for number, group in enumerate(groups):
        keep = ("first_repeats" in rounding.fixed and number == 0) or (
            "last_repeats" in rounding.fixed and number == len(groups) - 1
        )
        left = sum(stage.repeats for stage in group)
        wanted = left
        if not keep:
            wanted = _multiply(left, depth, lambda value: _round_repeats(value, rounding))
        shared: list[Stage] = []
        for stage in reversed(group):
            share = at_least(1, round_half_even(stage.repeats / left * wanted))
            shared.insert(0, replace(stage, repeats=share))
            left, wanted = left - stage.repeats, wanted - share
        yield from shared


def _widen(stage: Stage, width: float, rounding: Rounding) -> Stage:
    """Groups widen with the network (Dollar et al. 2021, section 4.2), and inner widths hold them."""

    def rounded(size: int) -> int:
        return _multiply(size, width, lambda value: _round_width(value, rounding))

    narrow = stage.block == "bottleneck" and stage.expansion < 1
    inner = round_half_even(stage.width * stage.expansion) if narrow else stage.width
    group = 0
    if is_absent(stage.group_width):
        inner = rounded(inner)
    else:
        group = rounded(stage.group_width)
        inner = _multiply(inner, width, lambda value: _round_nearest(value, group))
    return replace(
        stage,
        width=round_half_even(inner / stage.expansion) if narrow else inner,
        group_width=group,
        expanded_width=0 if is_absent(stage.expanded_width) else rounded(stage.expanded_width),
    )


def cap(multipliers: Multipliers, coefficients: Coefficients, resolution: float) -> Multipliers:
    """Multipliers with that of the resolution held to a limit, and nominal compute unchanged.

    Depth and width take over what the limit leaves, in proportion to their shares. Raises
    `ScalectlError` for coefficients that grow neither.
    """
    if multipliers.resolution <= resolution:
        return multipliers
    shares = coefficients.shares
    rest = shares.depth + shares.width
    if rest < _SLACK:
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


def solve_phi(
    network_at: Callable[[float], Baseline],
    target: float,
    quantity: Quantity = "macs",
    low: float = 0.0,
    high: float = PHI_LIMIT,
    step: float = 2.0**-10,
) -> float:
    """The phi in [low, high] whose network comes closest to `target`, by ratio.

    Rounded networks grow in steps, each at least as costly as the one before, so the two steps
    around the target are found by bisection, to within `step`. Raises `ScalectlError`, with the
    nearest sizes that there are, for targets outside.
    """

    def cost(phi: float) -> int:
        value: int = getattr(measure(network_at(phi)), quantity)
        return value

    smallest, largest = cost(low), cost(high)
    if not smallest <= target <= largest:
        raise ScalectlError(
            f"No size has {target:,.0f} {quantity}: the smallest has {smallest:,} at phi = "
            f"{low:g}, the largest {largest:,} at phi = {high:g}.",
            "Ask for something between, or choose other coefficients or another baseline.",
        )
    (phi,) = bisect(lambda _, phis: list(map(cost, phis)), target, [low], [high], step)
    return phi


def bisect(
    count: Callable[[Sequence[int], Sequence[float]], list[int]],
    target: float,
    low: Sequence[float],
    high: Sequence[float],
    step: float,
) -> list[float]:
    """Where each of several networks comes closest to `target`, between its `low` and its `high`.

    They are searched in step: `count` gives the costs of networks, by their numbers, each at its own
    place. Raises as `count` does.
    """
    low, high, every = [*low], [*high], range(len(low))
    smallest, largest = count(every, low), count(every, high)

    def is_open(number: int) -> bool:
        return high[number] - low[number] > step and smallest[number] < largest[number]

    while between := list(filter(is_open, every)):
        middles = [(low[number] + high[number]) / 2 for number in between]
        for number, middle, cost in zip(between, middles, count(between, middles), strict=True):
            if cost < target:
                low[number], smallest[number] = middle, cost
            else:
                high[number], largest[number] = middle, cost
    ends = zip(low, high, smallest, largest, strict=True)
    return [
        upper if math.log(over / target) <= math.log(target / under) else lower
        for lower, upper, under, over in ends
    ]


# 1 * 1.0000000002 must not become 2: multipliers come out of powers and logarithms.
_SLACK = 1e-9


def _multiply(size: int, multiplier: float, rounded: Callable[[float], int]) -> int:
    """A multiplier of 1 leaves a size as it is, rounded or not."""
    made = rounded(size * multiplier)
    return made + (size - made) * (multiplier == 1)


def _round_repeats(repeats: float, rounding: Rounding) -> int:
    if rounding.rule == "official" and rounding.repeats == "ceil":
        value = repeats - _SLACK
        return truncate(value) + (truncate(value) < value)
    return _round_nearest(repeats, 1)


def _round_width(width: float, rounding: Rounding) -> int:
    if rounding.rule == "official":
        return round_width(width, rounding.width_divisor, rounding.width_limit)
    return _round_nearest(width, rounding.width_divisor)


def _round_nearest(value: float, divisor: int) -> int:
    return at_least(divisor, truncate(value / divisor + 0.5 + _SLACK) * divisor)
