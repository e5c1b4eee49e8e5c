"""What holds of every published network: the numbers of others, and other people's code."""

import json

import pytest
import timm
import torch
from factories import ROOT

from scalectl.arch.architecture import Architecture
from scalectl.arch.baselines import BASELINES, find_architecture
from scalectl.arch.cost import Cost
from scalectl.arch.counter import count_cost
from scalectl.arch.factory import cost_of
from scalectl.arch.scaling import Multipliers, scale
from scalectl.nn.build import build_on_meta

# Counted with torch 2.14.1's FlopCounterMode on the meta device, on the networks of timm 1.0.31;
# EfficientNet's coefficients are those of tensorflow/tpu and google/automl.
GOLDEN = json.loads((ROOT / "tests" / "golden" / "families.json").read_text())


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_numbers(name: str) -> None:
    """Parameters, multiply-adds and activations, to the unit."""
    network, golden = find_architecture(name), GOLDEN[name]
    assert network.resolution == golden["resolution"]
    assert cost_of(network) == Cost(golden["params"], golden["macs"], golden["activations"])


@pytest.mark.parametrize("name", BASELINES)
def test_timm_has_the_same_network(name: str) -> None:
    """Counted on timm's own, built without weights."""
    network = find_architecture(name)
    prefix = "tf_" if name.startswith(("efficientnetv2_b", "efficientnetv2_xl")) else ""
    with torch.device("meta"):
        twin = timm.create_model(prefix + name)
    assert count_cost(twin, network.resolution)[0] == cost_of(network)


@pytest.mark.parametrize("name", BASELINES)
def test_arithmetic_equals_what_is_trained(name: str) -> None:
    """Counted on scalectl's own network."""
    network = find_architecture(name)
    cost, shape = count_cost(build_on_meta(network), network.resolution)
    assert cost == cost_of(network)
    assert shape == (1, network.classes)


@pytest.mark.parametrize("name", BASELINES)
def test_closure_and_round_trip(name: str) -> None:
    """Scaling by one changes nothing, and neither does plain data."""
    network = find_architecture(name)
    assert scale(network, Multipliers()) == network
    assert Architecture.from_dict(json.loads(json.dumps(network.to_dict()))) == network
