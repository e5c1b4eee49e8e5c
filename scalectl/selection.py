"""From records to a choice: the fitted surface, and what it can claim (METHOD, section 4)."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean, stdev
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import special
from scipy.spatial import ConvexHull

from scalectl.scaling import NAMED, Coefficients, Shares
from scalectl.trial import Candidate, Record, State
from scalectl.verdict import Status


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
    fitted: tuple[float, ...]
    """Top-1 by the fit, for each finished trial with shares, in the order of the records."""
    residuals: tuple[float, ...]
    """Top-1 less the fitted one, the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One point of the fitted surface."""

    shares: Shares
    top1: float
    """At exactly twice the compute, over all blocks."""
    indifferent: bool
    """Whether it belongs to the indifference set."""


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
    surface: tuple[Place, ...] = ()
    """The fitted surface on a fine simplex within the hull of the trained points; () without a fit."""
    chances: Mapping[str, float] = field(default_factory=dict)
    """Fingerprint -> P(best) among the trained networks; {} without a fit."""
    seeds_needed: int | None = None
    """Where not identified: seeds in all that would probably identify it; None if unknown."""


def summarise(records: Sequence[Record]) -> tuple[Summary, ...]:
    """One summary per network, in order of first appearance; the baseline is among them."""
    groups: dict[str, list[Record]] = {}
    for record in records:
        groups.setdefault(record.trial.candidate.fingerprint, []).append(record)
    return tuple(_summarise(group) for group in groups.values())


def select(records: Sequence[Record], delta: float = 0.002) -> Selection:
    """The winner with its uncertainty, or the reason why there is none.

    `delta` is in top-1, as a fraction. METHOD, section 4, items 1, 2, 4, 5 and 6.
    """
    trained = [
        record
        for record in records
        if record.state is State.DONE and record.trial.candidate.shares is not None
    ]
    if not trained:
        return _undecided("no_eligible_winner", "No candidate has a finished training.")
    summaries = summarise(trained)
    argmax = max(summaries, key=lambda one: (one.mean_top1 or 0.0, -one.candidate.cost.macs))
    surface = _fit_surface(trained)
    if surface is None:
        reason = "There are too few finished trainings to fit the surface; dwr is the safe choice."
        return _undecided("not_identified", reason, argmax)
    fit, model = surface
    return _decide(fit, model, summaries, argmax, delta)


_CONFIDENCE = 0.95
_SIMPLEX_DEGREE = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class _Model:
    """A least squares fit. Only the first `len(terms)` coefficients describe the shares."""

    order: Literal["quadratic", "cubic"]
    coefficients: NDArray[np.float64]
    covariance: NDArray[np.float64]
    freedom: int
    hull: NDArray[np.float64]
    """(N, 3): shares of the trained points."""


def _summarise(group: list[Record]) -> Summary:
    done = [record for record in group if record.state is State.DONE]

    def mean(name: str) -> float | None:
        values = [getattr(record, name) for record in done]
        return fmean(values) if values and None not in values else None

    return Summary(
        candidate=group[0].trial.candidate,
        n=len(done),
        failed=len(group) - len(done),
        mean_top1=mean("top1"),
        sd_top1=stdev(record.top1 or 0.0 for record in done) if len(done) > 1 else None,
        mean_loss=mean("loss"),
        mean_train_top1=mean("train_top1"),
        mean_seconds=mean("seconds"),
        macs_spent=sum(record.macs_spent for record in group),
    )


def _undecided(status: Status, reason: str, argmax: Summary | None = None) -> Selection:
    return Selection(
        status=status,
        reason=reason,
        winner=None,
        recommended=NAMED["dwr"],
        argmax=argmax,
        optimum=None,
        indifference=None,
        fit=None,
    )


def _decide(
    fit: Fit, model: _Model, summaries: Sequence[Summary], argmax: Summary, delta: float
) -> Selection:
    grid = _grid_within(model.hull)
    height = _terms(grid, model.order) @ model.coefficients
    best = grid[int(height.argmax())]
    inside = _indistinguishable(grid, best, model, delta)
    indifference = _describe_set(grid[inside], float(inside.mean()), delta)
    shares = np.array([_as_point(one) for one in summaries])
    eligible = _indistinguishable(shares, best, model, delta)
    members = [one for one, member in zip(summaries, eligible, strict=True) if member]
    unresolved = _explain_doubt(fit, indifference, members)
    winner = None if unresolved else min(members, key=_preference)
    return Selection(
        status="not_identified" if unresolved else "identified",
        reason=unresolved or "The shares matter, and the winner is the cheapest of the best.",
        winner=winner,
        recommended=winner.candidate.coefficients if winner else NAMED["dwr"],
        argmax=argmax,
        optimum=Shares(*(float(share) for share in best)),
        indifference=indifference,
        fit=fit,
        surface=tuple(
            Place(
                shares=Shares(*map(float, point)), top1=float(value), indifferent=bool(indifferent)
            )
            for point, value, indifferent in zip(grid, height, inside, strict=True)
        ),
    )


def _explain_doubt(fit: Fit, indifference: Indifference, members: Sequence[Summary]) -> str:
    """Why no winner can be named, or nothing (METHOD, section 4, item 6)."""
    advice = "dwr is the safe choice; more seeds would help."
    if not fit.shares_p <= 1 - _CONFIDENCE:
        return f"The shares explain no more than chance does (p = {fit.shares_p:.2f}): {advice}"
    if indifference.fraction > 0.5:
        return f"{indifference.fraction:.0%} of the triangle cannot be told from the best: {advice}"
    return "" if members else f"No trained candidate lies near the best of the surface: {advice}"


def _preference(summary: Summary) -> tuple[int, int, str]:
    """Fewest activations first; ties by MACs, then by fingerprint."""
    candidate = summary.candidate
    return candidate.cost.activations, candidate.cost.macs, candidate.fingerprint


def _as_point(summary: Summary) -> tuple[float, float, float]:
    shares = summary.candidate.shares
    assert shares is not None
    return shares.depth, shares.width, shares.resolution


def _fit_surface(records: Sequence[Record]) -> tuple[Fit, _Model] | None:
    """Block + Scheffe quadratic + cost covariate; the special cubic where lack of fit asks for it."""
    quadratic = _fit(records, "quadratic")
    if quadratic and quadratic[0].lack_of_fit_p is not None and quadratic[0].lack_of_fit_p < 0.05:
        return _fit(records, "cubic") or quadratic
    return quadratic


def _fit(
    records: Sequence[Record], order: Literal["quadratic", "cubic"]
) -> tuple[Fit, _Model] | None:
    """None where the design cannot carry that many coefficients."""
    candidates = [record.trial.candidate for record in records]
    points = np.array([(s.depth, s.width, s.resolution) for c in candidates if (s := c.shares)])
    y = np.array([record.top1 for record in records], float)
    terms = _terms(points, order)
    nuisance = _nuisance(records)
    design = np.hstack([terms, nuisance])
    if np.linalg.matrix_rank(design) < design.shape[1]:
        # Costs may follow from the shares; then they cannot be told apart and the shares keep both.
        nuisance = nuisance[:, :-1]
        design = np.hstack([terms, nuisance])
    freedom = len(y) - design.shape[1]
    if freedom < 1 or np.linalg.matrix_rank(design) < design.shape[1]:
        return None
    residual, coefficients = _least_squares(design, y)
    flat, _ = _least_squares(np.hstack([np.ones((len(y), 1)), nuisance]), y)
    pure, pure_freedom = _pure_error(candidates, nuisance, y)
    lack_freedom = freedom - pure_freedom
    lack_p = (
        _f_test(residual - pure, lack_freedom, pure, pure_freedom)
        if pure_freedom > 0 and lack_freedom > 0
        else None
    )
    inverse = np.linalg.inv(design.T @ design)
    total = float(((y - y.mean()) ** 2).sum())
    fit = Fit(
        order=order,
        r2=1 - residual / total if total else 0.0,
        residual_sd=math.sqrt(residual / freedom),
        pure_error_sd=math.sqrt(max(0.0, pure) / pure_freedom) if pure_freedom else None,
        lack_of_fit_p=lack_p,
        shares_p=_f_test(flat - residual, terms.shape[1] - 1, residual, freedom),
        max_leverage=float(np.einsum("ij,jk,ik->i", design, inverse, design).max()),
        fitted=tuple(map(float, design @ coefficients)),
        residuals=tuple(map(float, y - design @ coefficients)),
    )
    count = terms.shape[1]
    model = _Model(
        order=order,
        coefficients=coefficients[:count],
        covariance=inverse[:count, :count] * residual / freedom,
        freedom=freedom,
        hull=points,
    )
    return fit, model


def _terms(
    points: NDArray[np.float64], order: Literal["quadratic", "cubic"]
) -> NDArray[np.float64]:
    """Scheffe's canonical polynomial: (N, 3) shares -> (N, 6 or 7). It holds the constant already."""
    d, w, r = points.T
    columns = [d, w, r, d * w, d * r, w * r] + ([d * w * r] if order == "cubic" else [])
    return np.stack(columns, axis=1)


