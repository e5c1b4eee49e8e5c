"""The reference against its controls, on images that the search never saw (METHOD, section 4, item 7)."""

from dataclasses import dataclass

from scalectl.trial import Candidate


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The reference against one control, paired by fresh seeds, on the test split."""

    control: Candidate
    differences: tuple[float, ...]
    """Reference - control, for each seed, in top-1 as fractions."""
    mean: float
    interval: tuple[float, float] | None
    """95 %, BCa; None with fewer than 3 seeds."""
    p: float | None
    """Exact sign-flip, two-sided; None with fewer than 2 seeds."""
    p_holm: float | None
    """Holm over all comparisons of the confirmation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmation:
    """What fresh seeds say of the choice."""

    phi: float
    """1, or more for the validation of extrapolation."""
    reference: Candidate
    """The winner, or what is recommended."""
    mean_top1: float
    """Of the reference, on the test split."""
    comparisons: tuple[Comparison, ...]
    claim: str
    """One sentence: what may be claimed."""
