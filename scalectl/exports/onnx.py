"""Emit an ONNX file of the untrained network, for runtimes and tools that measure latency."""

import json
import math
from pathlib import Path
from typing import Any

from scalectl.arch.factory import Baseline
from scalectl.arch.sizes import Size
from scalectl.exports.checks.verification import Verification, count_outputs
from scalectl.exports.config import claim

_KEY = "scalectl"
_FLOAT = 1
"""ONNX' number for 32-bit floats."""
_FOLDED = "scalectl.folded"
"""Metadata: channels of the batch norms that are part of convolutions now."""


class Onnx:
    """The format "onnx": with initial weights, any batch, and batch norms folded into convolutions."""

    suffix = ".onnx"
    library = "onnxruntime"

    def find_obstacle(self, network: Baseline) -> str:
        """Find none: torch traces whatever it builds."""
        return ""

    def emit(self, size: Size) -> bytes:
        """Write the file, claims in its metadata."""
        import torch
        from torch.nn import BatchNorm2d

        from scalectl.nn.build import build

        network = build(size.architecture).eval()
        for parameter in network.parameters():
            if not parameter.any():
                # Biases of zero would be left out, and the network be faster than a trained one.
                torch.nn.init.normal_(parameter, std=1e-3)
        # Traced with two images: a batch of one would become a constant.
        images = torch.zeros(2, *claim(size)["input_size"])
        program = torch.onnx.export(
            network,
            (images,),
            dynamo=True,
            verbose=False,
            optimize=True,  # fold batch norms, as quantisation asks for
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            input_names=["images"],
            output_names=["logits"],
        )
        assert program is not None
        model = program.model_proto
        norms = [module for module in network.modules() if isinstance(module, BatchNorm2d)]
        folded = sum(norm.num_features for norm in norms)
        for key, value in ((_KEY, json.dumps(claim(size))), (_FOLDED, str(folded))):
            entry = model.metadata_props.add()
            entry.key, entry.value = key, value
        content: bytes = model.SerializeToString()
        return content

    def verify(self, path: Path) -> Verification:
        """Run the file with onnxruntime, on one image and on four; count its parameters.

        A batch norm that is folded has two parameters per channel, of which the file keeps the bias.
        Files of earlier versions have norms of their own, and take one image.
        """
        import numpy as np
        import onnx
        import onnxruntime

        model = onnx.load(path)
        metadata = {entry.key: entry.value for entry in model.metadata_props}
        claims = json.loads(metadata[_KEY])
        if _FOLDED in metadata:
            params = _count_inputs(model.graph) + int(metadata[_FOLDED])
        else:
            params = _count_named(model.graph)
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        batches = (1, 4) if _FOLDED in metadata else (1,)
        shapes = [
            session.run(None, {"images": np.zeros((n, *claims["input_size"]), "float32")})[0].shape
            for n in batches
        ]
        forward_ok = shapes == [(n, count_outputs(claims)) for n in batches]
        ok = params == claims["params"] and forward_ok
        return Verification(
            ok=ok,
            expected_params=claims["params"],
            params=params,
            forward_ok=forward_ok,
            note=f"run by onnxruntime: {params:,} parameters"
            + (", as stated" if ok else f", the file says {claims['params']:,}"),
        )


def _count_inputs(graph: Any) -> int:
    """Count the weights of all layers; equal ones, such as biases of zero, are stored once."""
    weights = {
        tensor.name: math.prod(tensor.dims)
        for tensor in graph.initializer
        if tensor.data_type == _FLOAT and tensor.dims
    }
    statistics = _find_statistics(graph)
    return sum(
        weights.get(name, 0) for node in graph.node for name in node.input if name not in statistics
    )


def _count_named(graph: Any) -> int:
    statistics = _find_statistics(graph)
    named = {value for node in graph.node for value in node.input}
    return sum(
        math.prod(tensor.dims)
        for tensor in graph.initializer
        if tensor.name in named - statistics
        and tensor.name.endswith((".weight", ".bias", ".scale"))
    )


def _find_statistics(graph: Any) -> set[str]:
    """Name the running means and variances of batch norms, which nothing trains."""
    norms = (node for node in graph.node if node.op_type == "BatchNormalization")
    return {name for node in norms for name in node.input[3:5]}