def _nuisance(records: Sequence[Record]) -> NDArray[np.float64]:
    """Seeds as blocks that sum to zero, and last the excess of log2 compute over one doubling."""
    seeds = np.array([record.trial.seed for record in records])
    levels = np.unique(seeds)
    blocks = (seeds[:, None] == levels[:-1]).astype(float) - (seeds[:, None] == levels[-1])
    ratios = np.array([record.trial.candidate.realised_ratio for record in records])
    return np.hstack([blocks, (np.log2(ratios) - 1)[:, None]])


def _least_squares(
    design: NDArray[np.float64], y: NDArray[np.float64]
) -> tuple[float, NDArray[np.float64]]:
    coefficients = np.asarray(np.linalg.lstsq(design, y, rcond=None)[0], np.float64)
    return float(((y - design @ coefficients) ** 2).sum()), coefficients


def _pure_error(
    candidates: Sequence[Candidate], nuisance: NDArray[np.float64], y: NDArray[np.float64]
) -> tuple[float, int]:
    """Residual and freedom with a mean of its own for each network: what no surface can explain."""
    names = np.array([candidate.fingerprint for candidate in candidates])
    own = (names[:, None] == np.unique(names)).astype(float)
    design = np.hstack([own, nuisance])
    return _least_squares(design, y)[0], len(y) - int(np.linalg.matrix_rank(design))


