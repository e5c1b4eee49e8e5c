"""Emit a Python module of plain torch, which needs no library but torch itself."""

from pathlib import Path

import scalectl
from scalectl.arch.architecture import Architecture
from scalectl.arch.factory import Baseline, Factory
from scalectl.arch.sizes import Size
from scalectl.exports.python_module import read_builder, verify_module, write_module
from scalectl.exports.verification import Verification

_FUNCTION = '''
def {name}() -> nn.Module:
    """The network: (N, 3, H, W) images, normalised already -> (N, classes) logits."""
    return Network(NETWORK)
'''

_CALL = '''
def {name}() -> Any:
    """The network that the factory makes of these numbers."""
    return factory(**NETWORK)
'''


class Torch:
    """The format "torch"."""

    suffix = "_torch.py"
    library = ""

    def find_obstacle(self, network: Baseline) -> str:
        """Find none: scalectl trains with this text; for a factory it writes the call."""
        return ""

    def emit(self, size: Size) -> str:
        """Write the module."""
        usage = "from {name}_torch import {name}; network = {name}()"
        network = size.architecture
        if isinstance(network, Factory):
            module, _, function = network.target.partition(":")
            builder = f"from typing import Any\n\nfrom {module} import {function} as factory\n"
            numbers = {
                "depth": network.depth,
                "width": network.width,
                "resolution": network.resolution,
                "num_classes": network.classes,
            }
            return write_module(size, "torch", builder, usage, _CALL, numbers)
        assert isinstance(network, Architecture)
        builder = read_builder(Path(scalectl.__file__).parent / "nn" / "blocks.py")
        return write_module(size, "torch", builder, usage, _FUNCTION, network.unroll())

    def verify(self, path: Path) -> Verification:
        """Import the module, build on the meta device, and run."""
        return verify_module(path)
