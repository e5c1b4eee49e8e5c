"""What trainings say about the networks: a linear mixed model, integrated over its variances.

    response = mean + block + slope * excess + quadratic of the shares + deviation of the network + noise

Blocks, the five quadratic terms and the deviations are normal with standard deviations that are
multiples of the noise's. A grid over these multiples, and a scaled inverse chi-square for the noise,
carry their uncertainty into every draw (docs/method.md, section 4; Henderson 1975 for the equations,
Gelman 2006 and Chung et al. 2013 for the priors). Arrays in, arrays out: nothing here knows what was trained.
"""

import math
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_RATIOS = np.geomspace(0.05, 20, 14)
"""Standard deviations of networks and of terms, as multiples of the noise's."""
_BLOCKS = (0.03, 0.3, 1.0, 3.0, 10.0)
"""The same of blocks, which matters less."""
_GRID = np.array(list(product(_BLOCKS, _RATIOS, _RATIOS)))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trainings:
    """N trainings of G networks in B blocks."""

    shares: Floats
    """(G, 3): of depth, width and resolution."""
    excess: Floats
    """(G,): doublings of compute beyond what was asked for."""
    network: Integers
    """(N,): the row of each training's network."""
    block: Integers
    """(N,): each training's block, from 0."""
    response: Floats
    """(N,): higher is better."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Posterior:
    """Draws from what the trainings leave possible, in units of the response."""

    means: Floats
    """(C, G): of each network, at the compute that was asked for, on average over the blocks."""
    surface: Floats
    """(C, 6): coefficients of the mean and of the terms, of which `predict` makes a surface."""
    noise: Floats
    """(C,): standard deviation of one training."""
    centre: Floats
    """(5,): what the terms are on average over the networks."""

    def predict(self, shares: Floats, draws: int | None = None) -> Floats:
        """Return the surface's height at (M, 3) shares, as (C, M), or of the first `draws` alone."""
        terms = np.column_stack([np.ones(len(shares)), list_terms(shares) - self.centre])
        heights: Floats = self.surface[:draws] @ terms.T
        return heights


def list_terms(shares: Floats) -> Floats:
    """Return the (M, 5) quadratic terms of (M, 3) shares.

    They are polynomials of plane coordinates in which the corners of the triangle have radius 1, chosen
    so that equal priors prefer none of the three dimensions.
    """
    depth, width, resolution = (shares - 1 / 3).T
    x, y = (depth - width) * math.sqrt(0.75), 1.5 * resolution
    return np.column_stack([x, y, x**2 - y**2, 2 * x * y, x**2 + y**2])


def draw_posterior(trainings: Trainings, count: int, seed: int) -> Posterior:
    """Draw `count` times from the posterior of two or more trainings."""
    random = np.random.default_rng(seed)
    level, raw = float(trainings.response.mean()), list_terms(trainings.shares)
    centre = raw.mean(axis=0)
    sums = _Sums.add_up(trainings, raw - centre, level)
    grid = _solve(sums, _GRID)
    point = random.choice(len(grid.weights), count, p=grid.weights)
    noise = np.sqrt(grid.residual[point] / random.chisquare(sums.freedom, count))
    effects = np.empty((count, len(sums.right)))
    for each in np.unique(point):
        chosen = point == each
        root = np.linalg.inv(np.linalg.cholesky(grid.precision[each]))
        normal = random.standard_normal((int(chosen.sum()), len(root)))
        effects[chosen] = grid.effects[each] + noise[chosen, None] * (normal @ root)
    surface = effects[:, _SURFACE]
    # What is left of a network's trainings is partly its own deviation, and partly noise.
    kept = 1 / (grid.network[point, None] ** -2 + sums.counts)
    means = surface @ sums.terms.T + kept * (sums.responses - effects @ sums.columns.T)
    means += noise[:, None] * np.sqrt(kept) * random.standard_normal(means.shape)
    surface[:, 0] += level
    return Posterior(means=means + level, surface=surface, noise=noise, centre=centre)


