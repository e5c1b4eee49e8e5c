"""Paired comparisons on fresh seeds, against their definitions and against statsmodels."""

from dataclasses import replace
from itertools import product
from statistics import NormalDist, fmean

import numpy as np
import pytest
from factories import confirm_record, confirmed
from statsmodels.stats.multitest import multipletests

from scalectl.analysis.confirmation import adjust, confirm, flip_signs, interval
from scalectl.arch.scaling import NAMED
from scalectl.trial import State

DIFFERENCES = (0.004, 0.011, -0.002, 0.007, 0.009, 0.001, 0.006, 0.0135)


def test_sign_flips_are_all_the_signs() -> None:
    """By enumeration: the part of the 2^8 ways whose mean is as far from zero."""
    means = [
        abs(fmean(sign * one for sign, one in zip(signs, DIFFERENCES, strict=True)))
        for signs in product((1, -1), repeat=8)
    ]
    expected = np.mean([one >= abs(fmean(DIFFERENCES)) - 1e-12 for one in means])
    assert flip_signs(DIFFERENCES) == pytest.approx(expected)
    assert flip_signs(DIFFERENCES[:1]) is None
    assert flip_signs([0.01] * 6) == pytest.approx(2 / 2**6)


def test_the_interval_is_bca() -> None:
    """Written down from Efron (1987), with draws of its own."""
    data = np.array(DIFFERENCES)
    draws = np.random.default_rng(7).choice(data, (200_000, len(data))).mean(axis=1)
    normal, mean = NormalDist(), data.mean()
    bias = normal.inv_cdf(float((draws < mean).mean()))
    left_out = np.array([np.delete(data, one).mean() for one in range(len(data))])
    off = left_out.mean() - left_out
    speed = (off**3).sum() / (6 * (off**2).sum() ** 1.5)
    ends = []
    for level in (0.025, 0.975):
        z = bias + normal.inv_cdf(level)
        ends.append(np.quantile(draws, normal.cdf(bias + z / (1 - speed * z))))
    assert interval(DIFFERENCES) == pytest.approx(ends, abs=2e-4)
    assert interval(DIFFERENCES[:2]) is None
    assert interval([0.01] * 6) is None


def test_holm_is_that_of_statsmodels() -> None:
    for values in ([0.01, 0.04, 0.03, 0.005], [0.5, 0.5, 0.01], [0.2]):
        assert adjust(values) == pytest.approx(multipletests(values, method="holm")[1])


def test_what_eight_seeds_can_say() -> None:
    (found,) = confirm(confirmed(8), NAMED["dwr"])
    assert (found.phi, found.reference.control) == (1.0, "dwr")
    assert found.mean_top1 == pytest.approx(0.7 + 0.01 + 0.035)
    depth, width = found.comparisons
    assert (depth.control.control, width.control.control) == ("depth", "width")
    assert depth.mean == pytest.approx(0.01 - 0.001 * 7 / 8)
    assert depth.p == pytest.approx(2 / 2**8)
    assert depth.p_holm == pytest.approx(2 * 2 / 2**8)
    assert found.claim == (
        "dwr at phi = 1, 8 seeds: better than depth (Holm's p < 0.05); not shown to differ from width."
    )


@pytest.mark.parametrize(("seeds", "claims"), [(3, False), (6, False), (7, True)])
def test_too_few_seeds_make_no_claim(seeds: int, claims: bool) -> None:
    """Two comparisons need 2 * 2 / 2^n < .05."""
    (found,) = confirm(confirmed(seeds), NAMED["dwr"])
    assert ("no claim" in found.claim) != claims
    if not claims:
        assert "7 can" in found.claim


def test_a_size_stands_alone_and_a_stranger_is_left_out() -> None:
    """phi = 2 is a confirmation of its own; what is not chosen has none."""
    records = [
        *confirmed(2),
        confirm_record("dwr", 0, 0.8, phi=2.0),
        confirm_record("depth", 0, 0.7, phi=2.0),
    ]
    assert [one.phi for one in confirm(records, NAMED["dwr"])] == [1.0, 2.0]
    assert confirm(records, NAMED["paper"]) == ()
    failed = replace(confirm_record("depth", 5, 0.0), state=State.DIVERGED, top1=None)
    assert confirm([*records, failed], NAMED["dwr"]) == confirm(records, NAMED["dwr"])
