"""A baseline that is a user's own function instead of stages as data."""

import hashlib
import importlib
import os
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from scalectl.architecture import Architecture, Rounding
from scalectl.cost import Cost
from scalectl.errors import ScalectlError

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, slots=True, kw_only=True)
class Factory:
    """`package.module:build` at one size: `build(depth, width, resolution, num_classes)`.

    depth and width are multipliers, 1.0 for the baseline; how they are rounded is the function's
    own affair, so the cost is counted on what it returns.
    """

    name: str
    target: str
    depth: float = 1.0
    width: float = 1.0
    resolution: int
    classes: int = 1000
    rounding: Rounding
    """Of the resolution; the rest is the function's."""
    cost: Cost
    layers: str
    """A hash of what was built: two sizes with equal layers are one network."""

    @property
    def fingerprint(self) -> str:
        """Twelve hex digits that are equal for equal networks, whatever they are called."""
        text = f"{self.layers} {self.resolution} {self.classes}"
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def to_dict(self) -> dict[str, Any]:
        """Plain data, as it stands in emitted configs and records."""
        content = asdict(self)
        content["rounding"]["fixed"] = list(self.rounding.fixed)
        return content


Baseline = Architecture | Factory
"""All that can be scaled."""


def from_dict(content: dict[str, Any]) -> Baseline:
    """The inverse of `to_dict` of either. Runs nobody's code."""
    if "target" not in content:
        return Architecture.from_dict(content)
    rounding = {**content["rounding"], "fixed": tuple(content["rounding"]["fixed"])}
    return Factory(**{**content, "rounding": Rounding(**rounding), "cost": Cost(**content["cost"])})


def realise(
    target: str, depth: float, width: float, resolution: int, classes: int, rounding: Rounding
) -> Factory:
    """The network that the function makes of these numbers, counted on torch's meta device.

    Raises `ScalectlError` where it makes none, or one that does not map images to logits.
    """
    cost, layers = _count(target, depth, width, resolution, classes)
    return Factory(
        name=target.rpartition(":")[2].lower(),
        target=target,
        depth=depth,
        width=width,
        resolution=resolution,
        classes=classes,
        rounding=rounding,
        cost=cost,
        layers=layers,
    )


def resize(network: Baseline, **changes: Any) -> Baseline:
    """`replace` that counts a factory anew: what it was counted with is not its cost any more."""
    wanted = replace(network, **changes)
    if isinstance(wanted, Architecture):
        return wanted
    counted = realise(
        wanted.target,
        wanted.depth,
        wanted.width,
        wanted.resolution,
        wanted.classes,
        wanted.rounding,
    )
    return replace(counted, name=wanted.name)


def build(factory: Factory) -> "nn.Module":
    """The network on torch's default device."""
    return _call(factory.target, factory.depth, factory.width, factory.resolution, factory.classes)


@lru_cache(maxsize=4096)
def _count(
    target: str, depth: float, width: float, resolution: int, classes: int
) -> tuple[Cost, str]:
    import torch

    from scalectl.network import count

    with torch.device("meta"):
        network = _call(target, depth, width, resolution, classes)
    try:
        cost, shape = count(network, resolution)
    except Exception as problem:
        raise _complain(
            target, depth, width, f"fails on a {resolution} px image: {problem}"
        ) from None
    if shape != (1, classes):
        raise _complain(target, depth, width, f"gives {shape} instead of (1, {classes})")
    shapes = [tuple(parameter.shape) for parameter in network.parameters()]
    text = f"{network!r} {shapes} {cost.macs}"
    return cost, hashlib.sha256(text.encode()).hexdigest()[:16]


def _call(target: str, depth: float, width: float, resolution: int, classes: int) -> "nn.Module":
    from torch import nn

    function = _load(target)
    try:
        network = function(depth=depth, width=width, resolution=resolution, num_classes=classes)
    except Exception as problem:
        raise _complain(
            target, depth, width, f"raised {type(problem).__name__}: {problem}"
        ) from None
    if not isinstance(network, nn.Module):
        raise _complain(target, depth, width, f"gives a {type(network).__name__}, no nn.Module")
    return network


def _load(target: str) -> Callable[..., Any]:
    module, _, name = target.partition(":")
    if os.getcwd() not in sys.path:  # noqa: PTH109
        # A console script does not look where the user stands.
        sys.path.insert(0, os.getcwd())  # noqa: PTH109
    try:
        function = getattr(importlib.import_module(module), name, None)
    except Exception as problem:
        raise ScalectlError(
            f"The module of the baseline {target} cannot be imported: {problem}.",
            "Give package.module:function, importable from here.",
        ) from None
    if not callable(function):
        raise ScalectlError(
            f"{module} has no function {name!r}.",
            "It must be build(depth, width, resolution, num_classes) -> torch.nn.Module.",
        )
    return function  # type: ignore[no-any-return]


def _complain(target: str, depth: float, width: float, problem: str) -> ScalectlError:
    return ScalectlError(
        f"{target}(depth={depth:g}, width={width:g}) {problem}.",
        "It must be build(depth, width, resolution, num_classes) -> torch.nn.Module, and build on "
        "torch's meta device.",
    )
