"""Paired comparisons on fresh seeds, against their definitions and against statsmodels."""

import math
from dataclasses import replace
from itertools import product
from statistics import fmean

import numpy as np
import pandas as pd
import pytest
from factories import confirm_record, confirmed
from statsmodels.formula.api import ols
from statsmodels.stats.multitest import multipletests

from scalectl.analysis.confirmation import (
    Error,
    adjust,
    bound_mean,
    confirm,
    flip_signs,
    pool_error,
)
from scalectl.arch.scaling import NAMED
from scalectl.trial import State

DIFFERENCES = (0.004, 0.011, -0.002, 0.007, 0.009, 0.001, 0.006, 0.0135)


def test_sign_flips_are_all_the_signs() -> None:
    """By enumeration: the part of the 2^8 ways whose mean is as far from zero."""
    means = [
        abs(fmean(sign * difference for sign, difference in zip(signs, DIFFERENCES, strict=True)))
        for signs in product((1, -1), repeat=8)
    ]
    expected = np.mean([mean >= abs(fmean(DIFFERENCES)) - 1e-12 for mean in means])
    assert flip_signs(DIFFERENCES) == pytest.approx(expected)
    assert flip_signs(DIFFERENCES[:1]) is None
    assert flip_signs([0.01] * 6) == pytest.approx(2 / 2**6)


def test_the_error_is_pooled_over_networks_and_seeds() -> None:
    """By statsmodels: networks + blocks without interaction, and its t test of a contrast."""
    random = np.random.default_rng(0)
    layout = random.normal(0.7, 0.01, (4, 5)) + np.array([[0], [0.01], [0.02], [0]])
    frame = pd.DataFrame(
        {
            "y": layout.ravel(),
            "network": np.repeat(np.arange(4), 5),
            "seed": np.tile(np.arange(5), 4),
        }
    )
    fitted = ols("y ~ C(network) + C(seed)", frame).fit()
    error = pool_error([dict(enumerate(row)) for row in layout.tolist()])
    assert error is not None
    assert (error.sd, error.freedom) == pytest.approx((fitted.mse_resid**0.5, fitted.df_resid))
    interval, p = bound_mean(float(layout[2].mean() - layout[0].mean()), 5, error)
    assert p == pytest.approx(fitted.pvalues["C(network)[T.2]"])
    assert interval == pytest.approx(fitted.conf_int().loc["C(network)[T.2]"].tolist())


def test_one_seed_has_no_error() -> None:
    assert pool_error([{0: 0.5}, {0: 0.6}]) is None
    assert pool_error([{0: 0.5, 1: 0.4}]) is None
    exact = pool_error([{0: 0.5, 1: 0.5}, {0: 0.6, 1: 0.6}])
    assert exact
    assert bound_mean(0.1, 2, Error(0.0, exact.freedom)) == ((0.1, 0.1), 0.0)


def test_holm_is_that_of_statsmodels() -> None:
    for values in ([0.01, 0.04, 0.03, 0.005], [0.5, 0.5, 0.01], [0.2]):
        assert adjust(values) == pytest.approx(multipletests(values, method="holm")[1])


def test_what_eight_seeds_can_say() -> None:
    (confirmation,) = confirm(confirmed(8), NAMED["dwr"])
    assert (confirmation.phi, confirmation.reference.control) == (1.0, "dwr")
    assert confirmation.mean_top1 == pytest.approx(0.7 + 0.01 + 0.035)
    depth, width = confirmation.comparisons
    assert (depth.control.control, width.control.control) == ("depth", "width")
    assert depth.top1.mean == pytest.approx(0.01 - 0.001 * 7 / 8)
    assert depth.top1.p_flips == pytest.approx(2 / 2**8)
    assert depth.top1.p is not None
    assert depth.top1.p_holm == pytest.approx(2 * depth.top1.p)
    assert width.top1.p_holm == width.top1.p
    assert depth.log_loss is None
    assert confirmation.claim == (
        "dwr at phi = 1, 8 seeds: in top-1 better than depth, no significant difference from width "
        "(by Holm's p at 0.05)."
    )


def test_log_loss_is_compared_beside_top1() -> None:
    """By the same tests, and it may see what top-1 does not; a record without one leaves it out."""
    records = [
        confirm_record(control, seed, 0.7 + seed / 100, loss=loss + 0.001 * (seed % 3))
        for seed in range(5)
        for control, loss in (("dwr", 0.5), ("depth", 0.6), ("width", 0.4))
    ]
    (confirmation,) = confirm(records, NAMED["dwr"])
    assert confirmation.claim == (
        "dwr at phi = 1, 5 seeds: in top-1 no significant difference from depth, width; "
        "in log-loss better than depth, worse than width (by Holm's p at 0.05)."
    )
    depth = confirmation.comparisons[0].log_loss
    assert depth
    assert depth.by_seed[0] == pytest.approx(math.log(0.6 / 0.5))
    (without,) = confirm([replace(records[0], loss=None), *records[1:]], NAMED["dwr"])
    assert [comparison.log_loss for comparison in without.comparisons] == [None, None]
    assert "log-loss" not in without.claim


def test_one_seed_makes_no_claim() -> None:
    (confirmation,) = confirm(confirmed(1), NAMED["dwr"])
    assert "no claim, since one seed" in confirmation.claim
    assert [comparison.top1.p_holm for comparison in confirmation.comparisons] == [None, None]


def test_a_size_stands_alone_and_a_stranger_is_left_out() -> None:
    """phi = 2 is a confirmation of its own; what is not chosen has none."""
    records = [
        *confirmed(2),
        confirm_record("dwr", 0, 0.8, phi=2.0),
        confirm_record("depth", 0, 0.7, phi=2.0),
    ]
    assert [record.phi for record in confirm(records, NAMED["dwr"])] == [1.0, 2.0]
    assert confirm(records, NAMED["paper"]) == ()
    failed = replace(confirm_record("depth", 5, 0.0), state=State.DIVERGED, top1=None)
    assert confirm([*records, failed], NAMED["dwr"]) == confirm(records, NAMED["dwr"])
