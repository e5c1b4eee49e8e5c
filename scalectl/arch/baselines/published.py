"""Describe networks as they were published, and what they are sizes of."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from scalectl.arch.architecture import Architecture
from scalectl.arch.scaling import Multipliers, scale


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """A network of the literature, equal to its source to the unit."""

    architecture: Architecture
    base: Architecture
    """The network that it is a size of; itself where it was written by hand."""
    multipliers: Multipliers
    """The source's multipliers of the base; all 1 where it was written by hand."""


def list_networks(*architectures: Architecture) -> dict[str, Published]:
    """List networks by name that are their own base."""
    return {
        network.name: Published(architecture=network, base=network, multipliers=Multipliers())
        for network in architectures
    }


def list_sizes(
    base: Architecture, sizes: Mapping[str, tuple[float, float, int, float]]
) -> dict[str, Published]:
    """List by name the sizes of one base.

    They are given as (width, depth, resolution, dropout), the order of official tables.
    """
    listed = {}
    for name, (width, depth, resolution, dropout) in sizes.items():
        scaled = scale(base, Multipliers(depth=depth, width=width))
        # Published resolutions obey no divisor.
        architecture = replace(scaled, name=name, resolution=resolution, dropout=dropout)
        multipliers = Multipliers(depth, width, resolution / base.resolution)
        listed[name] = Published(architecture=architecture, base=base, multipliers=multipliers)
    return listed
