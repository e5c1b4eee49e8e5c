"""ResNet (He et al. 2016, Table 1; the stride in the 3x3 convolution, as libraries have it)."""

from scalectl.arch.architecture import Architecture, Stage
from scalectl.arch.baselines.published import list_networks
from scalectl.arch.rounding import Rounding


def _network(name: str, repeats: tuple[int, int, int, int], *, bottleneck: bool) -> Architecture:
    return Architecture(
        name=name,
        resolution=224,
        stem="conv7x7_pool",
        stem_width=64,
        stages=tuple(
            Stage(
                block="bottleneck" if bottleneck else "basic",
                repeats=count,
                width=width * (4 if bottleneck else 1),
                stride=1 if width == 64 else 2,
                expansion=0.25 if bottleneck else 1,
            )
            for count, width in zip(repeats, (64, 128, 256, 512), strict=True)
        ),
        activation="relu",
        # As libraries have it: their ResNets have no other stem.
        rounding=Rounding(fixed=("stem",)),
    )


NETWORKS = list_networks(
    _network("resnet18", (2, 2, 2, 2), bottleneck=False),
    _network("resnet34", (3, 4, 6, 3), bottleneck=False),
    _network("resnet50", (3, 4, 6, 3), bottleneck=True),
    _network("resnet101", (3, 4, 23, 3), bottleneck=True),
    _network("resnet152", (3, 8, 36, 3), bottleneck=True),
)
