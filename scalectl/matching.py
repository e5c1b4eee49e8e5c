"""Networks of equal realised compute, as near as they come to what is asked for: many requests at once.

Small networks move in coarse steps, so the neighbourhood of each request is searched. Requests share
most of it, and all of it is counted together (`cost.measure_all`).
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from itertools import chain
from typing import Any

from scalectl.architecture import Architecture, Rounding, stack
from scalectl.cost import Cost, measure, measure_all
from scalectl.factory import Baseline, Factory, resize
from scalectl.scaling import Coefficients, Multipliers, Shares, bisect, scale


@dataclass(frozen=True, slots=True)
class Fit:
    """A network as a size of the baseline, counted."""

    network: Baseline
    cost: Cost
    ratio: float
    """MACs over the baseline's."""
    shares: Shares | None
    """How the added MACs are divided, each dimension applied alone."""
    width: float
    """The square root of what widening alone multiplies MACs by."""


def assess(baseline: Baseline, networks: Sequence[Baseline]) -> list[Fit]:
    """Sizes of the baseline, as such."""
    macs, base = measure(baseline).macs, baseline.resolution
    costs = measure_all(networks)
    parts = zip(
        measure_all([_mix(one, baseline, base) for one in networks]),
        measure_all([_mix(baseline, one, base) for one in networks]),
        measure_all([_mix(baseline, baseline, one.resolution) for one in networks]),
        strict=True,
    )
    fits = []
    for network, cost, alone in zip(networks, costs, parts, strict=True):
        doublings = [math.log2(part.macs / macs) for part in alone]
        added = sum(doublings)
        shares = Shares(*(part / added for part in doublings)) if added > 0 else None
        fits.append(Fit(network, cost, cost.macs / macs, shares, 2 ** (doublings[1] / 2)))
    return fits


def match(
    requests: Sequence[Coefficients],
    baseline: Baseline,
    rounding: Rounding,
    phi: float,
    ratio: float,
    max_deviation: float,
) -> list[Fit]:
    """For each request the network nearest to both: `ratio` times the counted MACs, and its shares.

    A dimension that is not to grow stays exactly as it is. More than `max_deviation` doublings beside
    the target nothing else counts: such a candidate would be rejected.
    """
    sizes = _Neighbourhood(baseline, rounding, ratio)
    options = [sizes.list_around(one.at(phi)) for one in requests]
    fits = sizes.fit(chain(*options))

    def misfit(fit: Fit, wanted: Shares) -> float:
        off = abs(math.log2(fit.ratio / ratio))
        rejected = (off > max_deviation) * 10
        return rejected + off + (fit.shares.distance(wanted) if fit.shares else 1)

    found = []
    for one, around in zip(requests, options, strict=True):
        known = (fit for place in around if (fit := fits[place]))
        found.append(min(known, key=partial(misfit, wanted=one.shares)))
    return found


_Place = tuple[int, int, bool]
"""Number of a depth, resolution, and whether the width makes up for the rest."""