_FIXED = 7
"""Columns are the mean, which has no prior, the slope, the terms, and then the blocks."""
_SLOPE = 4.0
"""Standard deviation of the slope, as a multiple of the terms': a doubling of compute changes more
than its distribution does."""
_SURFACE = [0, 2, 3, 4, 5, 6]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Sums:
    """Sums over trainings, of all P columns and the response; all that the grid needs."""

    terms: Floats
    """(G, 6): a one and the terms of each network."""
    counts: Integers
    """(G,): trainings of each network."""
    columns: Floats
    """(G, P): sums over each network's trainings."""
    responses: Floats
    """(G,): the same of the response."""
    gram: Floats
    """(P, P)"""
    right: Floats
    """(P,)"""
    square: float

    @classmethod
    def add_up(cls, trainings: Trainings, terms: Floats, level: float) -> "_Sums":
        network, response = trainings.network, trainings.response - level
        blocks = np.eye(int(trainings.block.max()) + 1)[trainings.block]
        ones, counts = np.ones((len(terms), 1)), np.bincount(network, minlength=len(terms))
        fixed = np.hstack([ones, trainings.excess[:, None], terms])
        columns = np.hstack([fixed[network], blocks])
        sums = np.zeros((len(terms), columns.shape[1]))
        np.add.at(sums, network, columns)
        return cls(
            terms=np.hstack([ones, terms]),
            counts=counts,
            columns=sums,
            responses=np.bincount(network, response, len(terms)).astype(float),
            gram=columns.T @ columns,
            right=columns.T @ response,
            square=float(response @ response),
        )

    @property
    def freedom(self) -> int:
        return int(self.counts.sum()) - 1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Grid:
    """The solved equations at the K points of the grid, in units of the noise's variance."""

    weights: Floats
    """(K,): the probability of each point."""
    network: Floats
    """(K,): standard deviation of the networks' deviations."""
    precision: Floats
    """(K, P, P): of the effects."""
    effects: Floats
    """(K, P): their expectations."""
    residual: Floats
    """(K,): the sum of squares that is left."""


def _solve(sums: _Sums, ratios: Floats) -> _Grid:
    """Solve at (K, 3) standard deviations of blocks, networks and terms, in multiples of the noise's."""
    block, network, term = ratios.T
    penalty = np.zeros((len(block), len(sums.right)))
    penalty[:, 1] = (_SLOPE * term) ** -2
    penalty[:, 2:_FIXED] = term[:, None] ** -2
    penalty[:, _FIXED:] = block[:, None] ** -2
    gram = np.repeat(sums.gram[None], len(block), axis=0)
    right = np.repeat(sums.right[None], len(block), axis=0)
    square, logs = np.full(len(block), sums.square), np.log(penalty[:, 1:]).sum(axis=1)
    # Marginal over a network's deviation, its sums count for less; alike where counts are.
    for count in np.unique(sums.counts):
        ours, less = sums.counts == count, 1 / (network**-2 + count)
        columns, responses = sums.columns[ours], sums.responses[ours]
        gram -= less[:, None, None] * (columns.T @ columns)
        right -= less[:, None] * (columns.T @ responses)
        square -= less * float(responses @ responses)
        logs -= ours.sum() * np.log1p(count * network**2)
    precision = gram + penalty[:, :, None] * np.eye(len(sums.right))
    effects = np.linalg.solve(precision, right[:, :, None])[:, :, 0]
    residual = np.maximum(square - (right * effects).sum(axis=1), _TINY)
    logs -= np.linalg.slogdet(precision)[1] + sums.freedom * np.log(residual)
    # Half-Cauchy priors of the ratios, as densities of their logarithms. That of the networks vanishes
    # faster at 0: no finite number of trainings shows that all networks lie on the surface.
    logs = logs / 2 + np.log(ratios / (1 + ratios**2)).sum(axis=1)
    logs += np.log(network) - np.log1p(network**2) / 2
    weights = np.exp(logs - logs.max())
    return _Grid(
        weights=weights / weights.sum(),
        network=network,
        precision=precision,
        effects=np.asarray(effects, float),
        residual=residual,
    )


_TINY = 1e-12
"""Of a sum of squares, so that trainings without any noise have a logarithm."""
