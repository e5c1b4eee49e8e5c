"""Rules by which multiplied widths, depths and resolutions become whole numbers again."""

import math
from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Le

RoundingRule = Literal["official", "nearest"]
Spread = Literal["uniform", "late"]
"""uniform: each stage's blocks are multiplied. late: as many blocks are added, all of them to the later
half of the stages, in proportion to their own (Tan & Le 2021, section 3.3)."""
FixedPart = Literal["stem", "head", "first_repeats", "last_repeats"]

SLACK = 1e-9
"""1 * 1.0000000002 must not become 2: multipliers come out of powers and logarithms."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rounding:
    """The rule by which multiplied sizes become whole numbers again.

    "official" is the rule of the field: widths go to the nearest multiple that loses no more than
    10 %, repeats as `repeats` says. "nearest" goes to the nearest in both, so that depth moves as
    finely as it can.
    """

    rule: RoundingRule = "nearest"
    width_divisor: Annotated[int, Ge(1)] = 8
    """Widths are multiples of it; in a bottleneck that narrows, its inner width is."""
    resolution_divisor: Annotated[int, Ge(1)] = 4
    """Resolutions, in pixels, are multiples of it."""
    repeats: Literal["ceil", "nearest"] = "ceil"
    """How the official rule rounds repeats: EfficientNet up, TinyNet to the nearest."""
    width_limit: Annotated[float, Ge(0), Le(1)] = 0.9
    """Smallest part of a width that the official rule may leave; EfficientNetV2 has no limit (0)."""
    fixed: tuple[FixedPart, ...] = ()
    """Parts of the network that never scale."""
    stages: Spread = "uniform"
    """How added blocks are spread over the stages."""
    head_minimum: Annotated[int, Ge(0)] = 0
    """Fewest channels of the head."""

    def round_width(self, width: float) -> int:
        """Return the number of channels nearest to `width` that the rule allows."""
        if self.rule == "official":
            return make_divisible(width, self.width_divisor, self.width_limit)
        return round_to_multiple(width, self.width_divisor)

    def round_repeats(self, repeats: float) -> int:
        """Return the number of blocks nearest to `repeats` that the rule allows, at least 1."""
        if self.rule == "official" and self.repeats == "ceil":
            return math.ceil(repeats - SLACK)
        return round_to_multiple(repeats, 1)

    def round_resolution(self, resolution: float) -> int:
        """Return the resolution in pixels nearest to `resolution` that the rule allows."""
        return round_to_multiple(resolution, self.resolution_divisor)


def make_divisible(width: float, divisor: int, limit: float = 0.9) -> int:
    """Return the multiple of `divisor` nearest to `width`, or the next if less than `limit` is left.

    Source: EfficientNet's `round_filters`; MobileNetV2's `make_divisible` is the same rule.
    """
    rounded = max(divisor, int(width + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < limit * width else rounded


def round_to_multiple(value: float, divisor: int) -> int:
    """Return the positive multiple of `divisor` nearest to `value`; halves go up."""
    return max(divisor, int(value / divisor + 0.5 + SLACK) * divisor)
