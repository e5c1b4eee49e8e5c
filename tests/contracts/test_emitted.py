"""Emitted files in use, in fresh processes that have no scalectl."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from factories import FAMILIES

from scalectl.arch.baselines import find_architecture
from scalectl.arch.factory import cost_of
from scalectl.arch.scaling import Multipliers, scale
from scalectl.arch.sizes import official_size
from scalectl.exports import write

FORMS = {
    ("torch", "timm", "torchvision", "transformers"): (
        "efficientnet_b0",
        "resnet18",
        "convnext_tiny",
    ),
    ("keras",): ("convnext_tiny",),
    ("onnx",): ("resnet18",),
}
"""Formats that share a process, and the families that are tried without --all-families."""


@pytest.mark.parametrize(("forms", "some"), FORMS.items(), ids=["torch", "keras", "onnx"])
def test_files_are_used_without_scalectl(
    forms: tuple[str, ...], some: tuple[str, ...], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Batches of one and four, other classes, a training step, saved and loaded; ONNX quantised."""
    families = FAMILIES if request.config.getoption("--all-families") else some
    expected = {f"{form} {name}" for form in forms for name in emit(form, families, tmp_path)}
    program = Path(__file__).parents[1] / "use_emitted.py"
    environment = {**os.environ, "KERAS_BACKEND": "torch", "HF_HUB_OFFLINE": "1"}
    run = subprocess.run(
        [sys.executable, str(program), str(tmp_path), *forms],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    results = json.loads(run.stdout.splitlines()[-1])
    assert results.keys() == expected
    assert len(expected) >= len(families)
    assert not [f"{name}: {problem}" for name, problem in results.items() if problem]


def emit(form: str, families: Sequence[str], folder: Path) -> list[str]:
    """Write small networks of the families that the format has; return their names."""
    names = []
    for family in families:
        # torchvision's ResNets and transformers' MobileNetV2 have one width or one depth.
        for number, multipliers in enumerate(
            (Multipliers(0.4, 0.25, 0.3), Multipliers(0.4, 1, 0.3))
        ):
            network = scale(find_architecture(family), multipliers)
            classes = 7 if form == "onnx" else 10
            network = replace(network, name=f"{family}_{number}", classes=classes)
            size = replace(official_size("b0"), architecture=network, cost=cost_of(network))
            if write(size, form, folder / form, verify=False).path:
                names.append(network.name)
                break
    (folder / form / "names.json").write_text(json.dumps(names))
    return names
