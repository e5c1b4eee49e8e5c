"""A ConvNet as a value: stages of blocks between a stem and a head (Tan & Le 2019, Table 1)."""

import hashlib
import json
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from functools import cache, cached_property, lru_cache
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt, Le, MinLen

from scalectl.arch.rounding import Rounding, make_divisible

BlockKind = Literal["mbconv", "fused", "separable", "basic", "bottleneck", "convnext"]
"""mbconv: expand 1x1, depthwise, project 1x1 (Sandler et al. 2018); without the first at expansion 1.
fused: the first two in one convolution (Tan & Le 2021); at expansion 1 it is that convolution alone.
separable: depthwise, then 1x1, each activated, no shortcut (Howard et al. 2017).
basic, bottleneck: He et al. 2016, with the stride in the middle, or grouped (Radosavovic et al. 2020).
convnext: depthwise, expand and project per pixel, layer scale (Liu et al. 2022)."""

Activation = Literal["relu", "relu6", "silu", "hard_swish", "gelu"]
SqueezeBase = Literal["input", "hidden"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A run of equal blocks; the first one has the stride and changes the width."""

    block: BlockKind = "mbconv"
    repeats: Annotated[int, Ge(1)]
    width: Annotated[int, Ge(1)]
    """Channels out."""
    stride: Literal[1, 2] = 1
    kernel: Literal[1, 3, 5, 7, 9, 11] = 3
    expansion: Annotated[float, Gt(0)] = 1
    """Inner channels: per input channel (mbconv, fused), per output channel (bottleneck, convnext)."""
    expanded_width: Annotated[int, Ge(0)] = 0
    """Channels that `expansion` multiplies, where those are not the input's (EdgeTPU); else 0."""
    group_width: Annotated[int, Ge(0)] = 0
    """Channels of a group of a bottleneck's middle convolution; 0 is one group."""
    se_ratio: Annotated[float, Ge(0), Le(1)] = 0
    """Squeeze-and-excitation channels per channel of what `squeeze` names; 0 means none."""
    activation: Activation | Literal[""] = ""
    """The stage's own, where it differs from the network's (MobileNetV3); else ""."""
    always_expand: bool = False
    """Whether an mbconv has its first convolution at expansion 1 too (FBNet)."""
    skip: bool = True
    """Whether blocks that keep size and width have a shortcut."""
    joined: bool = False
    """Whether it belongs to the stage before it: depth is scaled over their sum (MobileNetV3)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A block with all of its numbers: what a library needs to build it."""

    kind: BlockKind
    width: int
    """Channels in."""
    hidden: int
    """Inner channels; those of the input where a block has none of its own."""
    out: int
    kernel: int
    stride: int
    groups: int
    """Groups of a bottleneck's middle convolution."""
    squeezed: int
    """Channels of its squeeze-and-excitation; 0 means none."""
    activation: Activation
    expands: bool
    """Whether an mbconv begins with a 1x1 convolution to its inner channels."""
    skip: bool
    """Whether it has a shortcut, which is a 1x1 convolution where size or width change."""


@dataclass(frozen=True, kw_only=True)  # no slots: it keeps its fingerprint
class Architecture:
    """A whole network at one resolution. Images are square."""

    name: str
    resolution: Annotated[int, Ge(1), Le(8192)]
    """Height and width of the images, in pixels."""
    classes: Annotated[int, Ge(0)] = 1000
    """Logits; 0 is a network without a classifier, which gives features."""
    channels: Annotated[int, Ge(1), Le(4096)] = 3
    """Channels of the images."""
    stem: Literal["conv3x3", "conv7x7_pool", "patch4x4"] = "conv3x3"
    """conv3x3: stride 2. conv7x7_pool (ResNet): stride 2, then a pooling of 2. patch4x4 (ConvNeXt):
    stride 4."""
    stem_width: Annotated[int, Ge(1)]
    stages: Annotated[tuple[Stage, ...], MinLen(1)]
    head: Literal["conv", "pooled_conv"] = "conv"
    """conv: a 1x1 convolution before the pooling. pooled_conv (MobileNetV3): one after it, with a bias
    and no norm."""
    head_width: Annotated[int, Ge(0)] = 0
    """Channels of the head; 0 pools the last stage as it is."""
    activation: Activation = "silu"
    squeeze: SqueezeBase = "input"
    """What squeeze-and-excitation narrows: the block's input, rounded to whole channels and gated by
    a sigmoid; or its inner channels, rounded to eights, with ReLU and hard sigmoid (MobileNetV3)."""
    dropout: Annotated[float, Ge(0), Le(0.95)] = 0
    """Probability of dropping a feature before the classifier."""
    drop_path: Annotated[float, Ge(0), Le(0.95)] = 0
    """Probability of dropping a residual branch: block i of n drops its own with i / n of this."""
    rounding: Rounding = Rounding()

    @property
    def depth(self) -> int:
        """Number of blocks."""
        return sum(stage.repeats for stage in self.stages)

    @property
    def downsampling(self) -> int:
        """Image pixels per pixel of the last feature map, along one side."""
        stem = 2 if self.stem == "conv3x3" else 4
        return stem * math.prod(stage.stride for stage in self.stages)

    @property
    def features(self) -> int:
        """Channels into the classifier."""
        return self.head_width or self.stages[-1].width

    def list_blocks(self) -> Iterator[tuple[Block, ...]]:
        """Yield the blocks of each stage."""
        for first, rest, repeats in self.pair_blocks():
            yield (first, *[rest] * (repeats - 1))

    def pair_blocks(self) -> Iterator[tuple[Block, Block, int]]:
        """Yield each stage's first block, the block that repeats after it, and the number of both."""
        width = self.stem_width
        for stage in self.stages:
            first = _make_block(stage, width, stage.stride, self.activation, self.squeeze)
            width = stage.width
            rest = _make_block(stage, width, 1, self.activation, self.squeeze)
            yield first, rest, stage.repeats

    @property
    def first_blocks(self) -> list[Block]:
        return [first for first, _, _ in self.pair_blocks()]

    @property
    def blocks(self) -> tuple[Block, ...]:
        """All blocks, from the stem to the head."""
        return tuple(block for stage in self.list_blocks() for block in stage)

    @cached_property
    def fingerprint(self) -> str:
        """Twelve hex digits that are equal for equal networks, whatever they are called.

        Fields at their default are left out, so that a new field changes no old fingerprint.
        """
        network = _without_defaults(self)
        for key in ("name", "dropout", "drop_path", "rounding"):
            network.pop(key, None)
        network["stages"] = [_without_defaults(stage) for stage in self.stages]
        text = json.dumps(network, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, as it stands in emitted configs and records."""
        return json.loads(json.dumps(asdict(self)))  # type: ignore[no-any-return]

    def unroll(self) -> dict[str, Any]:
        """Return plain data for builders: no stages, but every block with all of its numbers."""
        network = self.to_dict()
        for key in ("name", "stages", "rounding"):
            del network[key]
        stages = [[asdict(block) for block in stage] for stage in self.list_blocks()]
        return {**network, "stages": stages}

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> "Architecture":
        """Restore a network from its `to_dict`. Raises `TypeError` for missing or unknown fields."""
        rounding = {**content.get("rounding", {})}
        rounding["fixed"] = tuple(rounding.get("fixed", ()))
        parts = {
            "stages": tuple(_make_stage(**stage) for stage in content["stages"]),
            "rounding": Rounding(**rounding),
        }
        return cls(**{**content, **parts})


# Thousands of networks have the same few hundred stages.
_make_stage = lru_cache(maxsize=2**16, typed=True)(Stage)


def _without_defaults(value: Any) -> dict[str, Any]:
    kept = {}
    for name, default in _list_defaults(value.__class__):
        content = getattr(value, name)
        if content != default:
            # 6 and 6.0 are the same expansion.
            is_whole = isinstance(content, float) and content.is_integer()
            kept[name] = int(content) if is_whole else content
    return kept


@cache
def _list_defaults(kind: type) -> tuple[tuple[str, Any], ...]:
    return tuple((field.name, field.default) for field in fields(kind))


@lru_cache(maxsize=2**16)  # sizes of one baseline share most of their blocks
def _make_block(
    stage: Stage, width: int, stride: int, activation: Activation, squeeze: SqueezeBase
) -> Block:
    hidden = _find_hidden_width(stage, width)
    is_bare_convolution = stage.block == "fused" and stage.expansion == 1
    projects = stage.block in ("basic", "bottleneck", "convnext")
    keeps_shape = stride == 1 and width == stage.width
    return Block(
        kind=stage.block,
        width=width,
        hidden=hidden,
        out=stage.width,
        kernel=stage.kernel,
        stride=stride,
        groups=hidden // stage.group_width if stage.group_width else 1,
        squeezed=0 if is_bare_convolution else _find_squeezed_width(stage, width, hidden, squeeze),
        activation=stage.activation or activation,
        expands=stage.block == "mbconv" and (stage.always_expand or hidden != width),
        skip=projects or (keeps_shape and stage.skip and stage.block != "separable"),
    )


def _find_hidden_width(stage: Stage, width: int) -> int:
    if stage.block in ("bottleneck", "convnext"):
        return round(stage.width * stage.expansion)
    if stage.expansion == 1 or stage.block in ("separable", "basic"):
        return width
    return make_divisible((stage.expanded_width or width) * stage.expansion, 8)


def _find_squeezed_width(stage: Stage, width: int, hidden: int, squeeze: SqueezeBase) -> int:
    if squeeze == "hidden" and stage.se_ratio:
        return make_divisible(hidden * stage.se_ratio, 8)
    return round(width * stage.se_ratio)
