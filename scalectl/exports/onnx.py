"""Emit an ONNX file of the untrained network, for runtimes and tools that measure latency."""

import json
from pathlib import Path

from scalectl.arch.factory import Baseline
from scalectl.arch.sizes import Size
from scalectl.errors import ScalectlError
from scalectl.exports import is_installed
from scalectl.exports.config import claim
from scalectl.exports.verification import Verification, count_outputs

_KEY = "scalectl"


class Onnx:
    """The format "onnx": with initial weights, and batch norms as in evaluation."""

    suffix = ".onnx"
    library = "onnxruntime"

    def find_obstacle(self, network: Baseline) -> str:
        """Find none: torch traces whatever it builds."""
        return ""

    def emit(self, size: Size) -> bytes:
        """Write the file, claims in its metadata. Raises `ScalectlError` without onnxscript."""
        if not is_installed("onnxscript"):
            raise ScalectlError(
                "torch writes ONNX with onnxscript, which is not installed.",
                'Install it: python -m pip install "scalectl[onnx]".',
            )
        import torch

        from scalectl.nn.build import build

        network = build(size.architecture).eval()
        images = torch.zeros(1, *claim(size)["input_size"])
        program = torch.onnx.export(
            network,
            (images,),
            dynamo=True,
            verbose=False,
            optimize=False,  # batch norms would be folded, and parameters could not be counted
            input_names=["images"],
            output_names=["logits"],
        )
        assert program is not None
        model = program.model_proto
        entry = model.metadata_props.add()
        entry.key, entry.value = _KEY, json.dumps(claim(size))
        content: bytes = model.SerializeToString()
        return content

    def verify(self, path: Path) -> Verification:
        """Run the file with onnxruntime; count its initializers without batch norms' statistics."""
        import numpy as np
        import onnx
        import onnxruntime

        model = onnx.load(path)
        claims = json.loads(
            next(entry.value for entry in model.metadata_props if entry.key == _KEY)
        )
        statistics = {
            name
            for node in model.graph.node
            if node.op_type == "BatchNormalization"
            for name in node.input[3:5]
        }
        named = {value for node in model.graph.node for value in node.input}
        params = sum(
            int(np.prod(tensor.dims))
            for tensor in model.graph.initializer
            if tensor.name in named - statistics and _is_weight(tensor.name)
        )
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        images = np.zeros((1, *claims["input_size"]), "float32")
        (logits,) = session.run(None, {"images": images})
        forward_ok = logits.shape == (1, count_outputs(claims))
        ok = params == claims["params"] and forward_ok
        return Verification(
            ok=ok,
            expected_params=claims["params"],
            params=params,
            forward_ok=forward_ok,
            note=f"run by onnxruntime: {params:,} parameters"
            + (", as stated" if ok else f", the file says {claims['params']:,}"),
        )


def _is_weight(name: str) -> bool:
    return name.endswith((".weight", ".bias", ".scale"))
