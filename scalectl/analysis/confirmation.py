"""The choice against its controls, on fresh seeds and untouched images (docs/method.md, section 4)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean

import numpy as np

from scalectl.arch.scaling import NAMED, Coefficients
from scalectl.trial import Candidate, Record, State, list_scores

_LEVEL = 0.05
_MOST_EXACT = 16
"""Seeds up to which all 2^n signs are tried; beyond, 99,999 of them at random."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The reference against one control, paired by seed, on the test split."""

    control: Candidate
    differences: tuple[float, ...]
    """Reference - control, for each seed, in top-1 as fractions."""
    mean: float
    interval: tuple[float, float] | None
    """95 %, BCa (Efron 1987); None below three seeds, or where all differences are the same."""
    p: float | None
    """Two-sided, of the sign-flip test, which is exact up to 16 seeds; None below two seeds."""
    p_holm: float | None
    """Adjusted for all comparisons of the confirmation (Holm 1979)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmation:
    """What was chosen against every control, at one size."""

    phi: float
    reference: Candidate
    mean_top1: float
    """Of the reference, on the test split: no choice was made on it, so it flatters nobody."""
    comparisons: tuple[Comparison, ...]
    claim: str
    """One sentence: what may be said of it."""


def confirm(records: Sequence[Record], chosen: Coefficients) -> tuple[Confirmation, ...]:
    """One for each size at which the chosen coefficients were trained to be confirmed."""
    done = [one for one in records if one.trial.purpose == "confirm" and one.state is State.DONE]
    phis = sorted({one.trial.candidate.phi for one in done})
    found = [
        _confirm([one for one in done if one.trial.candidate.phi == phi], chosen) for phi in phis
    ]
    return tuple(one for one in found if one)


def _confirm(records: Sequence[Record], chosen: Coefficients) -> Confirmation | None:
    scores = list_scores(records)
    networks = {one.trial.candidate.fingerprint: one.trial.candidate for one in records}
    ours = [name for name, one in networks.items() if one.coefficients == chosen]
    if not ours:
        return None
    reference = scores[ours[0]]
    comparisons = [
        _compare(networks[name], reference, theirs)
        for name, theirs in sorted(scores.items(), key=lambda one: place(networks[one[0]]))
        # What an earlier choice left behind has no name.
        if name != ours[0] and networks[name].control and reference.keys() & theirs.keys()
    ]
    adjusted = _adjust(comparisons)
    return Confirmation(
        phi=networks[ours[0]].phi,
        reference=networks[ours[0]],
        mean_top1=fmean(reference.values()),
        comparisons=adjusted,
        claim=_claim(networks[ours[0]], adjusted),
    )


def place(candidate: Candidate) -> int:
    """Of a control among all of them, as they are always listed; others come last."""
    return list(NAMED).index(candidate.control) if candidate.control in NAMED else len(NAMED)


def _compare(
    control: Candidate, reference: dict[int, float], theirs: dict[int, float]
) -> Comparison:
    pairs = sorted(reference.keys() & theirs.keys())
    differences = tuple(reference[seed] - theirs[seed] for seed in pairs)
    return Comparison(
        control=control,
        differences=differences,
        mean=fmean(differences),
        interval=interval(differences),
        p=flip_signs(differences),
        p_holm=None,
    )


def interval(differences: Sequence[float]) -> tuple[float, float] | None:
    """Of the mean, 95 %, by the bias-corrected and accelerated bootstrap (Efron 1987)."""
    if len(differences) < 3 or len(set(differences)) == 1:
        return None
    from scipy import stats

    found = stats.bootstrap((np.array(differences),), np.mean, method="BCa", rng=0)
    low, high = found.confidence_interval
    return float(low), float(high)


def flip_signs(differences: Sequence[float]) -> float | None:
    """Two-sided p of the mean: how often random signs bring as large a one (Fisher 1935)."""
    if len(differences) < 2:
        return None
    from scipy import stats

    found = stats.permutation_test(
        (np.array(differences),),
        np.mean,
        permutation_type="samples",
        n_resamples=2**_MOST_EXACT if len(differences) <= _MOST_EXACT else 99_999,
        rng=0,
    )
    return float(found.pvalue)


def adjust(values: Sequence[float]) -> list[float]:
    """Holm's adjusted p, in the given order (Holm 1979)."""
    order = sorted(range(len(values)), key=lambda number: values[number])
    adjusted, largest = [0.0] * len(values), 0.0
    for rank, number in enumerate(order):
        largest = max(largest, min(1.0, values[number] * (len(values) - rank)))
        adjusted[number] = largest
    return adjusted


def _adjust(comparisons: Sequence[Comparison]) -> tuple[Comparison, ...]:
    values = [one.p for one in comparisons if one.p is not None]
    if len(values) < len(comparisons):
        return tuple(comparisons)
    return tuple(replace(one, p_holm=p) for one, p in zip(comparisons, adjust(values), strict=True))


def _claim(reference: Candidate, comparisons: Sequence[Comparison]) -> str:
    what = f"{reference.control or reference.coefficients} at phi = {reference.phi:g}"
    if not comparisons:
        return f"{what}: no claim, since no control has been trained yet."
    seeds = min(len(one.differences) for one in comparisons)
    # All differences of one sign: 2 of 2^n ways, as often as there are comparisons.
    least = 2.0 ** (1 - seeds) * len(comparisons)
    if least > _LEVEL:
        needed = 1 + math.ceil(math.log2(len(comparisons) / _LEVEL))
        return (
            f"{what}: no claim, since over {len(comparisons)} comparisons {seeds} "
            f"seed{'s' * (seeds != 1)} cannot reach p < {_LEVEL}, whatever comes out; {needed} can."
        )
    told = [one for one in comparisons if one.p_holm is not None and one.p_holm < _LEVEL]
    better = ", ".join(one.control.control for one in told if one.mean > 0)
    worse = ", ".join(one.control.control for one in told if one.mean < 0)
    rest = ", ".join(one.control.control for one in comparisons if one not in told)
    significant = f"(Holm's p < {_LEVEL})"
    parts = [
        f"better than {better} {significant}" if better else "",
        f"worse than {worse} {significant}" if worse else "",
        f"not shown to differ from {rest}" if rest else "",
    ]
    return f"{what}, {seeds} seeds: {'; '.join(filter(None, parts))}."
