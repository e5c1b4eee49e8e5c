"""The response surface of a mixture experiment: least squares in blocks, and what it can tell.

Scheffe 1958; docs/method.md, section 4. Arrays in, numbers out: nothing here knows what was trained.
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import special
from scipy.spatial import ConvexHull

Floats = NDArray[np.float64]
Order = Literal["quadratic", "cubic"]

CONFIDENCE = 0.95
REFITS = 2000
_SIMPLEX_DEGREE = 50
_AT_ONCE = 256
"""Trainings whose residuals are drawn at once: for 100,000 of them the numbers would fill gigabytes."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Observations:
    """N finished trainings."""

    y: Floats
    """(N,): the scores."""
    shares: Floats
    """(N, 3): of depth, width and resolution; they add to 1."""
    excess: Floats
    """(N,): log2 of the realised compute, over what was asked for."""
    blocks: NDArray[np.int64]
    """(N,): the seeds."""
    networks: NDArray[np.str_]
    """(N,): equal for trainings of the same network."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """Least squares of top-1 on the shares, in blocks."""

    order: Order
    r2: float
    residual_sd: float
    pure_error_sd: float | None
    """Of the same network over seeds: the noise, whatever the surface is."""
    lack_of_fit_p: float | None
    """Of the F test that another surface would fit better."""
    shares_p: float
    """Of the F test that the shares matter at all."""
    reliability: float
    """1 - 1 / F, at least 0: the part of the surface's relief that is not noise."""
    max_leverage: float
    fitted: tuple[float, ...]
    residuals: tuple[float, ...]
    """Both in the order of the records."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Surface:
    """A fitted surface."""

    fit: Fit
    coefficients: Floats
    """(P,): of the terms of the shares alone, without blocks and covariate."""
    solver: Floats
    """(P, N): what makes these coefficients of N scores."""
    freedom: int
    leverage: Floats
    """(N,)"""

    def terms(self, shares: Floats) -> Floats:
        """(M, 3) shares -> (M, P)."""
        return _terms(shares, self.fit.order)

    def refit(self, count: int = REFITS, seed: int = 0) -> Floats:
        """(P, count): how far refits on resampled residuals are from the coefficients.

        The residuals are freed from what the fit took from them, e / sqrt(1 - h), and drawn anew
        (Davison & Hinkley 1997, section 6.3). Drawing whole seeds instead would know no more than
        the two or three values that there are.
        """
        residuals = np.array(self.fit.residuals) / np.sqrt((1 - self.leverage).clip(1e-9))
        residuals -= residuals.mean()
        random, moved = np.random.default_rng(seed), np.zeros((len(self.solver), count))
        for start in range(0, len(residuals), _AT_ONCE):
            part = self.solver[:, start : start + _AT_ONCE]
            moved += part @ random.choice(residuals, (part.shape[1], count))
        return moved


def fit_surface(observations: Observations) -> Surface | None:
    """Block + Scheffe quadratic + cost covariate; the special cubic where lack of fit asks for it.

    None where the design cannot carry that many coefficients.
    """
    quadratic = _fit(observations, "quadratic")
    if quadratic and quadratic.fit.lack_of_fit_p is not None:
        lacking = quadratic.fit.lack_of_fit_p < 1 - CONFIDENCE
        return (_fit(observations, "cubic") if lacking else None) or quadratic
    return quadratic


def simplex_within(points: Floats) -> Floats:
    """(M, 3): a fine simplex, as far as the (N, 3) points reach: fits do not extrapolate."""
    steps = [
        (i, j, _SIMPLEX_DEGREE - i - j)
        for i in range(_SIMPLEX_DEGREE + 1)
        for j in range(_SIMPLEX_DEGREE + 1 - i)
    ]
    grid = np.array(steps, float) / _SIMPLEX_DEGREE
    hull = ConvexHull(points[:, :2])
    distances = grid[:, :2] @ hull.equations[:, :2].T + hull.equations[:, 2]
    return np.asarray(grid[(distances <= 1e-9).all(axis=1)])


def detection_chance(fit: Fit, terms: int, freedom: int, more: float) -> float:
    """P that the shares would pass the F test with `more` times the seeds, by the noncentral F."""
    if not 0 < fit.reliability < 1:
        return fit.reliability
    # F = 1 / (1 - reliability); what exceeds 1 grows with the number of seeds.
    between = terms - 1
    noncentrality = between * more * fit.reliability / (1 - fit.reliability)
    within = freedom * more
    limit = special.fdtri(between, within, CONFIDENCE)
    return float(1 - special.ncfdtr(between, within, noncentrality, limit))


def _fit(observations: Observations, order: Order) -> Surface | None:
    y, terms, nuisance = observations.y, _terms(observations.shares, order), _nuisance(observations)
    design = np.hstack([terms, nuisance])
    if np.linalg.matrix_rank(design) < design.shape[1]:
        # Costs may follow from the shares; then they cannot be told apart and the shares keep both.
        nuisance = nuisance[:, :-1]
        design = np.hstack([terms, nuisance])
    freedom = len(y) - design.shape[1]
    if freedom < 1 or np.linalg.matrix_rank(design) < design.shape[1]:
        return None
    solver: Floats = np.asarray(np.linalg.pinv(design), np.float64)
    fitted = design @ (solver @ y)
    residual = float(((y - fitted) ** 2).sum())
    flat = _residual(np.hstack([np.ones((len(y), 1)), nuisance]), y)
    pure, pure_freedom = _pure_error(observations, nuisance)
    lack_freedom = freedom - pure_freedom
    between = terms.shape[1] - 1
    value = _f_value(flat - residual, between, residual, freedom)
    total = float(((y - y.mean()) ** 2).sum())
    leverage = np.einsum("ij,ji->i", design, solver)
    fit = Fit(
        order=order,
        r2=1 - residual / total if total else 0.0,
        residual_sd=math.sqrt(residual / freedom),
        pure_error_sd=math.sqrt(max(0.0, pure) / pure_freedom) if pure_freedom else None,
        lack_of_fit_p=_exceedance(
            _f_value(residual - pure, lack_freedom, pure, pure_freedom), lack_freedom, pure_freedom
        )
        if pure_freedom > 0 and lack_freedom > 0
        else None,
        shares_p=_exceedance(value, between, freedom),
        reliability=max(0.0, 1 - 1 / value) if value else 0.0,
        max_leverage=float(leverage.max()),
        fitted=tuple(fitted.tolist()),
        residuals=tuple((y - fitted).tolist()),
    )
    count = terms.shape[1]
    return Surface(
        fit=fit,
        coefficients=np.asarray(solver[:count] @ y),
        solver=solver[:count],
        freedom=freedom,
        leverage=leverage,
    )


def _terms(points: Floats, order: Order) -> Floats:
    """Scheffe's canonical polynomial: (N, 3) shares -> (N, 6 or 7). It holds the constant already."""
    d, w, r = points.T
    columns = [d, w, r, d * w, d * r, w * r] + ([d * w * r] if order == "cubic" else [])
    return np.stack(columns, axis=1)


