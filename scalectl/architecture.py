"""A ConvNet as a value: stages of blocks between a stem and a head (Tan & Le 2019, Table 1)."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import cache, cached_property, lru_cache
from operator import attrgetter
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt, Le, MinLen

from scalectl.errors import ScalectlError

BlockKind = Literal["mbconv", "fused", "separable", "basic", "bottleneck", "convnext"]
"""mbconv: expand 1x1, depthwise, project 1x1 (Sandler et al. 2018); without the first at expansion 1.
fused: the first two in one convolution (Tan & Le 2021); at expansion 1 it is that convolution alone.
separable: depthwise, then 1x1, each activated, no shortcut (Howard et al. 2017).
basic, bottleneck: He et al. 2016, with the stride in the middle, or grouped (Radosavovic et al. 2020).
convnext: depthwise, expand and project per pixel, layer scale (Liu et al. 2022)."""

Activation = Literal["relu", "relu6", "silu", "hard_swish", "gelu"]
RoundingRule = Literal["official", "nearest"]
Fixed = Literal["stem", "head", "first_repeats", "last_repeats"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rounding:
    """How a multiplied size becomes whole again.

    "official" is the rule of the field: widths to the nearest multiple that loses no more than
    10 %, repeats as `repeats` says. "nearest" goes to the nearest in both, so that depth moves as
    finely as it can.
    """

    rule: RoundingRule = "nearest"
    width_divisor: Annotated[int, Ge(1)] = 8
    """Of a bottleneck's inner width, where that is narrower than the block; else of the width."""
    resolution_divisor: Annotated[int, Ge(1)] = 4
    repeats: Literal["ceil", "nearest"] = "ceil"
    """Of the official rule: EfficientNet rounds repeats up, TinyNet to the nearest."""
    width_limit: Annotated[float, Ge(0), Le(1)] = 0.9
    """Of the official rule: the smallest part of a width that rounding may leave; V2 has no limit."""
    fixed: tuple[Fixed, ...] = ()
    """What never scales."""
    head_minimum: Annotated[int, Ge(0)] = 0
    """The head is never narrower than this."""


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
    """Where it differs from the network's (MobileNetV3), else ""."""
    skip: bool = True
    """Whether blocks that keep size and width have a shortcut."""
    joined: bool = False
    """Part of the stage before it: other blocks, but depth is scaled over their sum (MobileNetV3)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One block with all of its numbers: what a library needs to build it."""

    kind: BlockKind
    width: int
    """Channels in."""
    hidden: int
    """Inner channels; those of the input where a block has none of its own."""
    out: int
    kernel: int
    stride: int
    groups: int
    """Of a bottleneck's middle convolution."""
    squeezed: int
    """Channels of its squeeze-and-excitation; 0 means none."""
    activation: Activation
    skip: bool
    """Whether it has a shortcut, which is a 1x1 convolution where size or width change."""


@dataclass(frozen=True, kw_only=True)  # no slots: it keeps its fingerprint
class Architecture:
    """A whole network at one resolution. Images are square and have three channels."""

    name: str
    resolution: Annotated[int, Ge(1), Le(8192)]
    """Height and width of the images, in pixels."""
    classes: Annotated[int, Ge(1)] = 1000
    stem: Literal["conv3x3", "conv7x7_pool", "patch4x4"] = "conv3x3"
    """Strides of 2, 2 with a pooling of 2 (ResNet), and 4 (ConvNeXt)."""
    stem_width: Annotated[int, Ge(1)]
    stages: Annotated[tuple[Stage, ...], MinLen(1)]
    head: Literal["conv", "pooled_conv"] = "conv"
    """A 1x1 convolution before the pooling, or, with a bias and no norm, after it (MobileNetV3)."""
    head_width: Annotated[int, Ge(0)] = 0
    """0: the last stage is pooled as it is."""
    activation: Activation = "silu"
    squeeze: Literal["input", "hidden"] = "input"
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
        factor = 2 if self.stem == "conv3x3" else 4
        for stage in self.stages:
            factor *= stage.stride
        return factor

    @property
    def features(self) -> int:
        """Channels into the classifier."""
        return self.stages[-1].width if is_absent(self.head_width) else self.head_width

    def list_blocks(self) -> Iterator[tuple[Block, ...]]:
        """The blocks of each stage."""
        for first, rest, repeats in self.pair_blocks():
            yield (first, *[rest] * (repeats - 1))

    def pair_blocks(self) -> Iterator[tuple[Block, Block, int]]:
        """Of each stage the first block, what all others are, and how many blocks there are."""
        width = self.stem_width
        for stage in self.stages:
            first = self._block(stage, width, stage.stride)
            width = stage.width
            yield first, self._block(stage, width, 1), stage.repeats

    @property
    def blocks(self) -> tuple[Block, ...]:
        """All blocks, from the stem to the head."""
        return tuple(block for stage in self.list_blocks() for block in stage)

    def _block(self, stage: Stage, width: int, stride: int) -> Block:
        hidden = _hidden_width(stage, width)
        projected = stage.block in ("basic", "bottleneck", "convnext")
        same = (stride == 1) & (width == stage.width)
        bare = stage.block == "fused" and stage.expansion == 1
        return Block(
            kind=stage.block,
            width=width,
            hidden=hidden,
            out=stage.width,
            kernel=stage.kernel,
            stride=stride,
            groups=1 if is_absent(stage.group_width) else hidden // stage.group_width,
            squeezed=0 if bare else self._squeezed_width(stage, width, hidden),
            activation=stage.activation or self.activation,
            skip=projected or (same & stage.skip & (stage.block != "separable")),
        )

    def _squeezed_width(self, stage: Stage, width: int, hidden: int) -> int:
        if self.squeeze == "hidden" and stage.se_ratio:
            return round_width(hidden * stage.se_ratio, 8)
        return round_half_even(width * stage.se_ratio)

    @cached_property
    def fingerprint(self) -> str:
        """Twelve hex digits that are equal for equal networks, whatever they are called.

        Fields at their default are left out, so that a new field changes no old fingerprint.
        """
        network = _without_defaults(self)
        for key in ("name", "dropout", "drop_path", "rounding"):
            network.pop(key, None)
        network["stages"] = None  # in their place the texts of each, which many networks share
        stages = ", ".join(map(_describe_stage, self.stages))
        text = json.dumps(network, sort_keys=True).replace(
            '"stages": null', f'"stages": [{stages}]'
        )
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def to_dict(self) -> dict[str, Any]:
        """Plain data, as it stands in emitted configs and records."""
        return json.loads(json.dumps(asdict(self)))  # type: ignore[no-any-return]

    def unroll(self) -> dict[str, Any]:
        """Plain data for builders: no stages, but every block with all of its numbers."""
        network = self.to_dict()
        for key in ("name", "stages", "rounding"):
            del network[key]
        stages = [[asdict(block) for block in stage] for stage in self.list_blocks()]
        return {**network, "stages": stages}

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> "Architecture":
        """The inverse of `to_dict`. Raises `TypeError` for missing or unknown fields."""
        rounding = {**content.get("rounding", {})}
        rounding["fixed"] = tuple(rounding.get("fixed", ()))
        parts = {
            "stages": tuple(_make_stage(**stage) for stage in content["stages"]),
            "rounding": Rounding(**rounding),
        }
        return cls(**{**content, **parts})


