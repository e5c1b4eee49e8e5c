"""EfficientNetV2 (Tan & Le 2021, Table 4; block lists of google/automl's `effnetv2_configs.py`).

Resolutions are those of evaluation; trainings used smaller ones.
"""

from scalectl.arch.architecture import Architecture, BlockKind, Stage
from scalectl.arch.baselines.published import list_networks, list_sizes
from scalectl.arch.rounding import Rounding


def _network(
    name: str,
    resolution: int,
    stem_width: int,
    dropout: float,
    *stages: tuple[BlockKind, int, int, int, int],
) -> Architecture:
    """Stages are (block, repeats, width, stride, expansion); mbconv has squeeze-and-excitation."""
    return Architecture(
        name=name,
        resolution=resolution,
        stem_width=stem_width,
        stages=tuple(
            Stage(
                block=block,
                repeats=repeats,
                width=width,
                stride=2 if stride == 2 else 1,
                expansion=expansion,
                se_ratio=0.25 if block == "mbconv" else 0,
            )
            for block, repeats, width, stride, expansion in stages
        ),
        head_width=1280,
        dropout=dropout,
        drop_path=0.2,
        # automl's round_filters dropped the 10 % rule of V1.
        rounding=Rounding(rule="official", width_limit=0),
    )


B0 = _network(
    "efficientnetv2_b0",
    224,
    32,
    0.2,
    ("fused", 1, 16, 1, 1),
    ("fused", 2, 32, 2, 4),
    ("fused", 2, 48, 2, 4),
    ("mbconv", 3, 96, 2, 4),
    ("mbconv", 5, 112, 1, 6),
    ("mbconv", 8, 192, 2, 6),
)

NETWORKS = {
    **list_sizes(
        B0,
        {
            "efficientnetv2_b0": (1.0, 1.0, 224, 0.2),
            "efficientnetv2_b1": (1.0, 1.1, 240, 0.2),
            "efficientnetv2_b2": (1.1, 1.2, 260, 0.3),
            "efficientnetv2_b3": (1.2, 1.4, 300, 0.3),
        },
    ),
    # Written by hand there: no multipliers make one from another.
    **list_networks(
        _network(
            "efficientnetv2_s",
            384,
            24,
            0.2,
            ("fused", 2, 24, 1, 1),
            ("fused", 4, 48, 2, 4),
            ("fused", 4, 64, 2, 4),
            ("mbconv", 6, 128, 2, 4),
            ("mbconv", 9, 160, 1, 6),
            ("mbconv", 15, 256, 2, 6),
        ),
        _network(
            "efficientnetv2_m",
            480,
            24,
            0.3,
            ("fused", 3, 24, 1, 1),
            ("fused", 5, 48, 2, 4),
            ("fused", 5, 80, 2, 4),
            ("mbconv", 7, 160, 2, 4),
            ("mbconv", 14, 176, 1, 6),
            ("mbconv", 18, 304, 2, 6),
            ("mbconv", 5, 512, 1, 6),
        ),
        _network(
            "efficientnetv2_l",
            480,
            32,
            0.4,
            ("fused", 4, 32, 1, 1),
            ("fused", 7, 64, 2, 4),
            ("fused", 7, 96, 2, 4),
            ("mbconv", 10, 192, 2, 4),
            ("mbconv", 19, 224, 1, 6),
            ("mbconv", 25, 384, 2, 6),
            ("mbconv", 7, 640, 1, 6),
        ),
        _network(
            "efficientnetv2_xl",
            512,
            32,
            0.4,
            ("fused", 4, 32, 1, 1),
            ("fused", 8, 64, 2, 4),
            ("fused", 8, 96, 2, 4),
            ("mbconv", 16, 192, 2, 4),
            ("mbconv", 24, 256, 1, 6),
            ("mbconv", 32, 512, 2, 6),
            ("mbconv", 8, 640, 1, 6),
        ),
    ),
}
