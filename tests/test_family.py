import pytest

from scalectl.baselines.efficientnet import B0
from scalectl.errors import ScalectlError
from scalectl.family import official_size, size_at
from scalectl.scaling import NAMED


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
    with pytest.raises(ScalectlError, match="Published are b0"):
        official_size("b9")
