"""MobileNetV1 (Howard et al. 2017), V2 (Sandler et al. 2018), V3 (Howard et al. 2019), MnasNet-B1."""

from dataclasses import replace

from scalectl.arch.architecture import Architecture, Stage
from scalectl.arch.baselines.published import list_networks, list_sizes
from scalectl.arch.rounding import Rounding

V1 = Architecture(
    name="mobilenetv1_100",
    resolution=224,
    stem_width=32,
    stages=(
        Stage(block="separable", repeats=1, width=64),
        Stage(block="separable", repeats=2, width=128, stride=2),
        Stage(block="separable", repeats=2, width=256, stride=2),
        Stage(block="separable", repeats=6, width=512, stride=2),
        Stage(block="separable", repeats=2, width=1024, stride=2),
    ),
    activation="relu6",
    dropout=0.2,
    rounding=Rounding(rule="official"),
)

V2 = Architecture(
    name="mobilenetv2_100",
    resolution=224,
    stem_width=32,
    stages=(
        Stage(repeats=1, width=16),
        Stage(repeats=2, width=24, stride=2, expansion=6),
        Stage(repeats=3, width=32, stride=2, expansion=6),
        Stage(repeats=4, width=64, stride=2, expansion=6),
        Stage(repeats=3, width=96, expansion=6),
        Stage(repeats=3, width=160, stride=2, expansion=6),
        Stage(repeats=1, width=320, expansion=6),
    ),
    head_width=1280,
    activation="relu6",
    dropout=0.2,
    rounding=Rounding(rule="official", head_minimum=1280),
)
# timm's "d" sizes keep what Lite keeps.
V2_FIXED = replace(
    V2,
    rounding=Rounding(rule="official", fixed=("stem", "head", "first_repeats", "last_repeats")),
)

V3_LARGE = Architecture(
    name="mobilenetv3_large_100",
    resolution=224,
    stem_width=16,
    stages=(
        Stage(repeats=1, width=16, activation="relu"),
        Stage(repeats=1, width=24, stride=2, expansion=4, activation="relu"),
        Stage(repeats=1, width=24, expansion=3, activation="relu", joined=True),
        Stage(
            repeats=3, width=40, stride=2, kernel=5, expansion=3, se_ratio=0.25, activation="relu"
        ),
        Stage(repeats=1, width=80, stride=2, expansion=6),
        Stage(repeats=1, width=80, expansion=2.5, joined=True),
        Stage(repeats=2, width=80, expansion=2.3, joined=True),
        Stage(repeats=2, width=112, expansion=6, se_ratio=0.25),
        Stage(repeats=3, width=160, stride=2, kernel=5, expansion=6, se_ratio=0.25),
        Stage(block="fused", repeats=1, width=960, kernel=1, skip=False),
    ),
    head="pooled_conv",
    head_width=1280,
    activation="hard_swish",
    squeeze="hidden",
    dropout=0.2,
    rounding=Rounding(rule="official", fixed=("head",)),
)

V3_SMALL = replace(
    V3_LARGE,
    name="mobilenetv3_small_100",
    stages=(
        Stage(repeats=1, width=16, stride=2, se_ratio=0.25, activation="relu"),
        Stage(repeats=1, width=24, stride=2, expansion=4.5, activation="relu"),
        Stage(repeats=1, width=24, expansion=3.67, activation="relu", joined=True),
        Stage(repeats=1, width=40, stride=2, kernel=5, expansion=4, se_ratio=0.25),
        Stage(repeats=2, width=40, kernel=5, expansion=6, se_ratio=0.25, joined=True),
        Stage(repeats=2, width=48, kernel=5, expansion=3, se_ratio=0.25),
        Stage(repeats=3, width=96, stride=2, kernel=5, expansion=6, se_ratio=0.25),
        Stage(block="fused", repeats=1, width=576, kernel=1, skip=False),
    ),
    head_width=1024,
)

MNASNET = Architecture(
    name="mnasnet_100",
    resolution=224,
    stem_width=32,
    stages=(
        Stage(repeats=1, width=16, skip=False),
        Stage(repeats=3, width=24, stride=2, expansion=3),
        Stage(repeats=3, width=40, stride=2, kernel=5, expansion=3),
        Stage(repeats=3, width=80, stride=2, kernel=5, expansion=6),
        Stage(repeats=2, width=96, expansion=6),
        Stage(repeats=4, width=192, stride=2, kernel=5, expansion=6),
        Stage(repeats=1, width=320, expansion=6, skip=False),
    ),
    head_width=1280,
    activation="relu",
    dropout=0.2,
    rounding=Rounding(rule="official", fixed=("head",)),
)

NETWORKS = {
    **list_networks(V1),
    **list_sizes(
        V2, {"mobilenetv2_100": (1.0, 1.0, 224, 0.2), "mobilenetv2_140": (1.4, 1.0, 224, 0.2)}
    ),
    **list_sizes(
        V2_FIXED,
        {"mobilenetv2_110d": (1.1, 1.2, 224, 0.2), "mobilenetv2_120d": (1.2, 1.4, 224, 0.2)},
    ),
    **list_networks(V3_LARGE, V3_SMALL, MNASNET),
}
