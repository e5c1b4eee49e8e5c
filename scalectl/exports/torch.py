"""A Python module of plain torch: it needs no library but torch itself."""

from pathlib import Path

import scalectl
from scalectl.architecture import Architecture
from scalectl.exports import Verification
from scalectl.exports.python_module import read_builder, verify_module, write_module
from scalectl.factory import Baseline, Factory
from scalectl.family import Size

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
        """None: it is what scalectl trains with; of a factory it is the call."""
        return ""

    def emit(self, size: Size) -> str:
        """The module."""
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
        builder = read_builder(Path(scalectl.__file__).parent / "blocks.py")
        return write_module(size, "torch", builder, usage, _FUNCTION, network.unroll())

    def verify(self, path: Path) -> Verification:
        """Import it, build on the meta device, run."""
        return verify_module(path)
