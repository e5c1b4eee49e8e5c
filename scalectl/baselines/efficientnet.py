"""EfficientNet-B0 (Tan & Le 2019, Table 1; strides as in the official code) and its published sizes."""

from dataclasses import dataclass, replace

from scalectl.architecture import Architecture, Rounding, Stage
from scalectl.scaling import Multipliers, scale

B0 = Architecture(
    name="efficientnet_b0",
    resolution=224,
    stem_width=32,
    stages=(
        Stage(repeats=1, width=16, stride=1, kernel=3, expansion=1, se_ratio=0.25),
        Stage(repeats=2, width=24, stride=2, kernel=3, expansion=6, se_ratio=0.25),
        Stage(repeats=2, width=40, stride=2, kernel=5, expansion=6, se_ratio=0.25),
        Stage(repeats=3, width=80, stride=2, kernel=3, expansion=6, se_ratio=0.25),
        Stage(repeats=3, width=112, stride=1, kernel=5, expansion=6, se_ratio=0.25),
        Stage(repeats=4, width=192, stride=2, kernel=5, expansion=6, se_ratio=0.25),
        Stage(repeats=1, width=320, stride=1, kernel=3, expansion=6, se_ratio=0.25),
    ),
    head_width=1280,
    dropout=0.2,
    drop_path=0.2,
    rounding=Rounding(rule="official"),
)


@dataclass(frozen=True, slots=True)
class OfficialSize:
    """One published size. The multipliers are hand-rounded: they are not those of phi = 1, 2, ..."""

    width: float
    depth: float
    resolution: int
    dropout: float


# width_coefficient, depth_coefficient, resolution, dropout_rate of the official
# `efficientnet_builder.py` (tensorflow/tpu).
OFFICIAL = {
    "b0": OfficialSize(1.0, 1.0, 224, 0.2),
    "b1": OfficialSize(1.0, 1.1, 240, 0.2),
    "b2": OfficialSize(1.1, 1.2, 260, 0.3),
    "b3": OfficialSize(1.2, 1.4, 300, 0.3),
    "b4": OfficialSize(1.4, 1.8, 380, 0.4),
    "b5": OfficialSize(1.6, 2.2, 456, 0.4),
    "b6": OfficialSize(1.8, 2.6, 528, 0.5),
    "b7": OfficialSize(2.0, 3.1, 600, 0.5),
    "b8": OfficialSize(2.2, 3.6, 672, 0.5),
}


def official(name: str) -> Architecture:
    """The published size, "b0" to "b8", equal to the official network to the unit."""
    size = OFFICIAL[name]
    multipliers = Multipliers(size.depth, size.width, size.resolution / B0.resolution)
    return replace(scale(B0, multipliers), name=f"efficientnet_{name}", dropout=size.dropout)
