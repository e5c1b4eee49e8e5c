import math
from dataclasses import astuple, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scalectl.arch.baselines.efficientnet import B0
from scalectl.arch.factory import cost_of
from scalectl.arch.scaling import NAMED, Coefficients, Multipliers, bracket, scale
from scalectl.errors import ScalectlError

COEFFICIENTS = st.builds(
    Coefficients, st.floats(1.01, 2), st.floats(1.01, 1.5), st.floats(1.01, 1.5)
)


def test_multipliers_of_one_change_nothing() -> None:
    """Closure: scaling by nothing gives the same network."""
    assert scale(B0, Multipliers()) == B0


@given(COEFFICIENTS)
def test_shares_and_coefficients_are_the_same_point(coefficients: Coefficients) -> None:
    """Shares add to one, and with the growth they give the coefficients back."""
    shares = coefficients.shares
    again = Coefficients.from_shares(shares).at(math.log2(coefficients.growth))
    assert math.isclose(shares.depth + shares.width + shares.resolution, 1)
    assert astuple(again) == pytest.approx(astuple(coefficients), rel=1e-9)


@given(COEFFICIENTS, st.floats(0, 4), st.floats(0, 4))
def test_cost_never_falls_as_phi_grows(
    coefficients: Coefficients, first: float, second: float
) -> None:
    """What the bisection for phi relies on."""
    low, high = (cost_of(scale(B0, coefficients.at(phi))).macs for phi in sorted((first, second)))
    assert low <= high


def test_late_stages_take_all_added_blocks() -> None:
    """As many as are added uniformly, in proportion to what the later stages have; nothing else moves."""
    roundings = [replace(B0.rounding, stages="uniform"), replace(B0.rounding, stages="late")]
    deeper, late = (scale(B0, Multipliers(depth=2.0), rounding) for rounding in roundings)
    assert [stage.repeats for stage in late.stages] == [1, 2, 2, 3, 9, 12, 3]
    assert late.depth == deeper.depth == 32
    wider = Multipliers(width=1.5, resolution=1.5)
    same = (scale(B0, wider, rounding) for rounding in roundings)
    assert len({network.fingerprint for network in same}) == 1


@given(st.floats(1, 8), st.floats(1, 8))
def test_late_stages_never_lose_a_block_as_depth_grows(first: float, second: float) -> None:
    low, high = (
        scale(B0, Multipliers(depth=depth), replace(B0.rounding, stages="late"))
        for depth in sorted((first, second))
    )
    pairs = zip(low.stages, high.stages, strict=True)
    assert all(fewer.repeats <= more.repeats for fewer, more in pairs)


def test_the_papers_coefficients_grow_compute_by_less_than_two() -> None:
    """1.2 * 1.1^2 * 1.15^2 (Tan & Le 2019, section 3.3)."""
    assert NAMED["paper"].growth == pytest.approx(1.920270)


def test_dwr_divides_compute_evenly() -> None:
    """The centre of the triangle."""
    assert astuple(NAMED["dwr"].shares) == pytest.approx([1 / 3] * 3)


def test_a_bracket_is_on_both_sides_of_the_target() -> None:
    """No step of the rounded networks is between them and the target."""
    target = 3 * cost_of(B0).macs

    def count(phi: float) -> int:
        return cost_of(scale(B0, NAMED["dwr"].at(phi))).macs

    low, high = bracket(count, target, 0.0, 12.0, 2.0**-10)
    assert count(low) <= target <= count(high)
    around = {count(low + step / 200) for step in range(-200, 200)}
    assert not [cost for cost in around if count(low) < cost < count(high)]


@pytest.mark.parametrize("values", [(0.9, 1.1, 1.1), (1, 1, 1), (1.1, math.nan, 1.1)])
def test_unusable_coefficients_are_refused(values: tuple[float, float, float]) -> None:
    """Below one, all one, or not a number."""
    with pytest.raises(ScalectlError):
        Coefficients(*values)
