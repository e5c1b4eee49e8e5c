import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scalectl.arch.architecture import Architecture
from scalectl.arch.baselines import BASELINES, find_architecture
from scalectl.arch.baselines.efficientnet import B0
from scalectl.arch.scaling import Multipliers, scale
from scalectl.errors import ScalectlError

multipliers = st.builds(
    Multipliers, st.floats(0.3, 4), st.floats(0.3, 4), st.floats(0.5, 3)
)  # fmt: skip


@given(multipliers)
def test_round_trip(factors: Multipliers) -> None:
    """Through JSON, whatever was scaled."""
    network = scale(B0, factors)
    assert Architecture.from_dict(json.loads(json.dumps(network.to_dict()))) == network


@pytest.mark.parametrize("name", BASELINES)
def test_closure(name: str) -> None:
    """Scaling by one changes nothing."""
    assert scale(find_architecture(name), Multipliers()) == find_architecture(name)


def test_the_fingerprint_is_of_the_network() -> None:
    """Not of its name."""
    assert replace(B0, name="other").fingerprint == B0.fingerprint
    assert replace(B0, resolution=240).fingerprint != B0.fingerprint
    assert replace(B0, classes=10).fingerprint != B0.fingerprint


def test_fields_at_their_default_do_not_tell_networks_apart() -> None:
    """So that a new field changes no stored id; and 6 is 6.0."""
    content = B0.to_dict()
    for stage in content["stages"]:
        for field in ("expanded_width", "group_width", "activation", "skip", "joined"):
            del stage[field]
        stage["expansion"] = float(stage["expansion"])
    assert Architecture.from_dict(content).fingerprint == B0.fingerprint


def test_an_unknown_baseline_gets_a_suggestion() -> None:
    with pytest.raises(ScalectlError, match="did you mean 'efficientnet_b0'"):
        find_architecture("eficientnet_b0")
