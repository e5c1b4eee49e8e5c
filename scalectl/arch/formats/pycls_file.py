"""Read the YAML files of pycls (facebookresearch): its EfficientNet, AnyNet, RegNet and ResNet."""

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from itertools import accumulate
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from annotated_types import Ge, Gt, Le

from scalectl import parsing
from scalectl.arch.architecture import Architecture, Stage
from scalectl.arch.rounding import Rounding
from scalectl.errors import ScalectlError, describe

T = TypeVar("T")
Whole = Annotated[int, Gt(0)]
Ratio = Annotated[float, Ge(0), Le(1)]
Stem = Literal["simple_stem_in", "res_stem_in"]
Block = Literal["res_bottleneck_block", "res_basic_block"]


# Defaults are those of pycls/core/config.py.


@dataclass(frozen=True, slots=True, kw_only=True)
class _Model:
    type: Literal["effnet", "anynet", "regnet", "resnet"]
    num_classes: Whole = 10
    activation_fun: Literal["relu", "silu", "swish"] = "relu"
    depth: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _EfficientNet:
    strides: tuple[Literal[1, 2], ...]
    depths: tuple[Whole, ...]
    widths: tuple[Whole, ...]
    exp_ratios: tuple[Annotated[float, Gt(0)], ...]
    kernels: tuple[Whole, ...]
    stem_w: Whole = 32
    head_w: Whole = 1280
    se_r: Ratio = 0.25
    dc_ratio: Ratio = 0.0
    dropout_ratio: Ratio = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Common:
    """What AnyNet and RegNet have in common: all but how their stages are said."""

    stem_type: Stem = "simple_stem_in"
    stem_w: Whole = 32
    block_type: Block = "res_bottleneck_block"
    head_w: Annotated[int, Ge(0)] = 0
    se_on: bool = False
    se_r: Ratio = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class _AnyNet(_Common):
    strides: tuple[Literal[1, 2], ...]
    depths: tuple[Whole, ...]
    widths: tuple[Whole, ...]
    bot_muls: tuple[Annotated[float, Gt(0)], ...] = ()
    group_ws: tuple[Whole, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _RegNet(_Common):
    depth: Annotated[int, Gt(0), Le(1000)] = 10
    w0: Annotated[int, Gt(0)] = 32
    wa: Annotated[float, Ge(0)] = 5.0
    wm: Annotated[float, Gt(1)] = 2.5
    group_w: Whole = 16
    bot_mul: Annotated[float, Gt(0)] = 1.0
    stride: Literal[1, 2] = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class _ResNet:
    trans_fun: Literal["bottleneck_transform"]
    stride_1x1: Literal[False]
    num_groups: Whole = 1
    width_per_group: Whole = 64


# Not _Model, whose other keys do not change the network.
parsing.forbid_extra(_EfficientNet, _AnyNet, _RegNet, _ResNet)


def read_pycls(path: Path) -> Architecture:
    """Read the network of a pycls file; what concerns its training is passed over.

    Raises `ScalectlError` for what pycls would not take, or nobody can scale.
    """
    content = parsing.read_table(path, _parse_yaml)
    model = _take(content, "MODEL", _Model, path)
    try:
        network = _convert(content, model, path)
    except ValueError as problem:
        raise ScalectlError(f"{path}: {problem}.", "Mend the file.") from None
    network = replace(
        network,
        name=re.sub(r"\W", "_", path.stem.lower()),
        resolution=_find_table(content, "TRAIN", path).get("IM_SIZE", 224),
        classes=model.num_classes,
        activation="relu" if model.activation_fun == "relu" else "silu",
    )
    return parsing.validate(Architecture, network.to_dict(), str(path))


def _convert(content: dict[str, Any], model: _Model, path: Path) -> Architecture:
    """Raises `ValueError` where numbers do not fit each other."""
    match model.type:
        case "effnet":
            return _convert_efficientnet(_take(content, "EN", _EfficientNet, path))
        case "anynet":
            return _convert_anynet(_take(content, "ANYNET", _AnyNet, path))
        case "regnet":
            return _convert_anynet(_generate_stages(_take(content, "REGNET", _RegNet, path)))
        case "resnet":
            return _convert_anynet(_list_stages(_take(content, "RESNET", _ResNet, path), model))


def _convert_efficientnet(given: _EfficientNet) -> Architecture:
    columns = (given.depths, given.widths, given.strides, given.exp_ratios, given.kernels)
    network = Architecture(
        name="",
        resolution=224,
        stem_width=given.stem_w,
        stages=tuple(
            Stage(
                repeats=repeats,
                width=width,
                stride=stride,
                expansion=expansion,
                kernel=kernel,
                se_ratio=given.se_r,
            )
            for repeats, width, stride, expansion, kernel in _pair(columns)
        ),
        head_width=given.head_w,
        dropout=given.dropout_ratio,
        drop_path=given.dc_ratio,
        rounding=Rounding(rule="official"),
    )
    for stage, blocks in zip(network.stages, network.list_blocks(), strict=True):
        for block in blocks:
            inner, squeezed = int(block.width * stage.expansion), int(block.width * given.se_r)
            if (block.hidden, block.squeezed) != (inner, squeezed):
                raise ValueError(
                    f"a block of {block.width} channels has {inner} inner and {squeezed} squeezed ones, "
                    "which scalectl rounds otherwise"
                )
    return network


def _convert_anynet(given: _AnyNet) -> Architecture:
    narrows = given.block_type == "res_bottleneck_block"
    count = len(given.widths)
    columns = (
        *(given.depths, given.widths, given.strides),
        *((given.bot_muls, given.group_ws) if narrows else ((1.0,) * count, (0,) * count)),
    )
    stages = tuple(
        Stage(
            block="bottleneck" if narrows else "basic",
            repeats=repeats,
            width=width,
            stride=stride,
            expansion=expansion,
            group_width=group_width,
            se_ratio=given.se_r if narrows and given.se_on else 0,
        )
        for repeats, width, stride, expansion, group_width in _pair(columns)
    )
    if all(stage.group_width == round(stage.width * stage.expansion) for stage in stages):
        stages = tuple(replace(stage, group_width=0) for stage in stages)  # no groups at all
    pools = given.stem_type == "res_stem_in"
    return Architecture(
        name="",
        resolution=224,
        stem="conv7x7_pool" if pools else "conv3x3",
        stem_width=given.stem_w,
        stages=stages,
        head_width=given.head_w,
        rounding=Rounding(fixed=("stem",)) if pools else Rounding(),
    )


def _generate_stages(given: _RegNet) -> _AnyNet:
    """Find the stages of a RegNet: widths grow linearly, and are quantised (equations 2 to 4)."""
    if given.w0 % 8:
        raise ValueError(f"REGNET.W0 = {given.w0} is no multiple of 8")
    powers = (
        round(math.log(1 + given.wa * block / given.w0, given.wm)) for block in range(given.depth)
    )
    blocks = Counter(round(given.w0 * given.wm**power / 8) * 8 for power in powers)
    fitted = [_fit_groups(width, given.bot_mul, given.group_w) for width in sorted(blocks)]
    return _AnyNet(
        strides=(given.stride,) * len(fitted),
        depths=tuple(blocks[width] for width in sorted(blocks)),
        widths=tuple(width for width, _ in fitted),
        bot_muls=(given.bot_mul,) * len(fitted),
        group_ws=tuple(group_width for _, group_width in fitted),
        **{part.name: getattr(given, part.name) for part in fields(_Common)},
    )


def _fit_groups(width: int, ratio: float, group_width: int) -> tuple[int, int]:
    """Return the width nearest to `width` whose inner width groups divide, and the groups' width."""
    inner = max(1, int(width * ratio))
    group_width = min(group_width, inner)
    multiple = math.lcm(group_width, int(ratio)) if ratio > 1 else group_width
    return int(max(multiple, round(inner / multiple) * multiple) / ratio), group_width


def _list_stages(given: _ResNet, model: _Model) -> _AnyNet:
    if model.depth not in _LAYERS:
        raise ValueError(f"MODEL.DEPTH = {model.depth} is none of {', '.join(map(str, _LAYERS))}")
    inner = [given.num_groups * given.width_per_group * 2**stage for stage in range(4)]
    widths = tuple(256 * 2**stage for stage in range(4))
    return _AnyNet(
        strides=(1, 2, 2, 2),
        depths=_LAYERS[model.depth],
        widths=widths,
        bot_muls=tuple(part / width for part, width in zip(inner, widths, strict=True)),
        group_ws=tuple(part // given.num_groups for part in inner),
        stem_type="res_stem_in",
        stem_w=64,
    )


_LAYERS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
"""Blocks of each stage of a ResNet, by its layers."""


def _pair(columns: Sequence[Sequence[Any]]) -> list[tuple[Any, ...]]:
    lengths = {len(column) for column in columns}
    if len(lengths) > 1:
        raise ValueError(f"its lists have {' and '.join(map(str, sorted(lengths)))} entries")
    return list(zip(*columns, strict=True))


def _take(content: dict[str, Any], name: str, kind: type[T], path: Path) -> T:
    """Check a table of the file, whose keys are the fields of `kind` in capitals."""
    table = {str(key).lower(): value for key, value in _find_table(content, name, path).items()}
    return parsing.validate(kind, table, f"{path}: {name}")


def _find_table(content: dict[str, Any], name: str, path: Path) -> dict[str, Any]:
    table = content.get(name, {})
    if not isinstance(table, dict):
        raise ScalectlError(f"{path}: {name} is no table of keys.", "See the configs of pycls.")
    return table


_DEEPEST = 100


def _parse_yaml(text: str) -> object:
    """Parse YAML without objects of its own, and without aliases, which may outgrow any memory."""
    import yaml

    depths = accumulate((sign in "[{") - (sign in "]}") for sign in text)
    if max(depths, default=0) > _DEEPEST:  # of which the parser would take minutes
        raise ValueError("it is nested too deeply")
    try:
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text)):
            raise ValueError("it has aliases, which are not followed")
        return yaml.safe_load(text)
    except yaml.YAMLError as problem:
        raise ValueError(describe(problem)) from None
