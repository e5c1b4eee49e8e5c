"""From records to a choice: the fitted surface, and what it can claim (METHOD, section 4)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from scalectl.scaling import Coefficients, Shares
from scalectl.trial import Candidate, Record

Status = Literal["identified", "not_identified", "no_eligible_winner"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The finished trials of one candidate."""

    candidate: Candidate
    n: int
    """Number of seeds that finished (state "done")."""
    failed: int
    """Trials that did not."""
    mean_top1: float | None
    sd_top1: float | None
    """Over seeds, with n - 1; None below two."""
    mean_loss: float | None
    mean_train_top1: float | None
    mean_seconds: float | None
    macs_spent: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """Least squares of top-1 on the shares, in blocks."""

    order: Literal["quadratic", "cubic"]
    r2: float
    residual_sd: float
    pure_error_sd: float | None
    lack_of_fit_p: float | None
    shares_p: float
    """Of the F test that the shares matter at all."""
    max_leverage: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Indifference:
    """All shares that cannot be told, one-sided at 95 %, from the best by more than delta."""

    delta: float
    """In top-1, as a fraction."""
    fraction: float
    """Of the searched part of the triangle."""
    alpha: tuple[float, float]
    beta: tuple[float, float]
    gamma: tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What the records support."""

    status: Status
    reason: str
    """One sentence for people."""
    winner: Summary | None
    """None unless identified."""
    recommended: Coefficients
    """The winner's; the balanced "dwr" where the data support no choice."""
    argmax: Summary | None
    """The highest mean, which over-reports itself: shown beside the winner, never used."""
    optimum: Shares | None
    """Where the fitted surface is highest."""
    indifference: Indifference | None
    fit: Fit | None


def summarise(records: Sequence[Record]) -> tuple[Summary, ...]:
    """One summary per network, in order of first appearance; the baseline is among them."""
    raise NotImplementedError


def select(records: Sequence[Record], delta: float = 0.002) -> Selection:
    """The winner with its uncertainty, or the reason why there is none."""
    raise NotImplementedError
