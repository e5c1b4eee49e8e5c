"""Sizes of one baseline: from phi to networks, with their cost and their regularisation."""

import re
from dataclasses import dataclass, replace

from scalectl.architecture import Architecture
from scalectl.baselines import find_published
from scalectl.cost import Cost, measure
from scalectl.factory import Baseline, Factory
from scalectl.scaling import (
    PHI_LIMIT,
    Coefficients,
    Multipliers,
    Quantity,
    cap,
    scale,
    solve_phi,
)

LADDER = {"b1": 0.5, "b2": 1.0, "b3": 2.0, "b4": 3.5, "b5": 5.0, "b6": 6.0, "b7": 7.0}
"""The phi at which the published sizes sit, as near as any assignment comes (METHOD)."""

SUPPORTED_RATIO = 4.0
"""Sizes more than two doublings of compute above the baseline are extrapolations."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """One size of a family, and where it came from."""

    source: str
    """Whose coefficients these are, in words: a run and its verdict, "paper", "official"."""
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
        """That of the network: "efficientnet_b0_phi3_5"."""
        return self.architecture.name

    @property
    def is_capped(self) -> bool:
        """Whether depth and width took over a part of the resolution's growth."""
        if self.coefficients is None or self.phi is None:
            return False
        return self.multipliers.depth > self.coefficients.at(self.phi).depth

    @property
    def dropout(self) -> float | None:
        """Of the network; None for a factory, whose own affair it is."""
        return getattr(self.architecture, "dropout", None)

    @property
    def drop_path(self) -> float | None:
        """The same."""
        return getattr(self.architecture, "drop_path", None)

    @property
    def is_extrapolated(self) -> bool:
        """Whether it is more doublings away from the baseline than searches have looked at."""
        return self.realised_ratio > SUPPORTED_RATIO


def size_at(
    baseline: Baseline,
    coefficients: Coefficients,
    phi: float,
    source: str,
    max_resolution: int | None = None,
) -> Size:
    """The baseline at phi, rounded by its own rule.

    Where the baseline has dropout, it grows by 0.3 over phi = 0..7, up to 0.5; drop-path stays: the
    habit of B0..B7. What `max_resolution` (in pixels) leaves goes to depth and width.
    """
    multipliers = coefficients.at(phi)
    if max_resolution:
        divisor = baseline.rounding.resolution_divisor
        limit = max(baseline.resolution, max_resolution // divisor * divisor)
        multipliers = cap(multipliers, coefficients, limit / baseline.resolution)
    name = re.sub(r"\W", "_", f"{baseline.name}_phi{phi:.4g}".replace("-", "minus"))
    architecture = replace(scale(baseline, multipliers), name=name)
    if isinstance(architecture, Architecture) and architecture.dropout:
        dropout = min(0.5, max(0.0, architecture.dropout + 0.3 * phi / 7))
        architecture = replace(architecture, dropout=round(dropout, 3))
    cost = measure(architecture)
    return Size(
        source=source,
        coefficients=coefficients,
        phi=phi,
        multipliers=multipliers,
        nominal_ratio=coefficients.growth**phi,
        realised_ratio=cost.macs / measure(baseline).macs,
        architecture=architecture,
        cost=cost,
    )


def size_for(
    baseline: Baseline,
    coefficients: Coefficients,
    quantity: Quantity,
    target: float,
    source: str,
    max_resolution: int | None = None,
) -> Size:
    """The size whose counted `quantity` comes closest to the target, on the steps of rounding.

    Raises `ScalectlError` where none of phi = -12..12 comes near it.
    """

    def at(phi: float) -> Size:
        return size_at(baseline, coefficients, phi, source, max_resolution)

    # A factory is built for every phi that is looked at: not the largest ones.
    limit, step = (4.0, 2.0**-6) if isinstance(baseline, Factory) else (PHI_LIMIT, 2.0**-12)
    phi = solve_phi(
        lambda phi: at(phi).architecture, target, quantity, low=-limit, high=limit, step=step
    )
    return at(phi)


def official_size(name: str) -> Size:
    """A published network ("b4", "lite3", "resnet101"), to the unit. Raises `ScalectlError`."""
    entry = find_published(name)
    # Libraries have a network of the bare name already.
    architecture = replace(entry.architecture, name=f"official_{entry.architecture.name}")
    multipliers = entry.multipliers
    cost = measure(architecture)
    return Size(
        source="official",
        coefficients=None,
        phi=None,
        multipliers=multipliers,
        nominal_ratio=multipliers.depth * (multipliers.width * multipliers.resolution) ** 2,
        realised_ratio=cost.macs / measure(entry.base).macs,
        architecture=architecture,
        cost=cost,
    )