# Thousands of networks have the same few hundred stages.
_make_stage = lru_cache(maxsize=2**16, typed=True)(Stage)


@lru_cache(maxsize=2**16)
def _describe_stage(stage: Stage) -> str:
    return json.dumps(_without_defaults(stage), sort_keys=True)


def _without_defaults(value: Any) -> dict[str, Any]:
    kept = {}
    for name, default in _list_defaults(value.__class__):
        one = getattr(value, name)
        if one != default:
            # 6 and 6.0 are the same expansion.
            whole = isinstance(one, float) and one.is_integer()
            kept[name] = int(one) if whole else one
    return kept


@cache
def _list_defaults(kind: type) -> tuple[tuple[str, Any], ...]:
    return tuple((field.name, field.default) for field in fields(kind))


def round_width(width: float, divisor: int, limit: float = 0.9) -> int:
    """The multiple of `divisor` nearest to `width`, or the next one if less than `limit` is left.

    From EfficientNet's `round_filters`; MobileNetV2's `make_divisible` is the same rule.
    """
    rounded = at_least(divisor, truncate(width + divisor / 2) // divisor * divisor)
    return rounded + divisor * (rounded < limit * width)


def _hidden_width(stage: Stage, width: int) -> int:
    if stage.block in ("bottleneck", "convnext"):
        return round_half_even(stage.width * stage.expansion)
    if stage.expansion == 1 or stage.block in ("separable", "basic"):
        return width
    expanded = width if is_absent(stage.expanded_width) else stage.expanded_width
    return round_width(expanded * stage.expansion, 8)


def stack(networks: Sequence[Architecture]) -> Architecture:
    """Sizes of one network as one value, in which each number that sizes differ in is an array.

    `scale` and `measure` take it as they take a network: their arithmetic is the same. Raises
    `ValueError` for networks that differ in more than depth, width and resolution, and
    `ScalectlError` for such as no machine could train, whose costs might not fit into 64 bits.
    """
    import numpy as np

    stranger = ValueError("these are not sizes of one network")
    if len({(_FORM(one), tuple(map(_STAGE_FORM, one.stages))) for one in networks}) > 1:
        raise stranger

    def collect(parts: Sequence[Any], names: Sequence[str]) -> dict[str, Any]:
        found = {name: [getattr(part, name) for part in parts] for name in names}
        there = {name: sizes for name, sizes in found.items() if any(sizes)}
        if not all(map(all, there.values())):
            raise stranger
        return {name: np.array(sizes) for name, sizes in there.items()}

    stages = tuple(
        replace(parts[0], **collect(parts, ("repeats", "width", "expanded_width", "group_width")))
        for parts in zip(*(one.stages for one in networks), strict=True)
    )
    numbers = collect(networks, ("resolution", "stem_width", "head_width"))
    widest = max(int(np.max(one.width)) for one in stages)
    largest = int(np.max(numbers["resolution"]))
    if widest * largest > _LIMIT:
        raise ScalectlError(
            f"{networks[0].name} has {widest:,} channels on {largest:,} px images, too many to search.",
            "Make it narrower, or its images smaller.",
        )
    return replace(networks[0], stages=stages, **numbers)


_LIMIT = 2**25
"""Channels x pixels along a side: squared, and times the weights of a kernel, they fit 64 bits."""
_FORM = attrgetter("stem", "head", "squeeze", "classes", "rounding")
_STAGE_FORM = attrgetter("block", "stride", "kernel", "expansion", "se_ratio", "joined")


# Of numbers, and of arrays of them (`stack`).


def is_absent(size: int) -> bool:
    """Whether it stands for what a network does not have, such as a head."""
    return isinstance(size, int) and size == 0


def truncate(value: float) -> int:
    """Towards 0."""
    return int(value) if isinstance(value, int | float) else value.astype("int64")


def round_half_even(value: float) -> int:
    """To the nearest whole number."""
    return round(value) if isinstance(value, int | float) else value.round().astype("int64")


def at_least(least: int, value: int) -> int:
    """The larger one."""
    return max(least, value) if isinstance(value, int) else value.clip(least)
