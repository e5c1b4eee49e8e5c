"""Exports, a slot: one file per format, and its line in `EXPORTS`."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

from scalectl.factory import Baseline
from scalectl.family import Size


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What came of building a network from an emitted file."""

    ok: bool | None
    """None where the library that it is for is not installed."""
    expected_params: int
    """As the file states."""
    params: int | None = None
    forward_ok: bool | None = None
    """Whether an image of the stated size becomes one row of logits."""
    note: str


class Export(Protocol):
    """What a format must offer."""

    suffix: str
    """Of its files, after the name of the size."""
    library: str
    """The module that builds from it; "" where that is torch alone."""

    def find_obstacle(self, network: Baseline) -> str:
        """Why the library cannot express the network, to the unit; "" where it can."""

    def emit(self, size: Size) -> str | bytes:
        """The content of the file."""

    def verify(self, path: Path) -> Verification:
        """Build the network from the file, where it will be used, and compare it with its claims."""


EXPORTS = {
    "timm": "scalectl.exports.timm:Timm",
    "transformers": "scalectl.exports.transformers:Transformers",
    "torchvision": "scalectl.exports.torchvision:Torchvision",
    "keras": "scalectl.exports.keras:Keras",
    "pycls": "scalectl.exports.pycls:Pycls",
    "onnx": "scalectl.exports.onnx:Onnx",
    "torch": "scalectl.exports.torch:Torch",
    "json": "scalectl.exports.config:Json",
    "toml": "scalectl.exports.config:Toml",
}
"""Format -> where its class is; imported when chosen."""


def make_export(name: str) -> Export:
    """The format of that name, one of `EXPORTS`."""
    module, _, attribute = EXPORTS[name].partition(":")
    factory: Callable[[], Export] = getattr(import_module(module), attribute)
    return factory()


def is_installed(library: str) -> bool:
    """Whether that module could be imported; it is not."""
    return not library or find_spec(library) is not None
