"""ConvNeXt (Liu et al. 2022, section 3; drop-path of its Table 5)."""

from scalectl.arch.architecture import Architecture, Stage
from scalectl.arch.baselines.published import list_networks


def _network(name: str, width: int, deepest: int, drop_path: float) -> Architecture:
    return Architecture(
        name=name,
        resolution=224,
        stem="patch4x4",
        stem_width=width,
        stages=tuple(
            Stage(
                block="convnext",
                repeats=deepest if number == 2 else 3,
                width=width * 2**number,
                stride=1 if number == 0 else 2,
                kernel=7,
                expansion=4,
            )
            for number in range(4)
        ),
        activation="gelu",
        drop_path=drop_path,
    )


NETWORKS = list_networks(
    _network("convnext_tiny", 96, 9, 0.1),
    _network("convnext_small", 96, 27, 0.4),
    _network("convnext_base", 128, 27, 0.5),
    _network("convnext_large", 192, 27, 0.5),
)
