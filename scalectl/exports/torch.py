"""Emit a Python module of plain torch, which needs no library but torch itself."""

from pathlib import Path

from scalectl.arch.factory import Baseline, Factory
from scalectl.arch.sizes import Size
from scalectl.exports.python_module import read_builder, verify_module, write_module

_FUNCTION = '''
def {name}(
    num_classes: int = NETWORK["classes"], in_channels: int = NETWORK["channels"]
) -> nn.Module:
    """The network: (N, in_channels, H, W) images, normalised already -> (N, num_classes) logits.

    Without classes, it gives features.
    """
    return Network({{**NETWORK, "classes": num_classes, "channels": in_channels}})
'''

_CALL = '''
def {name}(**settings: Any) -> Any:
    """The network that the factory makes of these numbers, or of others, such as num_classes."""
    return factory(**{{**NETWORK, **settings}})
'''


class Torch:
    suffix = "_torch.py"
    library = ""
    verify = staticmethod(verify_module)

    def find_obstacle(self, network: Baseline) -> str:
        """Find none: scalectl trains with this text; for a factory it writes the call."""
        return ""

    def emit(self, size: Size) -> str:
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
            return write_module(size, "torch", usage, _CALL, builder=builder, network=numbers)
        builder = read_builder(Path(__file__).parents[1] / "nn" / "blocks.py")
        return write_module(size, "torch", usage, _FUNCTION, builder=builder)
