"""The triangle of shares as a fine grid of points."""

import numpy as np
from scipy.spatial import ConvexHull, QhullError

from scalectl.analysis.posterior import Floats

_DEGREE = 50


def simplex_within(shares: Floats) -> Floats:
    """Return (M, 3) shares in steps of 1 / 50, as far as the given (N, 3) shares reach.

    Surfaces do not extrapolate. There are none where the given shares span no area.
    """
    steps = [(i, j, _DEGREE - i - j) for i in range(_DEGREE + 1) for j in range(_DEGREE + 1 - i)]
    grid = np.array(steps, float) / _DEGREE
    try:
        hull = ConvexHull(shares[:, :2])
    except (QhullError, ValueError):
        return grid[:0]
    distances = grid[:, :2] @ hull.equations[:, :2].T + hull.equations[:, 2]
    return np.asarray(grid[(distances <= 1e-9).all(axis=1)])
