import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scalectl.architecture import Architecture
from scalectl.baselines import BASELINES, baseline
from scalectl.baselines.efficientnet import B0
from scalectl.errors import ScalectlError
from scalectl.scaling import Multipliers, scale

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
    assert scale(baseline(name), Multipliers()) == baseline(name)


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
        baseline("eficientnet_b0")
