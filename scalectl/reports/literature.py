"""Published networks to look at a family beside: as published, with recipes of their own."""

from dataclasses import asdict, dataclass

from scalectl.reports import Column, Table


@dataclass(frozen=True, slots=True)
class Network:
    """As printed."""

    name: str
    top1: float
    """On ImageNet, as a fraction, with its authors' own recipe."""
    params: float
    macs: float
    """Which the source calls FLOPS."""


EFFICIENTNETS = (
    Network("EfficientNet-B0", 0.771, 5.3e6, 0.39e9),
    Network("EfficientNet-B1", 0.791, 7.8e6, 0.70e9),
    Network("EfficientNet-B2", 0.801, 9.2e6, 1.0e9),
    Network("EfficientNet-B3", 0.816, 12e6, 1.8e9),
    Network("EfficientNet-B4", 0.829, 19e6, 4.2e9),
    Network("EfficientNet-B5", 0.836, 30e6, 9.9e9),
    Network("EfficientNet-B6", 0.840, 43e6, 19e9),
    Network("EfficientNet-B7", 0.843, 66e6, 37e9),
)
OTHERS = (
    Network("ResNet-50", 0.760, 26e6, 4.1e9),
    Network("DenseNet-169", 0.762, 14e6, 3.5e9),
    Network("ResNet-152", 0.778, 60e6, 11e9),
    Network("DenseNet-264", 0.779, 34e6, 6.0e9),
    Network("Inception-v3", 0.788, 24e6, 5.7e9),
    Network("Xception", 0.790, 23e6, 8.4e9),
    Network("Inception-v4", 0.800, 48e6, 13e9),
    Network("Inception-ResNet-v2", 0.801, 56e6, 13e9),
    Network("ResNeXt-101", 0.809, 84e6, 32e9),
    Network("PolyNet", 0.813, 92e6, 35e9),
    Network("SENet", 0.827, 146e6, 42e9),
    Network("NASNet-A", 0.827, 89e6, 24e9),
    Network("AmoebaNet-A", 0.828, 87e6, 23e9),
    Network("PNASNet", 0.829, 86e6, 23e9),
    Network("AmoebaNet-C", 0.835, 155e6, 41e9),
)
SOURCE = "Tan & Le 2019, arXiv 1905.11946v5, table 2"

COLUMNS = (
    Column("name", "network"),
    Column("top1", "ImageNet top-1", ".1%"),
    Column("params", "params", ",.0f"),
    Column("macs", "MACs", ",.0f"),
)


def tabulate_literature() -> Table:
    """The networks that the paper compares with, cheapest first."""
    networks = sorted((*EFFICIENTNETS, *OTHERS), key=lambda one: one.macs)
    return Table(
        name="literature",
        title="As published, different recipes",
        columns=COLUMNS,
        rows=tuple(asdict(one) for one in networks),
        notes=(
            f"{SOURCE}, which calls MACs FLOPS; single crop, single network.",
            "Each with its authors' own recipe: nothing here was trained by this search.",
        ),
    )
