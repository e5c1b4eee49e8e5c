"""What a family file lists: networks as they were published, and what they are sizes of."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from scalectl.architecture import Architecture
from scalectl.scaling import Multipliers, scale


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """One network of the literature, equal to its source to the unit."""

    architecture: Architecture
    base: Architecture
    """The network that it is a size of; itself where it was written by hand."""
    multipliers: Multipliers
    """Those of its source, applied to the base; all 1 where it was written by hand."""


def list_networks(*architectures: Architecture) -> dict[str, Published]:
    """Networks that are their own base."""
    return {
        one.name: Published(architecture=one, base=one, multipliers=Multipliers())
        for one in architectures
    }


def list_sizes(
    base: Architecture, sizes: Mapping[str, tuple[float, float, int, float]]
) -> dict[str, Published]:
    """Sizes of one base from (width, depth, resolution, dropout), the order of official tables."""
    listed = {}
    for name, (width, depth, resolution, dropout) in sizes.items():
        scaled = scale(base, Multipliers(depth=depth, width=width))
        # Published resolutions obey no divisor.
        architecture = replace(scaled, name=name, resolution=resolution, dropout=dropout)
        multipliers = Multipliers(depth, width, resolution / base.resolution)
        listed[name] = Published(architecture=architecture, base=base, multipliers=multipliers)
    return listed