def _f_test(explained: float, freedom: int, residual: float, residual_freedom: int) -> float:
    """P of an F at least this large by chance."""
    if residual <= 0:
        return 0.0 if explained > 0 else 1.0
    value = max(0.0, explained) / freedom / (residual / residual_freedom)
    return float(special.fdtrc(freedom, residual_freedom, value))


def _grid_within(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """A fine simplex, as far as the trained points reach: fits do not extrapolate."""
    steps = [
        (i, j, _SIMPLEX_DEGREE - i - j)
        for i in range(_SIMPLEX_DEGREE + 1)
        for j in range(_SIMPLEX_DEGREE + 1 - i)
    ]
    grid = np.array(steps, float) / _SIMPLEX_DEGREE
    hull = ConvexHull(points[:, :2])
    distances = grid[:, :2] @ hull.equations[:, :2].T + hull.equations[:, 2]
    return np.asarray(grid[(distances <= 1e-9).all(axis=1)])


def _indistinguishable(
    points: NDArray[np.float64], best: NDArray[np.float64], model: _Model, delta: float
) -> NDArray[np.bool_]:
    """Which points are not, one-sided at 95 %, worse than the best by more than delta."""
    contrast = _terms(best[None], model.order) - _terms(points, model.order)
    error = np.sqrt(np.einsum("ij,jk,ik->i", contrast, model.covariance, contrast).clip(0))
    quantile = special.stdtrit(model.freedom, _CONFIDENCE)
    return np.asarray(contrast @ model.coefficients - quantile * error <= delta)


def _describe_set(members: NDArray[np.float64], fraction: float, delta: float) -> Indifference:
    points = [Coefficients.from_shares(Shares(*(float(s) for s in point))) for point in members]

    def between(values: list[float]) -> tuple[float, float]:
        return min(values), max(values)

    return Indifference(
        delta=delta,
        fraction=fraction,
        alpha=between([point.alpha for point in points]),
        beta=between([point.beta for point in points]),
        gamma=between([point.gamma for point in points]),
    )
