"""The choice against its controls, on fresh seeds and untouched images (docs/method.md, section 4)."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

import numpy as np
from scipy import special

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
    """95 %, by Student's t with the error pooled over all networks and seeds (block x network); None
    where nothing is left to estimate it from."""
    p: float | None
    """Two-sided, of the same t test."""
    p_holm: float | None
    """Adjusted for all comparisons of the confirmation (Holm 1979)."""
    p_flips: float | None
    """Two-sided, of the sign-flip test (Fisher 1935), which assumes nothing of the error; exact up to
    16 seeds, None below two. Shown beside the others: few seeds give it little power."""


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
    controls = {
        name: theirs
        for name, theirs in sorted(scores.items(), key=lambda item: place(networks[item[0]]))
        # What an earlier choice left behind has no name.
        if name != ours[0] and networks[name].control and reference.keys() & theirs.keys()
    }
    error = pool_error([reference, *controls.values()])
    comparisons = [
        _compare(networks[name], reference, theirs, error) for name, theirs in controls.items()
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


@dataclass(frozen=True, slots=True)
class Error:
    """The noise of one training within a block, pooled over networks."""

    sd: float
    freedom: int


def pool_error(scores: Sequence[Mapping[int, float]]) -> Error | None:
    """Pool what networks and seeds leave of the scores by seed, over the seeds that all have.

    Residuals of a two-way layout without replicates: networks x blocks (Fisher 1925). None below two
    common seeds.
    """
    seeds = sorted(set(scores[0]).intersection(*scores[1:]))
    freedom = (len(scores) - 1) * (len(seeds) - 1)
    if freedom < 1:
        return None
    layout = np.array([[score[seed] for seed in seeds] for score in scores])
    rest = layout - layout.mean(axis=1, keepdims=True) - layout.mean(axis=0) + layout.mean()
    return Error(math.sqrt(float((rest**2).sum()) / freedom), freedom)


def detectable(sd: float, networks: int, seeds: int) -> float:
    """Return the difference that is found with a power of 80 %, by two-sided tests at 5 %.

    `sd` is the noise of a training; Holm's first step divides the level among the comparisons.
    """
    freedom = (networks - 1) * (seeds - 1)
    level = _LEVEL / (networks - 1)
    reach = special.stdtrit(freedom, 1 - level / 2) + special.stdtrit(freedom, _POWER)
    return float(reach) * sd * math.sqrt(2 / seeds)


_POWER = 0.8


def _compare(
    control: Candidate,
    reference: Mapping[int, float],
    theirs: Mapping[int, float],
    error: Error | None,
) -> Comparison:
    pairs = sorted(reference.keys() & theirs.keys())
    differences = tuple(reference[seed] - theirs[seed] for seed in pairs)
    mean = fmean(differences)
    interval, p = bound_mean(mean, len(pairs), error) if error else (None, None)
    return Comparison(
        control=control,
        differences=differences,
        mean=mean,
        interval=interval,
        p=p,
        p_holm=None,
        p_flips=flip_signs(differences),
    )


def bound_mean(mean: float, pairs: int, error: Error) -> tuple[tuple[float, float], float]:
    """Return the 95 % interval of a mean difference over so many seeds, and its two-sided p."""
    spread = error.sd * math.sqrt(2 / pairs)
    reach = float(special.stdtrit(error.freedom, 1 - _LEVEL / 2)) * spread
    if spread == 0:
        return (mean, mean), float(mean == 0)
    p = 2 * float(special.stdtr(error.freedom, -abs(mean) / spread))
    return (mean - reach, mean + reach), p


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
    if any(one.p_holm is None for one in comparisons):
        return f"{what}: no claim, since one seed shows nothing of the noise."
    told = [one for one in comparisons if one.p_holm is not None and one.p_holm < _LEVEL]
    better = ", ".join(one.control.control for one in told if one.mean > 0)
    worse = ", ".join(one.control.control for one in told if one.mean < 0)
    rest = ", ".join(one.control.control for one in comparisons if one not in told)
    significant = f"(Holm's p < {_LEVEL})"
    parts = [
        f"better than {better} {significant}" if better else "",
        f"worse than {worse} {significant}" if worse else "",
        f"no significant difference from {rest}" if rest else "",
    ]
    return f"{what}, {seeds} seeds: {'; '.join(filter(None, parts))}."
