"""Published networks: how the EfficientNets' sizes relate to phi, and what to compare a family with."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from scalectl.arch.baselines import BASELINES
from scalectl.arch.sizes import LADDER
from scalectl.report.tables import Column, Table

SIZE_COLUMNS = (
    Column("name", "size"),
    Column("phi", "phi", "g"),
    Column("depth", "depth x", ".1f"),
    Column("depth_formula", "alpha^phi", ".3f"),
    Column("width", "width x", ".1f"),
    Column("width_formula", "beta^phi", ".3f"),
    Column("resolution", "px", "d"),
    Column("resolution_formula", "224 gamma^phi", ".0f"),
)
LITERATURE_COLUMNS = (
    Column("name", "network"),
    Column("top1", "ImageNet top-1", ".1%"),
    Column("params", "params", ",.0f"),
    Column("macs", "MACs", ",.0f"),
)
GAMMA = 1.153
"""Within 10 px of B1..B7; the published resolutions follow no gamma exactly."""


@dataclass(frozen=True, slots=True)
class PublishedNetwork:
    """A network with the numbers that Tan & Le print for it."""

    name: str
    top1: float
    """On ImageNet, as a fraction, with its authors' own recipe."""
    params: float
    macs: float
    """The source calls them FLOPS."""


EFFICIENTNETS = (
    PublishedNetwork("EfficientNet-B0", 0.771, 5.3e6, 0.39e9),
    PublishedNetwork("EfficientNet-B1", 0.791, 7.8e6, 0.70e9),
    PublishedNetwork("EfficientNet-B2", 0.801, 9.2e6, 1.0e9),
    PublishedNetwork("EfficientNet-B3", 0.816, 12e6, 1.8e9),
    PublishedNetwork("EfficientNet-B4", 0.829, 19e6, 4.2e9),
    PublishedNetwork("EfficientNet-B5", 0.836, 30e6, 9.9e9),
    PublishedNetwork("EfficientNet-B6", 0.840, 43e6, 19e9),
    PublishedNetwork("EfficientNet-B7", 0.843, 66e6, 37e9),
)
OTHERS = (
    PublishedNetwork("ResNet-50", 0.760, 26e6, 4.1e9),
    PublishedNetwork("DenseNet-169", 0.762, 14e6, 3.5e9),
    PublishedNetwork("ResNet-152", 0.778, 60e6, 11e9),
    PublishedNetwork("DenseNet-264", 0.779, 34e6, 6.0e9),
    PublishedNetwork("Inception-v3", 0.788, 24e6, 5.7e9),
    PublishedNetwork("Xception", 0.790, 23e6, 8.4e9),
    PublishedNetwork("Inception-v4", 0.800, 48e6, 13e9),
    PublishedNetwork("Inception-ResNet-v2", 0.801, 56e6, 13e9),
    PublishedNetwork("ResNeXt-101", 0.809, 84e6, 32e9),
    PublishedNetwork("PolyNet", 0.813, 92e6, 35e9),
    PublishedNetwork("SENet", 0.827, 146e6, 42e9),
    PublishedNetwork("NASNet-A", 0.827, 89e6, 24e9),
    PublishedNetwork("AmoebaNet-A", 0.828, 87e6, 23e9),
    PublishedNetwork("PNASNet", 0.829, 86e6, 23e9),
    PublishedNetwork("AmoebaNet-C", 0.835, 155e6, 41e9),
)
SOURCE = "Tan & Le 2019, arXiv 1905.11946v5, table 2"


def tabulate_literature() -> Table:
    """List the networks that the paper compares with, cheapest first.

    Source: Tan & Le 2019, table 2.
    """
    return Table(
        name="literature",
        title="Published networks, each with its own recipe",
        columns=LITERATURE_COLUMNS,
        rows=tuple(
            asdict(network)
            for network in sorted((*EFFICIENTNETS, *OTHERS), key=lambda network: network.macs)
        ),
        notes=(
            f"{SOURCE}, which calls MACs FLOPS; single crop, single network.",
            "Each was trained with its authors' own recipe; none was trained by this search.",
        ),
    )


def tabulate_published_sizes() -> Table:
    """Compare B1 to B8 with the formula, for an alpha and a beta that give both columns exactly.

    No assignment of phi = 1..7 to B1..B7 does.
    """
    names = [*LADDER, "b8"]
    phis = [*LADDER.values(), 8.0]
    sizes = [BASELINES[f"efficientnet_{name}"] for name in names]
    depths = [size.multipliers.depth for size in sizes]
    widths = [size.multipliers.width for size in sizes]
    alphas, betas = find_bases(depths, phis), find_bases(widths, phis)
    alpha, beta = sum(alphas) / 2, sum(betas) / 2
    rows = [
        {
            "name": name,
            "phi": phi,
            "depth": depth,
            "depth_formula": alpha**phi,
            "width": width,
            "width_formula": beta**phi,
            "resolution": size.architecture.resolution,
            "resolution_formula": 224 * GAMMA**phi,
        }
        for name, phi, size, depth, width in zip(names, phis, sizes, depths, widths, strict=True)
    ]
    return Table(
        name="published",
        title="The published sizes and phi",
        columns=SIZE_COLUMNS,
        rows=tuple(rows),
        notes=(
            (
                f"Both columns are alpha^phi and beta^phi rounded to one decimal, for alpha in "
                f"[{alphas[0]:.4f}, {alphas[1]:.4f}] and beta in [{betas[0]:.4f}, {betas[1]:.4f}], "
                f"which print as 1.2 and 1.1; above with {alpha:.4f} and {beta:.4f}."
            ),
            "With phi = 1..7 for B1..B7 no alpha gives the depths.",
            f"Resolutions: gamma = {GAMMA} is within 10 px up to B7.",
        ),
    )


def find_bases(values: Sequence[float], exponents: Sequence[float]) -> tuple[float, float]:
    """Find the ends of the interval of bases b with round(b**e, 1) == v for all pairs (v, e).

    Where there is no such b, the second end is the lower one.
    """
    pairs = list(zip(values, exponents, strict=True))
    return (
        max((value - 0.05) ** (1 / exponent) for value, exponent in pairs),
        min((value + 0.05) ** (1 / exponent) for value, exponent in pairs),
    )
