"""A ConvNet as a value: stages of blocks between a stem and a head (Tan & Le 2019, Table 1)."""

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any, Literal

RoundingRule = Literal["official", "nearest"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rounding:
    """How a multiplied size becomes whole again.

    "official" is EfficientNet's own rule: repeats up, widths to the nearest multiple that loses no
    more than 10 %. "nearest" goes to the nearest in both, so that depth moves as finely as it can.
    """

    rule: RoundingRule
    width_divisor: int = 8
    resolution_divisor: int = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A run of equal blocks; the first one has the stride and changes the width."""

    block: Literal["mbconv"] = "mbconv"
    repeats: int
    width: int
    """Channels out."""
    stride: Literal[1, 2]
    kernel: int
    expansion: int
    """Hidden channels per input channel; with 1 there is no expanding convolution."""
    se_ratio: float
    """Squeeze-and-excitation channels per *input* channel of the block; 0 means none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """A whole network at one resolution. Images are square and have three channels."""

    name: str
    resolution: int
    """Height and width of the images, in pixels."""
    classes: int = 1000
    stem_width: int
    stages: tuple[Stage, ...]
    head_width: int
    activation: Literal["silu"] = "silu"
    dropout: float
    """Probability of dropping a feature before the classifier."""
    drop_path: float
    """Probability of dropping the last residual branch; it grows linearly from 0 over the blocks."""
    rounding: Rounding

    @property
    def depth(self) -> int:
        """Number of blocks."""
        return sum(stage.repeats for stage in self.stages)

    @property
    def downsampling(self) -> int:
        """Image pixels per pixel of the last feature map, along one side."""
        factor = 2
        for stage in self.stages:
            factor *= stage.stride
        return factor

    @property
    def fingerprint(self) -> str:
        """Twelve hex digits that are equal for equal networks, whatever they are called."""
        network = {key: value for key, value in self.to_dict().items() if key in _NETWORK}
        text = json.dumps(network, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def to_dict(self) -> dict[str, Any]:
        """Plain data, as it stands in emitted configs and records."""
        return json.loads(json.dumps(asdict(self)))  # type: ignore[no-any-return]

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> "Architecture":
        """The inverse of `to_dict`. Raises `TypeError` for missing or unknown fields."""
        parts = {
            "stages": tuple(Stage(**stage) for stage in content["stages"]),
            "rounding": Rounding(**content["rounding"]),
        }
        return cls(**{**content, **parts})


_NETWORK = {"resolution", "classes", "stem_width", "stages", "head_width", "activation"}


def round_width(width: float, divisor: int) -> int:
    """The multiple of `divisor` nearest to `width`, or the next one if that loses over 10 %.

    From EfficientNet's `round_filters`; MobileNetV2's `make_divisible` is the same rule.
    """
    rounded = max(divisor, int(width + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * width else rounded


def hidden_width(width: int, expansion: int) -> int:
    """Channels inside a block that is entered with `width` channels."""
    return width if expansion == 1 else round_width(width * expansion, 8)
