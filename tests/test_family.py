import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scalectl.baselines.efficientnet import B0
from scalectl.errors import ScalectlError
from scalectl.family import official_size, size_at, size_for
from scalectl.scaling import NAMED, cap


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
    rates = [
        size_at(B0, NAMED["paper"], phi, "paper").architecture.dropout for phi in (0, 3.5, 7, 9)
    ]
    assert rates == [0.2, 0.35, 0.5, 0.5]
    assert size_at(B0, NAMED["paper"], 7, "paper").architecture.drop_path == B0.drop_path


def test_nominal_and_realised_are_told_apart() -> None:
    """The formula says 1.92x; the rounded network costs 2.23x or more (METHOD)."""
    size = size_at(B0, NAMED["paper"], 1, "paper")
    assert size.nominal_ratio == pytest.approx(1.9203, abs=1e-3)
    assert size.realised_ratio > 2.2
    assert not size.is_extrapolated
    assert size_at(B0, NAMED["paper"], 3, "paper").is_extrapolated


def test_an_unpublished_size_is_refused() -> None:
    with pytest.raises(ScalectlError, match="There is no baseline 'b9'"):
        official_size("b9")


@given(st.floats(2.5e8, 2e10), st.sampled_from(["paper", "dwr", "dWr"]))
def test_a_target_is_met_within_a_step(target: float, name: str) -> None:
    """No size of any phi around it comes closer."""
    size = size_for(B0, NAMED[name], "macs", target, "test")
    assert size.phi is not None

    def miss(phi: float) -> float:
        return abs(math.log(size_at(B0, NAMED[name], phi, "test").cost.macs / target))

    assert miss(size.phi) <= min(miss(size.phi + step / 100) for step in range(-40, 41)) + 1e-12


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
