"""Find networks of equal counted compute that are nearest to the coefficients asked for.

Small networks move in coarse steps, so the sizes around each request are searched. Requests share
most of them, and each is counted once.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial

from scalectl.arch.architecture import Architecture
from scalectl.arch.cost import Cost
from scalectl.arch.factory import Baseline, Factory, at_resolution, cost_of
from scalectl.arch.rounding import Rounding
from scalectl.arch.scaling import Coefficients, Multipliers, Shares, bisect, repeat, scale


@dataclass(frozen=True, slots=True)
class Match:
    """A network that is a size of the baseline, with what was counted on it."""

    network: Baseline
    cost: Cost
    ratio: float
    """MACs over the baseline's."""
    shares: Shares | None
    """How the added MACs are divided, each dimension applied alone; None where none are added."""
    width: float
    """The square root of what widening alone multiplies MACs by."""


def assess(baseline: Baseline, network: Baseline) -> Match:
    """Count a network's cost, and how its added MACs divide into depth, width and resolution."""
    cost, macs = cost_of(network), cost_of(baseline).macs
    alone = (
        _mix(network, baseline, baseline.resolution),
        _mix(baseline, network, baseline.resolution),
        _mix(baseline, baseline, network.resolution),
    )
    doublings = [math.log2(cost_of(part).macs / macs) for part in alone]
    added = sum(doublings)
    shares = Shares(*(part / added for part in doublings)) if added > 0 else None
    return Match(network, cost, cost.macs / macs, shares, 2 ** (doublings[1] / 2))


def match(
    requests: Sequence[Coefficients],
    baseline: Baseline,
    rounding: Rounding,
    phi: float,
    ratio: float,
    max_deviation: float,
) -> list[Match]:
    """Find for each request the network nearest to `ratio` times the counted MACs and to its shares.

    A dimension that is not to grow stays exactly as it is. Networks more than `max_deviation`
    doublings beside the target come last, since they would be rejected.
    """
    start, target = replace(baseline, rounding=rounding), ratio * cost_of(baseline).macs

    def misfit(size: Match, wanted: Shares) -> float:
        deviation = abs(math.log2(size.ratio / ratio))
        rejected = 10 if deviation > max_deviation else 0
        return rejected + deviation + (size.shares.distance(wanted) if size.shares else 1)

    matches = []
    for request in requests:
        wanted = request.at(phi)
        sizes = (
            _find_size(deeper, resolution, wanted.width > 1, baseline, target)
            for deeper in _deepen(start, wanted.depth)
            for resolution in _list_resolutions(wanted.resolution, start)
        )
        matches.append(min(filter(None, sizes), key=partial(misfit, wanted=request.shares)))
    return matches


@lru_cache(maxsize=2**14)
def _find_size(
    deeper: Baseline, resolution: int, is_wider: bool, baseline: Baseline, target: float
) -> Match | None:
    """Find a size of this depth and resolution; None where it exceeds the target before it widens."""
    plain = at_resolution(deeper, resolution)
    size = _widen(plain, target) if is_wider else plain
    return assess(baseline, size) if size else None


@lru_cache(maxsize=2**12)
def _deepen(start: Baseline, depth: float) -> tuple[Baseline, ...]:
    """List depths around what is asked for: half to one and a half times the blocks that it adds."""
    depths = [depth ** (percent / 100) for percent in range(50, 155, 5)] if depth > 1 else [1.0]
    if isinstance(start, Factory):  # whose every size has to be built to be counted
        depths = [depth]
    return tuple(
        dict.fromkeys(scale(start, Multipliers(depth=multiplier)) for multiplier in depths)
    )


_STEPS_ASIDE = 3


def _list_resolutions(growth: float, start: Baseline) -> tuple[int, ...]:
    """List resolutions some steps to either side of what is asked for; the start's own at growth 1."""
    base, step = start.resolution, start.rounding.resolution_divisor
    if growth == 1:
        return (base,)
    middle = round(base * growth / step)
    around = (step * (middle + offset) for offset in range(-_STEPS_ASIDE, _STEPS_ASIDE + 1))
    return tuple(resolution for resolution in around if resolution >= base) or (base,)


def _widen(network: Baseline, target: float) -> Baseline | None:
    """Widen a network as near to the target's MACs as it gets; None where it exceeds them already."""
    macs = cost_of(network).macs
    if macs > target:
        return None

    def count(doublings: float) -> int:
        return cost_of(scale(network, Multipliers(width=2**doublings))).macs

    # MACs grow with the square of the width, but for rounding and for what does not widen.
    guess = math.log2(target / macs) / 2
    low, high = max(0.0, guess - 0.25), guess + 0.25
    while low > 0 and count(low) > target:
        low = max(0.0, low - 0.25)
    while count(high) < target:
        high += 0.25
    # Each size of a factory has to be built to be counted, and its steps are as wide.
    step = 2.0**-5 if isinstance(network, Factory) else 2.0**-11
    return scale(network, Multipliers(width=2 ** bisect(count, target, low, high, step)))


def _mix(depths: Baseline, widths: Baseline, resolution: int) -> Baseline:
    """Make a network with the depth of one size and the width of another."""
    if isinstance(depths, Architecture) and isinstance(widths, Architecture):
        stages = tuple(
            repeat(stage, other.repeats)
            for stage, other in zip(widths.stages, depths.stages, strict=True)
        )
        return replace(widths, stages=stages, resolution=resolution)
    assert isinstance(widths, Factory)
    return widths.rebuild(depth=depths.depth, resolution=resolution)