def _nuisance(observations: Observations) -> Floats:
    """Seeds as blocks that sum to zero, and last the excess of compute."""
    seeds = observations.blocks
    levels = np.unique(seeds)
    blocks = (seeds[:, None] == levels[:-1]).astype(float) - (seeds[:, None] == levels[-1])
    return np.hstack([blocks, observations.excess[:, None]])


def _residual(design: Floats, y: Floats) -> float:
    """Sum of squares that the design leaves."""
    return float(((y - design @ np.linalg.lstsq(design, y, rcond=None)[0]) ** 2).sum())


def _pure_error(observations: Observations, nuisance: Floats) -> tuple[float, int]:
    """Residual and freedom with a mean of its own for each network: what no surface can explain.

    The means are taken out of both sides first (Frisch & Waugh 1933), since a column for each of
    10,000 networks would ask for hours.
    """
    names, groups = np.unique(observations.networks, return_inverse=True)
    sizes = np.bincount(groups)

    def center(values: Floats) -> Floats:
        means = np.stack([np.bincount(groups, one) for one in values.T], axis=1) / sizes[:, None]
        return np.asarray(values - means[groups])

    within, y = center(nuisance), center(observations.y[:, None])[:, 0]
    basis, lengths, _ = np.linalg.svd(within, full_matrices=False)
    # What is the same for all trainings of a network leaves nothing but rounding errors.
    basis = basis[:, lengths > np.linalg.norm(nuisance, 2) * len(y) * np.finfo(float).eps]
    return float(((y - basis @ (basis.T @ y)) ** 2).sum()), len(y) - len(names) - basis.shape[1]


def _f_value(explained: float, freedom: int, residual: float, residual_freedom: int) -> float:
    explained = max(0.0, explained)
    if residual <= 0 or residual_freedom < 1 or freedom < 1:
        return math.inf if explained > 0 else 0.0
    return explained / freedom / (residual / residual_freedom)


def _exceedance(value: float, freedom: int, residual_freedom: int) -> float:
    """P of an F at least this large by chance."""
    return 0.0 if math.isinf(value) else float(special.fdtrc(freedom, residual_freedom, value))
