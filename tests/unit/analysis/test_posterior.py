"""The mixed model against statsmodels' at the same variances, and against truths that are known."""

import numpy as np
import pytest
from statsmodels.regression.mixed_linear_model import MixedLM

from scalectl.analysis import posterior
from scalectl.analysis.posterior import Floats, Trainings, draw_posterior, list_terms

SHARES = np.array([(i, j, 3 - i - j) for i in range(4) for j in range(4 - i)], float) / 3
HUGE = 1e4
"""A standard deviation that leaves an effect as free as one without a prior."""


def train(seeds: int, noise: float, seed: int, excess_sd: float = 0) -> tuple[Trainings, Floats]:
    """Trainings with a few missing, and the networks' true means."""
    random = np.random.default_rng(seed)
    means = SHARES @ np.array([0.0, 1.0, 2.0]) + random.normal(0, 0.5, len(SHARES))
    excess = random.normal(0, excess_sd, len(SHARES))
    network = np.repeat(np.arange(len(SHARES)), seeds)
    block = np.tile(np.arange(seeds), len(SHARES))
    kept = np.arange(len(network)) % 7 != 3
    network, block = network[kept], block[kept]
    blocks = random.normal(0, 0.3, seeds)
    response = means[network] + 2 * excess[network] + blocks[block]
    response += random.normal(0, noise, len(network))
    trainings = Trainings(
        shares=SHARES, excess=excess, network=network, block=block, response=response
    )
    return trainings, means


def test_effects_and_variances_are_those_of_statsmodels() -> None:
    """With blocks and terms as free as fixed effects, at the ratio of variances that it estimates."""
    trainings, _ = train(seeds=4, noise=0.4, seed=1)
    terms = list_terms(SHARES) - list_terms(SHARES).mean(axis=0)
    blocks = np.eye(4)[trainings.block][:, 1:]
    columns = [np.ones((len(trainings.response), 1)), terms[trainings.network], blocks]
    fitted = MixedLM(trainings.response, np.hstack(columns), trainings.network).fit(reml=True)
    ratio = float(np.sqrt(fitted.cov_re[0, 0] / fitted.scale))
    sums = posterior._Sums.add_up(trainings, terms, 0.0)
    grid = posterior._solve(sums, np.array([[HUGE, ratio, HUGE]]))
    assert grid.effects[0, 2:7] == pytest.approx(fitted.fe_params[1:6], rel=1e-3)
    assert np.diff(grid.effects[0, 7:]) == pytest.approx(
        np.diff([0, *fitted.fe_params[6:]]), rel=1e-3
    )
    # Restricted maximum likelihood divides by what fixed effects leave.
    freedom = len(trainings.response) - len(fitted.fe_params)
    assert grid.residual[0] / freedom == pytest.approx(fitted.scale, rel=1e-3)


def test_the_likelihood_of_ratios_is_that_of_statsmodels() -> None:
    """The restricted likelihood over the networks' ratio has its maximum at the same place."""
    trainings, _ = train(seeds=6, noise=0.4, seed=2)
    terms = list_terms(SHARES) - list_terms(SHARES).mean(axis=0)
    blocks = np.eye(6)[trainings.block][:, 1:]
    columns = [np.ones((len(trainings.response), 1)), terms[trainings.network], blocks]
    fitted = MixedLM(trainings.response, np.hstack(columns), trainings.network).fit(reml=True)
    expected = float(np.sqrt(fitted.cov_re[0, 0] / fitted.scale))
    sums = posterior._Sums.add_up(trainings, terms, float(trainings.response.mean()))
    ratios = np.geomspace(expected / 3, expected * 3, 121)
    free = np.full(len(ratios), HUGE)
    grid = posterior._solve(sums, np.column_stack([free, ratios, free]))
    prior = np.log(ratios**2 / (1 + ratios**2) ** 1.5)
    # Effects without a prior leave the noise fewer degrees of freedom.
    fewer = (len(fitted.fe_params) - 1) / 2 * np.log(grid.residual)
    likelihood = np.log(grid.weights) - prior + fewer
    assert ratios[likelihood.argmax()] == pytest.approx(expected, rel=0.05)


def test_many_trainings_leave_their_means() -> None:
    trainings, means = train(seeds=60, noise=0.05, seed=3)
    drawn = draw_posterior(trainings, 2000, seed=0)
    estimated = drawn.means.mean(axis=0)
    assert estimated - estimated.mean() == pytest.approx(means - means.mean(), abs=0.03)
    assert drawn.noise.mean() == pytest.approx(0.05, rel=0.1)


def test_stated_intervals_hold() -> None:
    """Truths lie within the 90 % intervals of differences in about 90 % of cases."""
    held = []
    for seed in range(60):
        trainings, means = train(seeds=3, noise=0.5, seed=seed, excess_sd=0.03)
        drawn = draw_posterior(trainings, 800, seed=seed).means
        centred = drawn - drawn.mean(axis=1, keepdims=True)
        low, high = np.quantile(centred, (0.05, 0.95), axis=0)
        truth = means - means.mean()
        held.append(((low <= truth) & (truth <= high)).mean())
    assert 0.85 <= np.mean(held) <= 0.96


def test_no_dimension_is_preferred() -> None:
    """Exchanging dimensions exchanges nothing but the networks."""
    trainings, _ = train(seeds=3, noise=0.3, seed=4)
    turned = Trainings(
        shares=SHARES[:, [1, 2, 0]],
        excess=trainings.excess,
        network=trainings.network,
        block=trainings.block,
        response=trainings.response,
    )
    expected, drawn = (
        draw_posterior(each, 20_000, seed=5).means.mean(axis=0) for each in (trainings, turned)
    )
    assert drawn == pytest.approx(expected, abs=0.02)


def test_draws_are_those_of_the_seed() -> None:
    trainings, _ = train(seeds=2, noise=0.3, seed=6)
    first, again, other = (draw_posterior(trainings, 50, seed=seed).means for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()
