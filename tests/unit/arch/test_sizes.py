from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scalectl.arch.architecture import Architecture
from scalectl.arch.baselines.efficientnet import B0
from scalectl.arch.loading import find_baseline
from scalectl.arch.rounding import RoundingRule
from scalectl.arch.scaling import NAMED, Coefficients, cap
from scalectl.arch.sizes import official_size, size_at, sizes_around
from scalectl.errors import ScalectlError


@pytest.mark.parametrize("number", range(8))
def test_official_sizes_equal_timm(number: int) -> None:
    """Parameters of timm's own networks, built without weights."""
    import timm
    import torch

    with torch.device("meta"):
        network = timm.create_model(f"efficientnet_b{number}")
    count = sum(parameter.numel() for parameter in network.parameters())
    assert official_size(f"b{number}").cost.params == count


def test_regularisation_follows_the_published_habit() -> None:
    """Dropout .2 at phi 0, .5 at phi 7 and above; drop-path stays."""

    def scale(phi: float) -> Architecture:
        scaled = size_at(B0, NAMED["paper"], phi, "paper").architecture
        assert isinstance(scaled, Architecture)
        return scaled

    rates = [scale(phi).dropout for phi in (0, 3.5, 7, 9)]
    assert rates == [0.2, 0.35, 0.5, 0.5]
    assert scale(7).drop_path == B0.drop_path


def test_nominal_and_realised_are_told_apart() -> None:
    """The formula says 1.92x; the rounded network costs 2.23x or more."""
    size = size_at(B0, NAMED["paper"], 1, "paper")
    assert size.nominal_ratio == pytest.approx(1.9203, abs=1e-3)
    assert size.realised_ratio > 2.2
    assert not size.is_extrapolated
    assert size_at(B0, NAMED["paper"], 3, "paper").is_extrapolated


def test_an_unpublished_size_is_refused() -> None:
    with pytest.raises(ScalectlError, match="There is no baseline 'b9'"):
        official_size("b9")


@given(
    st.floats(2.5e8, 2e10),
    st.sampled_from(["paper", "dwr", "dWr"]),
    st.sampled_from(["official", "nearest"]),
)
def test_a_budget_is_between_two_neighbouring_sizes(
    target: float, name: str, rule: RoundingRule
) -> None:
    """The smaller is the largest that does not exceed it, the other the next one."""
    baseline = replace(B0, rounding=replace(B0.rounding, rule=rule))
    below, above = sizes_around(baseline, NAMED[name], "macs", target, "test")
    assert below.phi is not None
    assert below.cost.macs <= target < above.cost.macs
    around = [
        size_at(baseline, NAMED[name], below.phi + step / 100, "test").cost.macs
        for step in range(-40, 41)
    ]
    assert max(cost for cost in around if cost <= target) <= below.cost.macs
    assert min(cost for cost in around if cost > target) >= above.cost.macs


def test_a_budget_that_a_size_meets_is_met() -> None:
    """Exactly: the size at that phi is the largest which costs at most as much."""
    cost = size_at(B0, NAMED["paper"], 2, "test").cost
    below, _ = sizes_around(B0, NAMED["paper"], "params", cost.params, "test")
    assert below.cost == cost


def test_a_target_outside_names_what_there_is() -> None:
    """The smallest and the largest size."""
    with pytest.raises(ScalectlError, match=r"smallest has 1,968,720 at phi = -12, the largest"):
        sizes_around(B0, NAMED["dwr"], "macs", 1e4, "test")


def test_the_phi_of_a_budget_is_short_and_gives_the_same_network() -> None:
    """What is printed can be typed again."""
    below, _ = sizes_around(B0, NAMED["dwr"], "macs", 1.2e9, "test")
    typed = size_at(B0, NAMED["dwr"], float(f"{below.phi:.9g}"), "test")
    assert len(f"{below.phi:.9g}") <= 6
    assert typed.architecture == below.architecture


@given(
    st.integers(8, 400),
    st.floats(-3, 7),
    st.sampled_from([Coefficients(1.2, 1.1, 1.15), Coefficients(1, 1.2, 1.1), Coefficients(1.5, 1, 1.1)]),
    st.sampled_from(["efficientnet_b0", "mobilenetv2_100", "resnet50", "regnetx_002"]),
)  # fmt: skip
def test_a_cap_on_the_resolution_is_obeyed(
    most: int, phi: float, coefficients: Coefficients, name: str
) -> None:
    """Also below the baseline's own; nominal compute stays, and what is cut off is said."""
    baseline = find_baseline(name)
    free = size_at(baseline, coefficients, phi, "test")
    capped = size_at(baseline, coefficients, phi, "test", most)
    assert capped.architecture.resolution <= most
    assert capped.is_capped == (free.architecture.resolution > most)
    multipliers = capped.multipliers
    assert multipliers.depth * multipliers.width**2 * multipliers.resolution**2 == pytest.approx(
        free.nominal_ratio
    )


def test_a_cap_below_the_smallest_resolution_is_refused() -> None:
    baseline = replace(B0, rounding=replace(B0.rounding, resolution_divisor=32))
    with pytest.raises(ScalectlError, match=r"multiples of 32 px. Give --max-resolution 32"):
        size_at(baseline, NAMED["paper"], 1, "test", 24)


def test_a_cap_keeps_nominal_compute() -> None:
    """Depth and width take over in proportion to their shares."""
    coefficients = NAMED["paper"]
    free = coefficients.at(4)
    capped = cap(free, coefficients, 1.3)
    assert capped.resolution == 1.3
    assert capped.depth * capped.width**2 * capped.resolution**2 == pytest.approx(
        free.depth * free.width**2 * free.resolution**2
    )
    assert cap(free, coefficients, 9) == free
