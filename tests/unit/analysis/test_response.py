"""Noise and worth of the response, against statsmodels and against truths that are known."""

import numpy as np
import pandas as pd
import pytest
from statsmodels.formula.api import ols
from statsmodels.stats.anova import anova_lm

from scalectl.analysis.posterior import Trainings
from scalectl.analysis.response import compare_orders, measure_noise, value_in_top1


def arrange(network: "np.ndarray", block: "np.ndarray", response: "np.ndarray") -> Trainings:
    count = int(network.max()) + 1
    shares = np.full((count, 3), 1 / 3)
    return Trainings(
        shares=shares, excess=np.zeros(count), network=network, block=block, response=response
    )


def lay_out(seeds: int, missing: int = 0) -> tuple["np.ndarray", "np.ndarray"]:
    network, block = np.repeat(np.arange(12), seeds), np.tile(np.arange(seeds), 12)
    kept = np.arange(len(network)) % missing != 1 if missing else network >= 0
    return network[kept], block[kept]


@pytest.mark.parametrize("missing", [0, 5])
def test_the_analysis_of_variance_is_that_of_statsmodels(missing: int) -> None:
    network, block = lay_out(4, missing)
    random = np.random.default_rng(0)
    y = random.normal(0, 0.5, 12)[network] + random.normal(0, 1, 4)[block]
    y += random.normal(0, 0.4, len(network))
    frame = pd.DataFrame({"y": y, "network": network, "block": block})
    table = anova_lm(ols("y ~ C(block) + C(network)", frame).fit(), typ=1)
    noise = measure_noise(arrange(network, block, y))
    assert noise.sd == pytest.approx(table["mean_sq"]["Residual"] ** 0.5)
    assert noise.networks_p == pytest.approx(table["PR(>F)"]["C(network)"])
    assert noise.reliability == pytest.approx(1 - 1 / table["F"]["C(network)"])
    assert np.array(noise.fitted) + np.array(noise.residuals) == pytest.approx(y)


def test_one_seed_shows_no_noise() -> None:
    network, block = lay_out(1)
    noise = measure_noise(arrange(network, block, np.arange(12.0)))
    assert (noise.sd, noise.spread, noise.networks_p, noise.reliability) == (None,) * 4


def test_worth_is_the_slope_among_networks_and_not_among_seeds() -> None:
    """Seeds move both responses too, by another slope."""
    network, block = lay_out(5)
    slopes = []
    for seed in range(30):
        random = np.random.default_rng(seed)
        level, luck = random.normal(0, 0.1, 12), random.normal(0, 0.1, len(network))
        response = level[network] + luck
        top1 = 0.7 + 0.2 * level[network] + 0.35 * luck + random.normal(0, 0.003, len(network))
        worth = value_in_top1(arrange(network, block, response), top1)
        if worth:
            slopes.append(worth.slope)
    assert len(slopes) >= 25
    assert np.mean(slopes) == pytest.approx(0.2, abs=0.02)


def test_worth_is_not_made_up() -> None:
    """Few networks, networks that differ by noise alone, and top-1 that follows something else."""
    network, block = lay_out(3)
    random = np.random.default_rng(0)
    noises = random.normal(0, 1, (40, len(network)))
    worths = [value_in_top1(arrange(network, block, each), 0.7 + 0.2 * each) for each in noises]
    assert sum(worth is None for worth in worths) >= 34
    noise = noises[0]
    level = random.normal(0, 1, 12)[network]
    assert value_in_top1(arrange(network, block, level + 0.1 * noise), 0.7 - 0.2 * level) is None
    few = network < 3
    trainings = arrange(network[few], block[few], level[few] + 0.1 * noise[few])
    assert value_in_top1(trainings, 0.7 + 0.2 * level[few]) is None


def test_orders_are_compared_by_ranks() -> None:
    network, block = lay_out(2)
    ours = arrange(network, block, network.astype(float))
    assert compare_orders(ours, arrange(network, block, np.exp(network))) == pytest.approx(1)
    assert compare_orders(ours, arrange(network, block, -(network**3.0))) == pytest.approx(-1)
    assert compare_orders(ours, arrange(network, block, np.ones(len(network)))) is None
