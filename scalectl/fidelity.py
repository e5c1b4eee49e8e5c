"""Whether brief trainings rank as longer ones do (METHOD, section 4, item 8)."""

from dataclasses import dataclass

from scalectl.scaling import Shares
from scalectl.trial import Candidate


@dataclass(frozen=True, slots=True, kw_only=True)
class Fidelity:
    """The search's trainings beside longer ones of the same networks."""

    epochs: int
    longer: int
    """Epochs of the longer trainings."""
    pairs: tuple[tuple[Candidate, float, float], ...]
    """Mean top-1, short and long, of each candidate trained in both."""
    tau: float
    """Kendall's tau-b."""
    interval: tuple[float, float]
    """95 %."""
    ceiling: float | None
    """Tau between halves of the seeds: what noise alone permits."""
    shares: Shares | None
    """Of the optimum, short."""
    longer_shares: Shares | None
    note: str
    """One sentence."""
