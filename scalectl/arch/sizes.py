"""Make the sizes of a family: from phi, or a budget, to a network with its cost and dropout."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from scalectl.arch.architecture import Architecture
from scalectl.arch.baselines import find_published
from scalectl.arch.cost import Cost
from scalectl.arch.factory import Baseline, Factory, cost_of
from scalectl.arch.scaling import (
    PHI_LIMIT,
    Coefficients,
    Multipliers,
    Quantity,
    bracket,
    cap,
    multiply,
    scale,
)
from scalectl.errors import ScalectlError

LADDER = {"b1": 0.5, "b2": 1.0, "b3": 2.0, "b4": 3.5, "b5": 5.0, "b6": 6.0, "b7": 7.0}
"""Published size -> the phi that follows it best (docs/method.md, section 5)."""

SUPPORTED_RATIO = 4.0
"""Sizes more than two doublings of compute above the baseline are extrapolations."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """A size of a family, and where it comes from."""

    source: str
    """Where the coefficients come from, in words: a run and its verdict, "paper", "official"."""
    coefficients: Coefficients | None
    """None for an official size, which follows no coefficients."""
    phi: float | None
    multipliers: Multipliers
    """Requested, before rounding."""
    nominal_ratio: float
    """Compute over the baseline's by the formula."""
    realised_ratio: float
    """Compute over the baseline's, counted on the rounded network."""
    architecture: Baseline
    cost: Cost

    @property
    def name(self) -> str:
        """The network's name, such as "efficientnet_b0_phi3_5"."""
        return self.architecture.name

    @property
    def is_capped(self) -> bool:
        """Whether depth and width took over a part of the resolution."""
        if self.coefficients is None or self.phi is None:
            return False
        return self.multipliers.resolution < self.coefficients.at(self.phi).resolution

    @property
    def dropout(self) -> float | None:
        """The network's dropout; None for a factory, which sets its own."""
        return getattr(self.architecture, "dropout", None)

    @property
    def drop_path(self) -> float | None:
        """The network's drop-path; None for a factory, which sets its own."""
        return getattr(self.architecture, "drop_path", None)

    @property
    def excess(self) -> float:
        """Counted compute over the formula's; what rounding does to a small step, 1 is nothing."""
        return self.realised_ratio / self.nominal_ratio

    @property
    def is_extrapolated(self) -> bool:
        """Whether it is more doublings above the baseline than searches have looked at."""
        return self.realised_ratio > SUPPORTED_RATIO


def size_at(
    baseline: Baseline,
    coefficients: Coefficients,
    phi: float,
    source: str,
    max_resolution: int | None = None,
) -> Size:
    """Scale the baseline to phi, rounded by its own rule.

    Where the baseline has dropout, it grows by 0.3 over phi = 0..7, up to 0.5; drop-path stays: the
    habit of B0..B7. `max_resolution` (in pixels) may lie below the baseline's own resolution; what it
    cuts off goes to depth and width. Raises `ScalectlError` where the baseline has none so small.
    """
    multipliers = coefficients.at(phi)
    resolution = multiply(
        baseline.resolution, multipliers.resolution, baseline.rounding.round_resolution
    )
    if max_resolution and resolution > max_resolution:
        divisor = baseline.rounding.resolution_divisor
        if max_resolution < divisor:
            raise ScalectlError(
                f"{baseline.name} has no size of {max_resolution} px: resolutions are multiples of "
                f"{divisor} px.",
                f"Give --max-resolution {divisor} or more.",
            )
        limit = max_resolution // divisor * divisor
        multipliers = cap(multipliers, coefficients, limit / baseline.resolution)
    name = re.sub(r"\W", "_", f"{baseline.name}_phi{phi:.4g}".replace("-", "minus"))
    architecture = replace(scale(baseline, multipliers), name=name)
    if isinstance(architecture, Architecture) and architecture.dropout:
        dropout = min(0.5, max(0.0, architecture.dropout + 0.3 * phi / 7))
        architecture = replace(architecture, dropout=round(dropout, 3))
    cost = cost_of(architecture)
    return Size(
        source=source,
        coefficients=coefficients,
        phi=phi,
        multipliers=multipliers,
        nominal_ratio=coefficients.growth**phi,
        realised_ratio=cost.macs / cost_of(baseline).macs,
        architecture=architecture,
        cost=cost,
    )


def sizes_around(
    baseline: Baseline,
    coefficients: Coefficients,
    quantity: Quantity,
    target: float,
    source: str,
    max_resolution: int | None = None,
) -> tuple[Size, Size]:
    """Find the largest size whose counted `quantity` is at most the target, and the next larger one.

    They are the same where nothing larger is as near. Rounded networks grow in steps, each at least as
    costly as the one before, so both are found by bisection. Raises `ScalectlError`, with the smallest
    and the largest size of phi = -12..12, for targets outside.
    """

    def at(phi: float) -> Size:
        return size_at(baseline, coefficients, phi, source, max_resolution)

    def count(phi: float) -> int:
        value: int = getattr(at(phi).cost, quantity)
        return value

    # A factory is built for every phi that is looked at: not the largest ones.
    limit, step = (4.0, 2.0**-6) if isinstance(baseline, Factory) else (PHI_LIMIT, 2.0**-12)
    smallest, largest = count(-limit), count(limit)
    if not smallest <= target <= largest:
        raise ScalectlError(
            f"No size has {target:,.0f} {quantity}: the smallest has {smallest:,} at phi = "
            f"{-limit:g}, the largest {largest:,} at phi = {limit:g}.",
            "Ask for something between, or choose other coefficients or another baseline.",
        )
    below, above = bracket(count, target, -limit, limit, step)
    low, high = _shorten(below, at), _shorten(above, at)
    return (high, high) if count(above) <= target else (low, high)


def _shorten(phi: float, at: Callable[[float], Size]) -> Size:
    """The size at the shortest phi, of 4 digits or more, that gives it: what people type again."""
    exact = at(phi)
    rounded = (at(float(f"{phi:.{digits}g}")) for digits in range(4, 9))
    same = (
        size for size in rounded if size.architecture.fingerprint == exact.architecture.fingerprint
    )
    return next(same, exact)


def fit(network: Baseline, classes: int | None, channels: int | None) -> Baseline:
    """Give a network the classes and channels of a task; None leaves its own.

    Raises `ScalectlError` for what a factory cannot be asked for.
    """
    if isinstance(network, Factory):
        if classes == 0 or channels not in (None, 3):
            raise ScalectlError(
                f"The factory {network.target} takes classes alone: 1 or more, for colour images.",
                "Leave --in-channels out, or write a factory for such images.",
            )
        return network if classes is None else network.rebuild(classes=classes)
    return replace(
        network,
        classes=network.classes if classes is None else classes,
        channels=network.channels if channels is None else channels,
    )


def official_size(name: str, classes: int | None = None, channels: int | None = None) -> Size:
    """Look up a published network ("b4", "lite3", "resnet101"), equal to the unit.

    Raises `ScalectlError` where there is none of that name.
    """
    entry = find_published(name)
    # Libraries have a network of the bare name already.
    renamed = replace(entry.architecture, name=f"official_{entry.architecture.name}")
    architecture = fit(renamed, classes, channels)
    multipliers = entry.multipliers
    cost = cost_of(architecture)
    return Size(
        source="official",
        coefficients=None,
        phi=None,
        multipliers=multipliers,
        nominal_ratio=multipliers.depth * (multipliers.width * multipliers.resolution) ** 2,
        realised_ratio=cost.macs / cost_of(fit(entry.base, classes, channels)).macs,
        architecture=architecture,
        cost=cost,
    )