@lru_cache(maxsize=16)  # Optuna asks for one candidate after another
class _Neighbourhood:
    """Sizes of a baseline with `ratio` times its MACs, each counted once."""

    def __init__(self, baseline: Baseline, rounding: Rounding, ratio: float) -> None:
        self._baseline = baseline
        self._start = replace(baseline, rounding=rounding)
        self._target = ratio * measure(baseline).macs
        self._deeper: dict[Baseline, int] = {}
        self._at_depth: dict[float, tuple[int, ...]] = {}
        self._fits: dict[_Place, Fit | None] = {}

    def list_around(self, asked: Multipliers) -> list[_Place]:
        """The sizes that come into question."""
        resolutions = _resolutions(
            asked.resolution, self._baseline.resolution, self._start.rounding
        )
        if asked.depth not in self._at_depth:
            self._at_depth[asked.depth] = self._deepen(asked.depth)
        return [
            (number, resolution, asked.width > 1)
            for number in self._at_depth[asked.depth]
            for resolution in resolutions
        ]

    def fit(self, places: Iterable[_Place]) -> Mapping[_Place, Fit | None]:
        """With the width that comes closest to the target; None where it is exceeded without."""
        new = [place for place in dict.fromkeys(places) if place not in self._fits]
        deeper = list(self._deeper)
        plain = {place: _mix(deeper[place[0]], deeper[place[0]], place[1]) for place in new}
        macs = {
            place: cost.macs
            for place, cost in zip(new, measure_all([*plain.values()]), strict=True)
        }
        wide = [place for place in new if place[2] and macs[place] <= self._target]
        doublings = self._solve([plain[place] for place in wide], [macs[place] for place in wide])
        networks = {place: one for place, one in plain.items() if not place[2]}
        for place, width in zip(wide, doublings, strict=True):
            networks[place] = scale(plain[place], Multipliers(width=2**width))
        self._fits |= dict.fromkeys(new)
        self._fits |= zip(networks, assess(self._baseline, [*networks.values()]), strict=True)
        return self._fits

    def _deepen(self, depth: float) -> tuple[int, ...]:
        """The depths around what is asked for: half to one and a half times the blocks that it adds."""
        depths = [depth ** (percent / 100) for percent in range(50, 155, 5)] if depth > 1 else [1.0]
        if isinstance(self._start, Factory):  # whose every size has to be built to be counted
            depths = [depth]
        deeper = (scale(self._start, Multipliers(depth=one)) for one in depths)
        numbers = (self._deeper.setdefault(one, len(self._deeper)) for one in deeper)
        return tuple(dict.fromkeys(numbers))

    def _solve(self, networks: Sequence[Baseline], macs: Sequence[int]) -> list[float]:
        """How often each has to double its width, to come closest to the target."""

        def count(which: Sequence[int], doublings: Sequence[float]) -> list[int]:
            return _count_widened([networks[number] for number in which], doublings)

        # MACs grow with the square of the width, but for rounding and for what does not widen.
        guesses = [math.log2(self._target / one) / 2 for one in macs]
        low, high = [max(0.0, one - 0.25) for one in guesses], [one + 0.25 for one in guesses]
        every = range(len(networks))
        while over := [
            number
            for number, found in zip(every, count(every, low), strict=True)
            if low[number] > 0 and found > self._target
        ]:
            for number in over:
                low[number] = max(0.0, low[number] - 0.25)
        while under := [
            number
            for number, found in zip(every, count(every, high), strict=True)
            if found < self._target
        ]:
            for number in under:
                high[number] += 0.25
        # Each size of a factory has to be built to be counted, and its steps are as wide.
        step = 2.0**-5 if isinstance(self._start, Factory) else 2.0**-11
        return bisect(count, self._target, low, high, step)


def _count_widened(networks: Sequence[Baseline], doublings: Sequence[float]) -> list[int]:
    """MACs of networks of which each has doubled its width so often."""
    widths: Any = [2**one for one in doublings]
    stages = [one for one in networks if isinstance(one, Architecture)]
    if not stages:
        pairs = zip(networks, widths, strict=True)
        return [measure(scale(one, Multipliers(width=width))).macs for one, width in pairs]
    import numpy as np

    widths = np.array(widths)
    macs: Any = measure(scale(stack(stages), Multipliers(width=widths))).macs
    return macs.tolist()  # type: ignore[no-any-return]


def _resolutions(growth: float, base: int, rounding: Rounding) -> tuple[int, ...]:
    """Some steps to either side of what is asked for; the base's own where that is 1."""
    if growth == 1:
        return (base,)
    step = rounding.resolution_divisor
    middle = round(base * growth / step)
    around = (step * (middle + offset) for offset in range(-_STEPS_ASIDE, _STEPS_ASIDE + 1))
    return tuple(resolution for resolution in around if resolution >= base) or (base,)


_STEPS_ASIDE = 3


def _mix(depths: Baseline, widths: Baseline, resolution: int) -> Baseline:
    """The depth of one size and the width of another."""
    if isinstance(depths, Architecture) and isinstance(widths, Architecture):
        stages = tuple(
            replace(stage, repeats=other.repeats)
            for stage, other in zip(widths.stages, depths.stages, strict=True)
        )
        return replace(widths, stages=stages, resolution=resolution)
    assert isinstance(widths, Factory)
    return resize(widths, depth=depths.depth, resolution=resolution)
