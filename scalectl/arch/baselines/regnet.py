"""RegNetX and RegNetY (Radosavovic et al. 2020, Tables 2 and 3), their smaller models."""

from scalectl.arch.architecture import Architecture, Stage
from scalectl.arch.baselines.published import list_networks

_Four = tuple[int, int, int, int]


def _network(
    name: str, repeats: _Four, widths: _Four, group_width: int, se_ratio: float
) -> Architecture:
    return Architecture(
        name=name,
        resolution=224,
        stem_width=32,
        stages=tuple(
            Stage(
                block="bottleneck",
                repeats=count,
                width=width,
                stride=2,
                expansion=1,
                group_width=group_width,
                se_ratio=se_ratio,
            )
            for count, width in zip(repeats, widths, strict=True)
        ),
        activation="relu",
    )


NETWORKS = list_networks(
    _network("regnetx_002", (1, 1, 4, 7), (24, 56, 152, 368), 8, 0),
    _network("regnetx_004", (1, 2, 7, 12), (32, 64, 160, 384), 16, 0),
    _network("regnetx_008", (1, 3, 7, 5), (64, 128, 288, 672), 16, 0),
    _network("regnetx_016", (2, 4, 10, 2), (72, 168, 408, 912), 24, 0),
    _network("regnety_002", (1, 1, 4, 7), (24, 56, 152, 368), 8, 0.25),
    _network("regnety_004", (1, 3, 6, 6), (48, 104, 208, 440), 8, 0.25),
    _network("regnety_008", (1, 3, 8, 2), (64, 128, 320, 768), 16, 0.25),
    _network("regnety_016", (2, 6, 17, 2), (48, 120, 336, 888), 24, 0.25),
)
