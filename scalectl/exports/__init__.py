"""Exports, a slot: one file per format, and its line in `EXPORTS`."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Protocol

from scalectl.family import Size


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What came of building a network from an emitted file."""

    ok: bool
    params: int
    note: str


class Export(Protocol):
    """What a format must offer."""

    suffix: str
    """Of its files, with the dot."""

    def emit(self, size: Size) -> str:
        """The text of the file. Never imports the library that it is for."""

    def verify(self, path: Path) -> Verification:
        """Build the network from the file, where it will be used, and compare it with its claims."""


EXPORTS = {
    "json": "scalectl.exports.config:Json",
    "toml": "scalectl.exports.config:Toml",
    "timm": "scalectl.exports.timm_module:TimmModule",
}
"""Format -> where its class is; imported when chosen."""


def make_export(name: str) -> Export:
    """The format of that name, one of `EXPORTS`."""
    module, _, attribute = EXPORTS[name].partition(":")
    factory: Callable[[], Export] = getattr(import_module(module), attribute)
    return factory()
