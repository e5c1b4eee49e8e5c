import math
from dataclasses import astuple, replace

import pytest

from scalectl.arch.architecture import Architecture
from scalectl.arch.baselines.efficientnet import B0
from scalectl.arch.scaling import NAMED
from scalectl.errors import ScalectlError
from scalectl.search.candidates import (
    Enumeration,
    enumerate_candidates,
    lattice,
    shrink,
    simplex,
    star,
)
from scalectl.search.config import Design, Proxy


@pytest.fixture(scope="module")
def default() -> Enumeration:
    return enumerate_candidates(Design(degree=3), shrink(B0, Proxy(), classes=16), native=72)


@pytest.mark.parametrize(
    ("step", "tolerance", "count"),
    [(0.1, 0.05, 10), (0.1, 0.1, 21), (0.05, 0.05, 54), (0.05, 0.1, 109), (0.025, 0.05, 374),
     (0.025, 0.1, 738)],
)  # fmt: skip
def test_lattice_counts_are_those_of_exact_decimals(
    step: float, tolerance: float, count: int
) -> None:
    """Points on the very edge of the tolerance are in."""
    assert sum(1 for _ in lattice(1.0, 2.0, step, tolerance)) == count


def test_simplex_holds_corners_and_centre() -> None:
    """{3, 3} has ten points."""
    points = list(simplex(3))
    assert len(points) == 10
    assert {point.shares.depth for point in points} >= {0.0, 1.0}


def test_star_has_rays_to_corners_and_mid_edges() -> None:
    """In even steps of the shares; the ends are exact, so that what is not to grow does not."""
    points = list(star(4))
    assert len(points) == 1 + 6 * 4
    shares = {tuple(round(share, 9) for share in astuple(point.shares)) for point in points}
    assert {(1, 0, 0), (0, 1, 0), (0, 0, 1), (0.5, 0.5, 0), (0.5, 0, 0.5), (0, 0.5, 0.5)} < shares
    assert (0.5, 0.25, 0.25) in shares
    assert sum(point.alpha == 1 for point in points) == 3
    assert [point.growth for point in points] == pytest.approx([2.0] * 25)


def test_a_star_is_enumerated_with_the_controls() -> None:
    """Those on its rays are merged with it."""
    baseline = shrink(B0, Proxy(), classes=16)
    result = enumerate_candidates(Design(kind="star", degree=2), baseline, native=72)
    controls = {candidate.control for candidate in result.candidates}
    assert controls == {"", "baseline", *NAMED}
    assert len(result.candidates) + len(result.rejected) + result.merged == 1 + len(NAMED) + 13
    assert result.merged >= 4


def test_every_candidate_costs_twice_the_baseline(default: Enumeration) -> None:
    """Counted MACs within 5 %, after all rounding."""
    ratios = [candidate.realised_ratio for candidate in default.candidates[1:]]
    assert len(ratios) >= 12
    assert all(abs(math.log2(ratio) - 1) <= 0.07 for ratio in ratios)


def test_all_controls_are_in_the_default_search(default: Enumeration) -> None:
    """And the baseline, first."""
    assert default.candidates[0].control == "baseline"
    assert {candidate.control for candidate in default.candidates} == {"", "baseline", *NAMED}


def test_no_network_is_trained_twice(default: Enumeration) -> None:
    """Equal networks are merged."""
    assert len({candidate.fingerprint for candidate in default.candidates}) == len(
        default.candidates
    )
    assert default.merged > 0


@pytest.mark.parametrize("control", ["depth", "width", "resolution"])
def test_single_dimension_controls_move_one_dimension(default: Enumeration, control: str) -> None:
    """All of their added MACs are due to it."""
    (candidate,) = (candidate for candidate in default.candidates if candidate.control == control)
    assert candidate.shares is not None
    assert getattr(candidate.shares, control) == pytest.approx(1)


def test_late_candidates_cost_as_much_as_uniform_ones() -> None:
    """Each proposal that adds blocks is tried with both; controls are the uniform ones."""
    baseline = shrink(B0, Proxy(), classes=16)
    candidates = enumerate_candidates(
        Design(stages=("uniform", "late")), baseline, native=72
    ).candidates
    late = [candidate for candidate in candidates[1:] if candidate.stages == "late"]
    assert len(late) >= 3
    assert all(abs(math.log2(candidate.realised_ratio) - 1) <= 0.07 for candidate in late)
    assert {candidate.control for candidate in late} == {""}
    assert all(candidate.name.endswith("), late") for candidate in late)
    networks = [candidate.architecture for candidate in late]
    assert {
        network.stages[0].repeats for network in networks if isinstance(network, Architecture)
    } == {1}


def test_resolutions_above_the_native_size_are_rejected() -> None:
    """With the reason."""
    baseline = shrink(B0, Proxy(), classes=16)
    result = enumerate_candidates(Design(degree=3), baseline, native=40)
    assert any("no information above 40 px" in refused.reason for refused in result.rejected)
    assert all(candidate.architecture.resolution <= 40 for candidate in result.candidates)


def test_a_design_without_candidates_is_refused() -> None:
    """Nothing fits a budget this narrow."""
    baseline = shrink(B0, Proxy(), classes=16)
    with pytest.raises(ScalectlError, match="No candidate is left"):
        enumerate_candidates(Design(max_deviation=1e-9), baseline, native=72)


def test_a_limit_keeps_the_controls() -> None:
    """A space-filling subset, never the first ones."""
    baseline = shrink(B0, Proxy(), classes=16)
    result = enumerate_candidates(replace(Design(), max_candidates=8), baseline, native=72)
    controls = {candidate.control for candidate in result.candidates}
    assert len(result.candidates) == 9
    assert controls == {"", "baseline", *NAMED}
