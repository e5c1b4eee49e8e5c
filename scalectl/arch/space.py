"""The space of an architecture search: what each stage of a baseline may be made of.

It is MnasNet's factorised hierarchical one (Tan et al. 2019, section 4.1): a choice holds for all
blocks of its stage, and strides, stem and head stay.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt, Le, MinLen

from scalectl.arch.architecture import Architecture, Stage
from scalectl.arch.factory import Baseline, Factory
from scalectl.arch.scaling import multiply
from scalectl.errors import ScalectlError

Choices = Mapping[str, Any]
"""Dimension -> what was chosen, such as "stage3.kernel" -> 5; stages are counted from 1."""
Kind = Literal["mbconv", "fused", "separable"]
KINDS: tuple[Kind, ...] = ("mbconv", "fused", "separable")
"""Kinds of blocks that may take each other's place: each has one spatial convolution."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Space:
    """What a stage may be made of; its own value in the baseline is always among the choices."""

    block: Annotated[tuple[Kind, ...], MinLen(1)] = KINDS
    """Separable blocks have neither expansion nor shortcut, whatever is chosen for these."""
    kernel: Annotated[tuple[Literal[3, 5, 7, 9, 11], ...], MinLen(1)] = (3, 5)
    expansion: Annotated[tuple[Annotated[float, Ge(1), Le(12)], ...], MinLen(1)] = (3, 4, 6)
    se_ratio: Annotated[tuple[Annotated[float, Ge(0), Le(1)], ...], MinLen(1)] = (0, 0.25)
    """Squeeze-and-excitation; 0 is none."""
    repeats: Annotated[tuple[Annotated[int, Ge(-8), Le(8)], ...], MinLen(1)] = (-1, 0, 1)
    """Blocks more or fewer than the baseline's; one is always left."""
    width: Annotated[tuple[Annotated[float, Gt(0), Le(4)], ...], MinLen(1)] = (0.75, 1, 1.25)
    """Multipliers of the stage's channels, which are rounded as the baseline rounds."""
    skip: Annotated[tuple[bool, ...], MinLen(1)] = (True, False)
    """Whether blocks that keep size and width have a shortcut."""


def list_dimensions(space: Space, start: Architecture) -> dict[str, tuple[Any, ...]]:
    """List the choices of each dimension that has several, the baseline's own first.

    Raises `ScalectlError` for a baseline of other blocks.
    """
    other = next((stage.block for stage in start.stages if stage.block not in KINDS), None)
    if other:
        raise ScalectlError(
            f"{start.name} has {other} blocks, for which there is no space of architectures.",
            f"Choose a baseline whose blocks are {', '.join(KINDS)}.",
        )
    choices = {
        name: tuple(dict.fromkeys([own, *getattr(space, name.partition(".")[2])]))
        for name, own in read_choices(start, start).items()
    }
    return {name: values for name, values in choices.items() if len(values) > 1}


def read_choices(start: Architecture, network: Architecture) -> dict[str, Any]:
    """Describe a network of the space by all dimensions, as they came out."""
    choices = describe_stages(network)
    for number, own in enumerate(start.stages, 1):
        choices[f"stage{number}.repeats"] -= own.repeats
        choices[f"stage{number}.width"] /= own.width
    return choices


def describe_stages(network: Architecture) -> dict[str, Any]:
    """Describe what each stage of any network is made of, such as "stage3.kernel" -> 5.

    In place of multipliers and differences, `width` is channels and `repeats` blocks.
    """
    return {
        f"stage{number}.{part.name}": getattr(stage, part.name)
        for number, stage in enumerate(network.stages, 1)
        for part in fields(Space)
    }


def build_architecture(start: Architecture, choices: Choices) -> Architecture:
    """Make the network of these choices; in a dimension that is not named it is the start."""
    chosen = {**read_choices(start, start), **choices}
    stages = tuple(
        _change(
            stage,
            {part.name: chosen[f"stage{number}.{part.name}"] for part in fields(Space)},
            start,
        )
        for number, stage in enumerate(start.stages, 1)
    )
    network = replace(start, stages=stages)
    return replace(network, name=f"{start.name}_{network.fingerprint}")


def fuse_early_stages(network: Baseline, most: int) -> dict[tuple[int, ...], Architecture]:
    """Make a network with its first mbconv stages fused: none of them, the first, ..., the first `most`.

    Keys are the numbers of the fused stages, counted from 1; all else stays as it is (Tan & Le 2021,
    section 3.2). Raises `ScalectlError` where there are not so many.
    """
    if isinstance(network, Factory):
        raise ScalectlError(
            f"{network.target} is a factory, whose stages scalectl does not know.",
            "Choose a network of stages: scalectl baselines lists some.",
        )
    depthwise = [n for n, stage in enumerate(network.stages, 1) if stage.block == "mbconv"]
    if not depthwise:
        raise ScalectlError(
            f"{network.name} has no mbconv stages that could be fused.",
            "scalectl profile NETWORK --per-stage shows the blocks; efficientnet_b0 has some.",
        )
    if most > len(depthwise):
        raise ScalectlError(
            f"{network.name} has {len(depthwise)} mbconv stages, and {most} are to be fused.",
            f"Give {len(depthwise)} or less.",
        )
    chosen = [tuple(depthwise[:count]) for count in range(most + 1)]
    return {
        stages: build_architecture(network, {f"stage{n}.block": "fused" for n in stages})
        for stages in chosen
    }


def _change(stage: Stage, chosen: dict[str, Any], start: Architecture) -> Stage:
    repeats = max(1, stage.repeats + chosen["repeats"])
    width = multiply(stage.width, chosen["width"], start.rounding.round_width)
    changed = replace(stage, **{**chosen, "repeats": repeats, "width": width})
    if changed.block == "separable":  # choices that change nothing make no other network
        return replace(changed, expansion=1, expanded_width=0, always_expand=False, skip=True)
    return changed
