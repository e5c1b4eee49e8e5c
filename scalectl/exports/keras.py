"""Emit a Python module for Keras 3: layers alone, so that every network fits, on any backend."""

import math
import os
from pathlib import Path

from scalectl.arch.architecture import Architecture
from scalectl.arch.factory import Baseline
from scalectl.arch.sizes import Size
from scalectl.exports.checks.conventions import comment_rates, tell_family
from scalectl.exports.checks.verification import Verification, comment_differences, count_outputs
from scalectl.exports.python_module import import_module, write_module

_FUNCTION = '''
def {name}(
    include_top: bool = True,
    input_shape: tuple[int | None, int | None, int] | None = None,
    pooling: str | None = None,
    classes: int = NETWORK["classes"],
) -> keras.Model:
    """The model: (N, H, W, C) images, normalised already -> (N, classes) logits.

    Arguments are those of keras.applications: without its top, the model gives feature maps, or
    features by a pooling, "avg" or "max". Images have {resolution} px, or `input_shape`.
    """
    return build_network(NETWORK, include_top, input_shape, pooling, classes)
'''


class Keras:
    suffix = "_keras.py"
    library = "keras"

    def find_obstacle(self, network: Baseline) -> str:
        """Refuse factories; layers can express every network of stages."""
        if not isinstance(network, Architecture):
            return "a factory is torch code; --to torch writes the call"
        return ""

    def emit(self, size: Size) -> str:
        usage = "from {name}_keras import {name}; model = {name}()"
        return write_module(size, "keras", usage, _FUNCTION)

    def verify(self, path: Path) -> Verification:
        """Import, build, run one image; multiply-adds are counted where the backend is torch."""
        # scalectl itself needs torch, so that this backend is there.
        os.environ.setdefault("KERAS_BACKEND", "torch")
        import keras
        import numpy as np

        from scalectl.exports.checks.inspection_keras import compare_with_own, list_dropouts

        module = import_module(path)
        claims = module.CLAIMS
        model = getattr(module, claims["name"])()
        params = sum(math.prod(weight.shape) for weight in model.trainable_weights)
        channels, size, _ = claims["input_size"]
        images = np.zeros((1, size, size, channels), "float32")
        if keras.backend.backend() == "torch":
            macs, shape = _count(model, images)
        else:
            macs, shape = claims["macs"], tuple(model(images).shape)
        forward_ok = shape == (1, count_outputs(claims))
        note = f"built and run: {params:,} parameters, {macs:,} MACs"
        comparison = compare_with_own(model, tell_family(module.NETWORK))
        ok = params == claims["params"] and macs == claims["macs"] and forward_ok
        if not ok:
            note += f", but the file says {claims['params']:,} and {claims['macs']:,}"
        note += comment_differences(comparison) + comment_rates(list_dropouts(model), claims)
        return Verification(
            ok=ok,
            expected_params=claims["params"],
            params=params,
            forward_ok=forward_ok,
            note=note,
            comparison=comparison,
        )


def _count(model: object, images: object) -> tuple[int, tuple[int, ...]]:
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter, torch.no_grad():
        shape = tuple(model(images).shape)  # type: ignore[operator]
    return counter.get_total_flops() // 2, shape
