"""Whether longer trainings would choose the same (docs/method.md, section 4)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, islice

import numpy as np

from scalectl.analysis.surface import find_optimum
from scalectl.arch.scaling import Shares
from scalectl.trial import Candidate, Record, State, average_scores

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
    """None until five candidates have been trained both ways."""
    done = [
        one for one in records if one.state is State.DONE and one.trial.candidate.shares is not None
    ]
    long = [one for one in done if one.trial.purpose == "fidelity"]
    names = {one.trial.candidate.fingerprint for one in long}
    brief = [
        one
        for one in done
        if one.trial.purpose == "search" and one.trial.candidate.fingerprint in names
    ]
    means, longer_means = average_scores(brief), average_scores(long)
    both = [name for name in means if name in longer_means]
    if len(both) < 5:
        return None
    candidates = {one.trial.candidate.fingerprint: one.trial.candidate for one in brief}
    tau = _rank([means[name] for name in both], [longer_means[name] for name in both])
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


def _rank(one: Sequence[float], other: Sequence[float]) -> float:
    """0 where one of them has no order at all."""
    from scipy import stats

    if len(set(one)) == 1 or len(set(other)) == 1:
        return 0.0
    return float(stats.kendalltau(one, other).statistic)


def _bound(tau: float, count: int) -> tuple[float, float]:
    z = math.atanh(max(-0.999, min(0.999, tau)))
    reach = 1.96 * math.sqrt(0.437 / (count - 4))
    return math.tanh(z - reach), math.tanh(z + reach)


def _find_ceiling(records: Sequence[Record]) -> float | None:
    seeds = sorted({one.trial.seed for one in records})
    if len(seeds) < 2:
        return None
    taus = []
    for half in islice(combinations(seeds, len(seeds) // 2), _SPLITS):
        ours = average_scores([one for one in records if one.trial.seed in half])
        theirs = average_scores([one for one in records if one.trial.seed not in half])
        both = [name for name in ours if name in theirs]
        taus.append(_rank([ours[name] for name in both], [theirs[name] for name in both]))
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
