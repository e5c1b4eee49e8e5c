"""Compare the network that is built from an emitted file with what the file claims."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from scalectl.arch.counter import count_cost

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """A network built from an emitted file, compared with the file's claims."""

    ok: bool | None
    """None where it could not be checked, such as without the library."""
    expected_params: int
    """Trainable parameters, as the file states them."""
    params: int | None = None
    forward_ok: bool | None = None
    """Whether an image of the stated size becomes one row of logits."""
    note: str


def check(network: "nn.Module", claims: dict[str, Any]) -> Verification:
    """Count on the meta device, and compare with what a file claims of its network."""
    expected, resolution, classes = claims["params"], claims["input_size"][1], claims["classes"]
    cost, shape = count_cost(network, resolution)
    forward_ok = shape == (1, classes)
    if cost.params != expected:
        note = f"built {cost.params:,} parameters, the file says {expected:,}"
    elif cost.macs != claims["macs"]:
        note = f"built {cost.macs:,} multiply-adds, the file says {claims['macs']:,}"
    elif not forward_ok:
        note = f"a forward pass gives {shape} instead of (1, {classes})"
    else:
        note = f"built and run: {cost.params:,} parameters, {cost.macs:,} MACs, as stated"
    return Verification(
        ok=(cost.params, cost.macs, shape) == (expected, claims["macs"], (1, classes)),
        expected_params=expected,
        params=cost.params,
        forward_ok=forward_ok,
        note=note,
    )
