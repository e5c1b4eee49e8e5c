"""What a network is chosen by."""

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Lt

By = Literal["activations", "latency", "closeness"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Preference:
    """What the network to recommend is chosen by."""

    response: Literal["log_loss", "top1"] = "log_loss"
    """What networks are compared by. Log-loss has the same order as top-1, with far less noise."""
    delta: Annotated[float, Ge(0), Lt(1)] = 0.005
    """Differences up to this, in top-1 as a fraction, do not matter."""
    by: By = "activations"
    """What decides among networks whose expected regrets are within delta / 4: the fewest activations,
    the lowest latency measured on this machine, or closeness to dwr."""
