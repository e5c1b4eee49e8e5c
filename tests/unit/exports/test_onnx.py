from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnxruntime.quantization import quantize_dynamic
from onnxruntime.quantization.shape_inference import quant_pre_process

from scalectl.arch.baselines import find_architecture
from scalectl.arch.factory import cost_of
from scalectl.arch.scaling import Multipliers, scale
from scalectl.arch.sizes import official_size
from scalectl.exports import verify, write


@pytest.mark.parametrize("family", ["mobilenetv3_small_100", "convnext_tiny"])
def test_files_take_any_batch_and_are_quantised(family: str, tmp_path: Path) -> None:
    """As onnxruntime's users do it: prepare, quantise, run on one image and on four."""
    small = scale(find_architecture(family), Multipliers(0.3, 0.5, 0.3))
    network = replace(small, name="small", classes=10, channels=1)
    size = replace(official_size("b0"), architecture=network, cost=cost_of(network))
    path = Path(str(write(size, "onnx", tmp_path, verify=False).path))
    result = verify(path)[1]
    assert result.ok, result.note
    assert result.params == size.cost.params
    operators = {node.op_type for node in onnx.load(path).graph.node}
    assert "BatchNormalization" not in operators
    prepared, quantised = tmp_path / "prepared.onnx", tmp_path / "quantised.onnx"
    quant_pre_process(path, prepared)
    quantize_dynamic(prepared, quantised)
    session = onnxruntime.InferenceSession(quantised)
    for count in (1, 4):
        images = np.zeros((count, 1, network.resolution, network.resolution), "float32")
        assert session.run(None, {"images": images})[0].shape == (count, 10)
