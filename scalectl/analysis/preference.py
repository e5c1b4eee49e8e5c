"""What a winner is chosen by."""

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Lt


@dataclass(frozen=True, slots=True, kw_only=True)
class Preference:
    """What the winner is chosen by, of all candidates that cannot be told from the best."""

    delta: Annotated[float, Ge(0), Lt(1)] = 0.002
    """Differences up to this, in top-1 as a fraction, do not matter."""
    by: Literal["activations", "latency", "closeness"] = "activations"
    """The fewest activations, the lowest latency measured on this machine, or the closest to dwr."""
