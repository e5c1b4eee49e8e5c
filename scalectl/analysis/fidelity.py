"""Whether longer trainings would choose the same (docs/method.md, section 4)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, islice

import numpy as np

from scalectl.analysis.evidence import list_trained
from scalectl.analysis.surface import find_optimum
from scalectl.arch.scaling import Shares
from scalectl.trial import Candidate, Record, average_scores

_LEAST_POINTS = 15
_SPLITS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Fidelity:
    """The same candidates after brief and after longer trainings."""

    epochs: int
    """Of the search."""
    longer: int
    pairs: tuple[tuple[Candidate, float, float], ...]
    """Each candidate that was trained both ways, and its mean top-1 of either."""
    tau: float
    """Kendall's tau-b between them: 1 where both rank alike."""
    interval: tuple[float, float]
    """95 %, by Fisher's z with the variance of Fieller, Hartley & Pearson (1957)."""
    ceiling: float | None
    """tau-b between two halves of the brief trainings' seeds, on average: what noise alone allows.
    None with one seed."""
    shares: Shares | None
    """Where the surface of these candidates is highest after brief trainings."""
    longer_shares: Shares | None
    note: str
    """What to make of it, in a sentence."""


def compare_epochs(records: Sequence[Record]) -> Fidelity | None:
    """Compare brief with longer trainings; None until five candidates have been trained both ways."""
    done = list_trained(records)
    long = [record for record in done if record.trial.purpose == "fidelity"]
    names = {record.trial.candidate.fingerprint for record in long}
    brief = [
        record
        for record in done
        if record.trial.purpose == "search" and record.trial.candidate.fingerprint in names
    ]
    means, longer_means = average_scores(brief), average_scores(long)
    both = [name for name in means if name in longer_means]
    if len(both) < 5:
        return None
    candidates = {record.trial.candidate.fingerprint: record.trial.candidate for record in brief}
    tau = _correlate([means[name] for name in both], [longer_means[name] for name in both])
    shares, longer_shares = find_optimum(brief), find_optimum(long)
    interval = _bound(tau, len(both))
    return Fidelity(
        epochs=brief[0].trial.recipe.epochs,
        longer=long[0].trial.recipe.epochs,
        pairs=tuple((candidates[name], means[name], longer_means[name]) for name in both),
        tau=tau,
        interval=interval,
        ceiling=_find_ceiling(brief),
        shares=shares,
        longer_shares=longer_shares,
        note=_explain(interval, len(both), shares, longer_shares),
    )


def _correlate(first: Sequence[float], second: Sequence[float]) -> float:
    """Return Kendall's tau-b; 0 where all values of one sequence are equal."""
    from scipy import stats

    if len(set(first)) == 1 or len(set(second)) == 1:
        return 0.0
    return float(stats.kendalltau(first, second).statistic)


def _bound(tau: float, count: int) -> tuple[float, float]:
    z = math.atanh(max(-0.999, min(0.999, tau)))
    reach = 1.96 * math.sqrt(0.437 / (count - 4))
    return math.tanh(z - reach), math.tanh(z + reach)


def _find_ceiling(records: Sequence[Record]) -> float | None:
    seeds = sorted({record.trial.seed for record in records})
    if len(seeds) < 2:
        return None
    taus = []
    for half in islice(combinations(seeds, len(seeds) // 2), _SPLITS):
        ours = average_scores([record for record in records if record.trial.seed in half])
        theirs = average_scores([record for record in records if record.trial.seed not in half])
        both = [name for name in ours if name in theirs]
        taus.append(_correlate([ours[name] for name in both], [theirs[name] for name in both]))
    return float(np.mean(taus))


def _explain(
    interval: tuple[float, float], count: int, shares: Shares | None, longer: Shares | None
) -> str:
    if interval[0] > 0:
        text = "Brief and longer trainings rank the candidates alike"
    else:
        text = "It is not shown that brief and longer trainings rank the candidates alike"
    if count < _LEAST_POINTS:
        text += f", by {count} candidates only ({_LEAST_POINTS} say more)"
    if shares and longer:
        moves = {
            name: getattr(longer, name) - getattr(shares, name)
            for name in ("depth", "width", "resolution")
        }
        text += "; with longer ones the best share of " + ", of ".join(
            f"{name} moves by {move:+.2f}" for name, move in moves.items()
        )
    return text + "."
