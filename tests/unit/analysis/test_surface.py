"""The statistics against statsmodels, which was written by others, on the same data."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from statsmodels.formula.api import ols
from statsmodels.stats.anova import anova_lm
from statsmodels.stats.power import FTestPower

from scalectl.analysis.surface import (
    Observations,
    Surface,
    detection_chance,
    fit_surface,
    simplex_within,
)

POINTS = np.array(
    [(a, b, 4 - a - b) for a in range(5) for b in range(5 - a)] + [(0.4, 3.2, 0.4)], float
)
POINTS /= POINTS.sum(axis=1, keepdims=True)
QUADRATIC = "d + w + r + d:w + d:r + w:r"


def observe(noise: float, seed: int, *, bend: float = 0.0, missing: int = 0) -> Observations:
    """Three seeds of a hill, some trainings of which are missing."""
    random = np.random.default_rng(seed)
    shares = np.repeat(POINTS, 3, axis=0)
    blocks = np.tile(np.arange(3), len(POINTS))
    excess = np.repeat(random.normal(0, 0.03, len(POINTS)), 3)
    d, w, r = shares.T
    y = 0.7 + 0.02 * d * w + 0.03 * d * r - 0.01 * w + bend * d * w * r + blocks / 100
    y = y + 0.019 * excess + random.normal(0, noise, len(shares))
    names = np.repeat([f"network {number}" for number in range(len(POINTS))], 3)
    kept = np.sort(random.permutation(len(shares))[missing:])
    return Observations(
        y=y[kept],
        shares=shares[kept],
        excess=excess[kept],
        blocks=blocks[kept],
        networks=names[kept],
    )


def fit(observations: Observations) -> Surface:
    surface = fit_surface(observations)
    assert surface
    return surface


def frame(observations: Observations) -> pd.DataFrame:
    return pd.DataFrame(
        {
            **dict(zip("dwr", observations.shares.T, strict=True)),
            "y": observations.y,
            "excess": observations.excess,
            "first": (observations.blocks == 0) * 1.0 - (observations.blocks == 2),
            "second": (observations.blocks == 1) * 1.0 - (observations.blocks == 2),
            "network": observations.networks,
        }
    )


@pytest.mark.parametrize("missing", [0, 9])
@pytest.mark.parametrize("noise", [0.002, 0.02])
def test_everything_reported_is_what_statsmodels_finds(noise: float, missing: int) -> None:
    observations = observe(noise, 1, missing=missing)
    ours, data = fit(observations).fit, frame(observations)
    theirs = ols(f"y ~ 0 + {QUADRATIC} + first + second + excess", data).fit()
    flat = ols("y ~ first + second + excess", data).fit()
    separate = ols("y ~ C(network) + first + second", data).fit()
    assert ours.order == "quadratic"
    assert ours.residual_sd == pytest.approx(theirs.mse_resid**0.5)
    assert ours.fitted == pytest.approx(theirs.fittedvalues)
    assert ours.residuals == pytest.approx(theirs.resid)
    assert ours.r2 == pytest.approx(1 - theirs.ssr / theirs.centered_tss)
    value, p, _ = theirs.compare_f_test(flat)
    assert ours.shares_p == pytest.approx(p)
    assert ours.reliability == pytest.approx(max(0, 1 - 1 / value))
    assert ours.lack_of_fit_p == pytest.approx(anova_lm(theirs, separate)["Pr(>F)"][1])
    assert ours.pure_error_sd == pytest.approx(separate.mse_resid**0.5)
    assert ours.max_leverage == pytest.approx(theirs.get_influence().hat_matrix_diag.max())


def test_the_surface_is_that_of_statsmodels() -> None:
    """At points that were not trained, at the compute that was asked for, on average over blocks."""
    observations = observe(0.005, 2)
    surface, points = fit(observations), np.array([(0.2, 0.5, 0.3), (0.6, 0.1, 0.3)])
    model = ols(f"y ~ 0 + {QUADRATIC} + first + second + excess", frame(observations)).fit()
    at = {**dict(zip("dwr", points.T, strict=True)), "first": 0.0, "second": 0.0, "excess": 0.0}
    expected = model.predict(pd.DataFrame(at)).to_numpy()
    assert surface.terms(points) @ surface.coefficients == pytest.approx(expected)


def test_a_bent_surface_asks_for_the_cubic() -> None:
    """And gets the fit that statsmodels gets."""
    observations = observe(0.002, 3, bend=0.6)
    ours = fit(observations).fit
    theirs = ols(
        f"y ~ 0 + {QUADRATIC} + d:w:r + first + second + excess", frame(observations)
    ).fit()
    assert ours.order == "cubic"
    assert ours.residual_sd == pytest.approx(theirs.mse_resid**0.5)


def test_refits_vary_as_coefficients_do() -> None:
    """Their covariance is the classical one, which is an independent way to it."""
    observations = observe(0.01, 4)
    surface = fit(observations)
    model = ols(f"y ~ 0 + {QUADRATIC} + first + second + excess", frame(observations)).fit()
    names = ["d", "w", "r", "d:w", "d:r", "w:r"]
    classical = model.cov_params().loc[names, names].to_numpy()
    refits = np.cov(surface.refit(20_000))
    assert np.diag(refits) == pytest.approx(np.diag(classical), rel=0.1)


def test_the_chance_of_detection_is_that_of_statsmodels() -> None:
    surface = fit(observe(0.012, 5))
    terms, freedom = len(surface.coefficients), surface.freedom
    assert 0 < surface.fit.reliability < 1
    chances = [detection_chance(surface.fit, terms, freedom, more) for more in (1, 2, 4)]
    assert all(one < other for one, other in pairwise(chances))
    excess = surface.fit.reliability / (1 - surface.fit.reliability)
    for more, chance in zip((1, 2, 4), chances, strict=True):
        # Its noncentrality is effect^2 * nobs, with nobs = df_denom + df_num + ncc.
        between, within = terms - 1, freedom * more
        effect = (between * more * excess / (between + within + 1)) ** 0.5
        expected = FTestPower().power(effect, within, between, 0.05, ncc=1)
        assert chance == pytest.approx(expected, abs=1e-6)


def test_nothing_is_fitted_where_nothing_can_be() -> None:
    observations = observe(0.01, 6)
    few = Observations(
        y=observations.y[:9],
        shares=observations.shares[:9],
        excess=observations.excess[:9],
        blocks=observations.blocks[:9],
        networks=observations.networks[:9],
    )
    assert fit_surface(few) is None


def test_the_simplex_stays_within_the_points() -> None:
    """All of it where the corners are trained; the middle where only that is."""
    whole = simplex_within(POINTS)
    assert len(whole) == 51 * 52 / 2
    inner = simplex_within(POINTS[:-1] * 0.5 + np.full(3, 1 / 6))
    assert 0 < len(inner) < len(whole)
    assert inner.min() >= 1 / 6 - 1e-9
    assert whole.sum(axis=1) == pytest.approx(np.ones(len(whole)))
