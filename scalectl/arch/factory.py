"""Baselines that are a user's own function instead of stages as data."""

import hashlib
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Self

from scalectl.arch import users_code
from scalectl.arch.architecture import Architecture
from scalectl.arch.cost import Cost, compute_cost
from scalectl.arch.rounding import Rounding
from scalectl.arch.users_code import Call

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, slots=True, kw_only=True)
class Factory:
    """A call `build(depth, width, resolution, num_classes)` of a user's function, and what it costs.

    `depth` and `width` are multipliers, 1.0 for the baseline. The function rounds them as it likes,
    so the cost is counted on the network that it returns.
    """

    name: str
    target: str
    """The function, as `package.module:build`."""
    depth: float = 1.0
    width: float = 1.0
    resolution: int
    classes: int = 1000
    rounding: Rounding
    """How the resolution is rounded; the function rounds depth and width."""
    cost: Cost
    layers: str
    """A hash of what was built: sizes with equal layers are the same network."""

    @property
    def fingerprint(self) -> str:
        """Twelve hex digits that are equal for equal networks, whatever they are called."""
        text = f"{self.layers} {self.resolution} {self.classes}"
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, as it stands in emitted configs and records."""
        return asdict(self)

    def rebuild(self, **changes: Any) -> Self:
        """Return the factory with some fields changed, and its cost counted again.

        Raises `ScalectlError` as `make_factory` does.
        """
        changed = replace(self, **changes)
        cost, layers = _count(changed.call)
        return replace(changed, cost=cost, layers=layers)

    @property
    def call(self) -> Call:
        return Call(self.target, self.depth, self.width, self.resolution, self.classes)

    def build(self) -> "nn.Module":
        """Call the function; the network is on torch's default device."""
        return users_code.build(self.call)


Baseline = Architecture | Factory
"""What can be scaled: stages as data, or a user's function."""


def count_channels(baseline: Baseline) -> int:
    """Return the channels of the images; a factory's are in colour."""
    return 3 if isinstance(baseline, Factory) else baseline.channels


def at_resolution(network: Baseline, resolution: int) -> Baseline:
    """Return the network for images of `resolution` x `resolution` pixels."""
    if isinstance(network, Factory):
        return network.rebuild(resolution=resolution)
    return replace(network, resolution=resolution)


def cost_of(baseline: Baseline) -> Cost:
    """Return the cost of a whole network: an architecture's is computed, a factory's was counted."""
    return baseline.cost if isinstance(baseline, Factory) else compute_cost(baseline)


def parse_baseline(content: dict[str, Any]) -> Baseline:
    """Restore a baseline from its `to_dict`. A factory is read as it was counted: no code runs."""
    if "target" not in content:
        return Architecture.from_dict(content)
    rounding = {**content["rounding"], "fixed": tuple(content["rounding"]["fixed"])}
    return Factory(**{**content, "rounding": Rounding(**rounding), "cost": Cost(**content["cost"])})


def make_factory(target: str, resolution: int, classes: int = 1000) -> Factory:
    """Call a user's function at its baseline size, and count the network that it returns.

    `target` is `package.module:build`, `resolution` in pixels. Raises `ScalectlError` where the
    function cannot be imported or called, or its network does not map images to logits.
    """
    cost, layers = _count(Call(target, 1.0, 1.0, resolution, classes))
    return Factory(
        name=target.rpartition(":")[2].lower(),
        target=target,
        resolution=resolution,
        classes=classes,
        rounding=Rounding(),
        cost=cost,
        layers=layers,
    )


@lru_cache(maxsize=4096)
def _count(call: Call) -> tuple[Cost, str]:
    cost, layers = _ask("count", call)
    return Cost(**cost), layers


def rehearse(factory: Factory) -> None:
    """Take one training step. Raises `ScalectlError`, which names the cure, where that is impossible."""
    _ask("rehearse", factory.call)


def _ask(task: str, call: Call) -> Any:
    from scalectl.arch import counting

    try:
        return counting.ask(task, call)
    except counting.LostError as problem:
        users_code.complain(call, str(problem))
