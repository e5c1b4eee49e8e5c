"""The choice against its controls, on fresh seeds and untouched images (docs/method.md, section 4)."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from statistics import fmean

import numpy as np
from scipy import special

from scalectl.analysis.response import score
from scalectl.arch.rounding import Spread
from scalectl.arch.scaling import NAMED, Coefficients
from scalectl.trial import Candidate, Record, State, list_scores

_LEVEL = 0.05
_MOST_EXACT = 16
"""Seeds up to which all 2^n signs are tried; beyond, 99,999 of them at random."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """How far the reference is ahead of a control by one measure, paired by seed."""

    by_seed: tuple[float, ...]
    """Reference - control, for each seed."""
    mean: float
    interval: tuple[float, float] | None
    """95 %, by Student's t with the error pooled over all networks and seeds (block x network); None
    where nothing is left to estimate it from."""
    p: float | None
    """Two-sided, of the same t test."""
    p_holm: float | None
    """Adjusted for all controls at this size (Holm 1979)."""
    p_flips: float | None
    """Two-sided, of the sign-flip test (Fisher 1935), which assumes nothing of the error; exact up to
    16 seeds, None below two. Shown beside the others: few seeds give it little power."""

    @property
    def is_clear(self) -> bool:
        """Whether Holm's p is below 5 %."""
        return self.p_holm is not None and self.p_holm < _LEVEL


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The reference against one control on the test split."""

    control: Candidate
    top1: Difference
    """As fractions."""
    log_loss: Difference | None
    """In -log(loss): 0.01 is 1 % less. None where records of an old version have no loss."""


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


def confirm(
    records: Sequence[Record], chosen: Coefficients, stages: Spread = "uniform"
) -> tuple[Confirmation, ...]:
    """Compare at each size at which the chosen coefficients were trained to be confirmed.

    `stages`: how the chosen network spreads added blocks, where others spread them otherwise.
    """
    done = [
        record
        for record in records
        if record.trial.purpose == "confirm" and record.state is State.DONE
    ]
    confirmations = []
    for phi in sorted({record.trial.candidate.phi for record in done}):
        records = [record for record in done if record.trial.candidate.phi == phi]
        candidates = (record.trial.candidate for record in records)
        # Where no blocks are added, all ways of spreading them are the same network.
        ours = min(
            (each for each in candidates if each.coefficients == chosen),
            key=lambda each: each.stages != stages,
            default=None,
        )
        if ours and (confirmation := compare_networks(records, ours.fingerprint)):
            confirmations.append(confirmation)
    return tuple(confirmations)


def compare_networks(records: Sequence[Record], ours: str) -> Confirmation | None:
    """Compare the network of that fingerprint with all others, paired by seed; None where it is not there.

    `records` are of trials that are done.
    """
    networks = {record.trial.candidate.fingerprint: record.trial.candidate for record in records}
    if ours not in networks:
        return None
    top1 = list_scores(records)
    # What an earlier choice left behind has no name.
    controls = [
        name
        for name in sorted(networks, key=lambda name: place(networks[name]))
        if name != ours and networks[name].control and top1[ours].keys() & top1[name].keys()
    ]
    by_top1 = _compare(top1, ours, controls)
    by_loss: Sequence[Difference | None] = [None] * len(controls)
    if all(record.loss is not None for record in records):
        by_loss = _compare(list_scores(records, _score_by_loss), ours, controls)
    comparisons = tuple(
        Comparison(control=networks[name], top1=accuracy, log_loss=loss)
        for name, accuracy, loss in zip(controls, by_top1, by_loss, strict=True)
    )
    return Confirmation(
        phi=networks[ours].phi,
        reference=networks[ours],
        mean_top1=fmean(top1[ours].values()),
        comparisons=comparisons,
        claim=_claim(networks[ours], comparisons),
    )


_score_by_loss = partial(score, response="log_loss")


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
    scores: Mapping[str, Mapping[int, float]], ours: str, controls: Sequence[str]
) -> list[Difference]:
    """Compare one network with the controls by their scores, by fingerprint and seed."""
    error = pool_error([scores[name] for name in (ours, *controls)])
    differences = [_subtract(scores[ours], scores[name], error) for name in controls]
    values = [difference.p for difference in differences if difference.p is not None]
    if len(values) < len(differences):
        return differences
    return [
        replace(difference, p_holm=p)
        for difference, p in zip(differences, adjust(values), strict=True)
    ]


def _subtract(
    reference: Mapping[int, float], theirs: Mapping[int, float], error: Error | None
) -> Difference:
    pairs = sorted(reference.keys() & theirs.keys())
    by_seed = tuple(reference[seed] - theirs[seed] for seed in pairs)
    mean = fmean(by_seed)
    interval, p = bound_mean(mean, len(pairs), error) if error else (None, None)
    return Difference(
        by_seed=by_seed, mean=mean, interval=interval, p=p, p_holm=None, p_flips=flip_signs(by_seed)
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

    result = stats.permutation_test(
        (np.array(differences),),
        np.mean,
        permutation_type="samples",
        n_resamples=2**_MOST_EXACT if len(differences) <= _MOST_EXACT else 99_999,
        rng=0,
    )
    return float(result.pvalue)


def adjust(values: Sequence[float]) -> list[float]:
    """Holm's adjusted p, in the given order (Holm 1979)."""
    order = sorted(range(len(values)), key=lambda number: values[number])
    adjusted, largest = [0.0] * len(values), 0.0
    for rank, number in enumerate(order):
        largest = max(largest, min(1.0, values[number] * (len(values) - rank)))
        adjusted[number] = largest
    return adjusted


def _claim(reference: Candidate, comparisons: Sequence[Comparison]) -> str:
    size = f" at phi = {reference.phi:g}" if reference.phi else ""
    what = f"{reference.name}{size}"
    if not comparisons:
        return f"{what}: no claim, since no control has been trained yet."
    names = [comparison.control.control for comparison in comparisons]
    by_top1 = [comparison.top1 for comparison in comparisons]
    if any(difference.p_holm is None for difference in by_top1):
        return f"{what}: no claim, since one seed shows nothing of the noise."
    by_loss = [comparison.log_loss for comparison in comparisons if comparison.log_loss]
    told = {"top-1": _tell(names, by_top1)}
    if len(by_loss) == len(names):
        told["log-loss"] = _tell(names, by_loss)
    if len(set(told.values())) == 1:
        told = {" and ".join(told): told["top-1"]}
    seeds = min(len(difference.by_seed) for difference in by_top1)
    claims = "; ".join(f"in {measure} {claim}" for measure, claim in told.items())
    return f"{what}, {seeds} seeds: {claims} (by Holm's p at {_LEVEL})."


def _tell(names: Sequence[str], differences: Sequence[Difference]) -> str:
    """Say from which controls the reference differs, such as "better than depth"."""
    groups: dict[str, list[str]] = {"better than": [], "worse than": [], _SAME: []}
    for name, difference in zip(names, differences, strict=True):
        words = "better than" if difference.mean > 0 else "worse than"
        groups[words if difference.is_clear else _SAME].append(name)
    return ", ".join(f"{words} {', '.join(group)}" for words, group in groups.items() if group)


_SAME = "no significant difference from"
