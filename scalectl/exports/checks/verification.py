"""Compare the network that is built from an emitted file with what the file claims."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from scalectl.arch.counter import count_cost
from scalectl.exports.checks.conventions import Comparison, comment_rates, tell_difference

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
    comparison: Comparison | None = None
    """What counting does not show, beside the library's own network; None where nothing is built."""


def count_outputs(claims: dict[str, Any]) -> int:
    """Return how many numbers an image becomes: logits, or features where there is no classifier."""
    return int(claims["classes"] or claims["features"])


def comment_momentum(network: "nn.Module") -> str:
    """Say where batch norms keep no averages; "" where they do.

    Keras writes the part that stays, torch the part that is new, and libraries have mixed them up.
    """
    from torch.nn import BatchNorm2d

    norms = (norm for norm in network.modules() if isinstance(norm, BatchNorm2d))
    wrong = [norm.momentum for norm in norms if norm.momentum and norm.momentum > 0.5]
    if not wrong:
        return ""
    return (
        f"; but its batch norms have a momentum of {wrong[0]:g}, with which running statistics are "
        "those of the last batch: set it to 0.1 in the built network before training"
    )


def comment_differences(comparison: Comparison) -> str:
    """Say where a network is other than the library's own for no known reason; "" where it is not."""
    differences = [tell_difference(each, comparison.reference) for each in comparison.unmeant]
    return "".join(f"; but {difference}" for difference in differences)


def check(
    network: "nn.Module",
    claims: dict[str, Any],
    comparison: Comparison | None = None,
    device: str = "meta",
) -> Verification:
    """Count on the network's device, and compare with what a file claims of it."""
    from scalectl.exports.checks.inspection import list_dropouts

    expected, (channels, resolution, _) = claims["params"], claims["input_size"]
    classes = count_outputs(claims)
    cost, shape = count_cost(network, resolution, channels, device)
    forward_ok = shape == (1, classes)
    if cost.params != expected:
        note = f"built {cost.params:,} parameters, the file says {expected:,}"
    elif cost.macs != claims["macs"]:
        note = f"built {cost.macs:,} multiply-adds, the file says {claims['macs']:,}"
    elif not forward_ok:
        note = f"a forward pass gives {shape} instead of (1, {classes})"
    else:
        note = f"built and run: {cost.params:,} parameters, {cost.macs:,} MACs, as stated"
    note += comment_momentum(network)
    if comparison is not None:
        note += comment_differences(comparison) + comment_rates(list_dropouts(network), claims)
    return Verification(
        ok=(cost.params, cost.macs, shape) == (expected, claims["macs"], (1, classes)),
        expected_params=expected,
        params=cost.params,
        forward_ok=forward_ok,
        note=note,
        comparison=comparison,
    )
