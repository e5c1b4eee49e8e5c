"""Compound scaling: coefficients, multipliers, and the network they make (Tan & Le 2019, section 3)."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from scalectl.architecture import Architecture, Rounding, round_width
from scalectl.cost import measure
from scalectl.errors import ScalectlError


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


def scale(
    architecture: Architecture, multipliers: Multipliers, rounding: Rounding | None = None
) -> Architecture:
    """The network with repeats, widths and resolution multiplied and rounded.

    `rounding` defaults to the architecture's own. A multiplier of exactly 1 changes nothing.
    """
    rounding = rounding or architecture.rounding
    repeats = _rounder(multipliers.depth, lambda value: _round_repeats(value, rounding))
    width = _rounder(multipliers.width, lambda value: _round_width(value, rounding))
    resolution = _rounder(
        multipliers.resolution, lambda value: _round_nearest(value, rounding.resolution_divisor)
    )
    return replace(
        architecture,
        resolution=resolution(architecture.resolution),
        stem_width=width(architecture.stem_width),
        stages=tuple(
            replace(stage, repeats=repeats(stage.repeats), width=width(stage.width))
            for stage in architecture.stages
        ),
        head_width=width(architecture.head_width),
        rounding=rounding,
    )


def solve_phi(
    architecture: Architecture,
    coefficients: Coefficients,
    macs: float,
    rounding: Rounding | None = None,
) -> float:
    """The phi >= 0 whose network comes closest to `macs` multiply-adds, by ratio.

    Rounded networks grow in steps, each at least as costly as the one before, so the two steps
    around the target are found by bisection. Raises `ScalectlError` below the baseline's cost.
    """

    def cost(phi: float) -> int:
        return measure(scale(architecture, coefficients.at(phi), rounding)).macs

    low, high = 0.0, 1.0
    if macs < cost(low):
        raise ScalectlError(
            f"{architecture.name} already needs {cost(low):,} MACs at {architecture.resolution} px,"
            f" more than the {macs:,.0f} asked for.",
            "Ask for more, or start from a smaller baseline.",
        )
    while cost(high) < macs:
        low, high = high, 2 * high
    while high - low > _PHI_STEP:
        middle = (low + high) / 2
        low, high = (middle, high) if cost(middle) < macs else (low, middle)
    return min((high, low), key=lambda phi: abs(math.log(cost(phi) / macs)))


_PHI_STEP = 2.0**-10
# 1 * 1.0000000002 must not become 2: multipliers come out of powers and logarithms.
_SLACK = 1e-9


def _rounder(multiplier: float, rounded: Callable[[float], int]) -> Callable[[int], int]:
    if multiplier == 1:
        return lambda size: size
    return lambda size: rounded(size * multiplier)


def _round_repeats(repeats: float, rounding: Rounding) -> int:
    if rounding.rule == "official":
        return math.ceil(repeats - _SLACK)
    return _round_nearest(repeats, 1)


def _round_width(width: float, rounding: Rounding) -> int:
    if rounding.rule == "official":
        return round_width(width, rounding.width_divisor)
    return _round_nearest(width, rounding.width_divisor)


def _round_nearest(value: float, divisor: int) -> int:
    return max(divisor, math.floor(value / divisor + 0.5 + _SLACK) * divisor)
