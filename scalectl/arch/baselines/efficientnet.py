"""EfficientNet (Tan & Le 2019, Table 1; strides as in the official code), Lite, EdgeTPU and TinyNet."""

from dataclasses import replace

from scalectl.arch.architecture import Architecture, Stage
from scalectl.arch.baselines.published import list_sizes
from scalectl.arch.rounding import Rounding

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

LITE0 = replace(
    B0,
    name="efficientnet_lite0",
    stages=tuple(replace(stage, se_ratio=0) for stage in B0.stages),
    activation="relu6",
    rounding=Rounding(rule="official", fixed=("stem", "head", "first_repeats", "last_repeats")),
)

EDGETPU_S = Architecture(
    name="efficientnet_es",
    resolution=224,
    stem_width=32,
    stages=(
        Stage(block="fused", repeats=1, width=24, expansion=4, expanded_width=24, skip=False),
        Stage(block="fused", repeats=2, width=32, stride=2, expansion=8),
        Stage(block="fused", repeats=4, width=48, stride=2, expansion=8),
        Stage(repeats=5, width=96, stride=2, kernel=5, expansion=8),
        Stage(repeats=4, width=144, kernel=5, expansion=8),
        Stage(repeats=2, width=192, stride=2, kernel=5, expansion=8),
    ),
    head_width=1280,
    activation="relu",
    dropout=0.2,
    drop_path=0.2,
    rounding=Rounding(rule="official"),
)

# B0 again, with the rule for shrinking it: depth to the nearest, stem kept, head never below 1280.
TINYNET = replace(
    B0,
    name="tinynet",
    rounding=Rounding(
        rule="official", repeats="nearest", resolution_divisor=2, fixed=("stem",), head_minimum=1280
    ),
)

NETWORKS = {
    # width_coefficient, depth_coefficient, resolution, dropout_rate of the official
    # `efficientnet_builder.py` (tensorflow/tpu). Hand-rounded: not those of phi = 1, 2, ...
    **list_sizes(
        B0,
        {
            "efficientnet_b0": (1.0, 1.0, 224, 0.2),
            "efficientnet_b1": (1.0, 1.1, 240, 0.2),
            "efficientnet_b2": (1.1, 1.2, 260, 0.3),
            "efficientnet_b3": (1.2, 1.4, 300, 0.3),
            "efficientnet_b4": (1.4, 1.8, 380, 0.4),
            "efficientnet_b5": (1.6, 2.2, 456, 0.4),
            "efficientnet_b6": (1.8, 2.6, 528, 0.5),
            "efficientnet_b7": (2.0, 3.1, 600, 0.5),
            "efficientnet_b8": (2.2, 3.6, 672, 0.5),
            "efficientnet_l2": (4.3, 5.3, 800, 0.5),
        },
    ),
    # `lite/efficientnet_lite_builder.py` of the same.
    **list_sizes(
        LITE0,
        {
            "efficientnet_lite0": (1.0, 1.0, 224, 0.2),
            "efficientnet_lite1": (1.0, 1.1, 240, 0.2),
            "efficientnet_lite2": (1.1, 1.2, 260, 0.3),
            "efficientnet_lite3": (1.2, 1.4, 280, 0.3),
            "efficientnet_lite4": (1.4, 1.8, 300, 0.3),
        },
    ),
    # `edgetpu/efficientnet_edgetpu_builder.py` of the same.
    **list_sizes(
        EDGETPU_S,
        {
            "efficientnet_es": (1.0, 1.0, 224, 0.2),
            "efficientnet_em": (1.0, 1.1, 240, 0.2),
            "efficientnet_el": (1.2, 1.4, 300, 0.3),
        },
    ),
    # Han et al. 2020 ("Model Rubik's Cube"), `tinynet_pytorch`: the resolution is int(224 r).
    **list_sizes(
        TINYNET,
        {
            "tinynet_a": (1.0, 1.2, 192, 0.2),
            "tinynet_b": (0.75, 1.1, 188, 0.2),
            "tinynet_c": (0.54, 0.85, 184, 0.2),
            "tinynet_d": (0.54, 0.695, 152, 0.2),
            "tinynet_e": (0.51, 0.6, 106, 0.2),
        },
    ),
}
