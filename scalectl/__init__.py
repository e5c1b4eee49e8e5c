"""Compound scaling as a tool: search depth, width and resolution, scale a ConvNet, show why.

From Python: `import scalectl as sc`, then `sc.search`, `sc.open_run` and `sc.scale`.
"""

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scalectl.api import Run, ScaledNetwork, Search, open_run, scale, search
    from scalectl.arch.scaling import Coefficients
    from scalectl.errors import ScalectlError

__all__ = [
    "Coefficients",
    "Run",
    "ScalectlError",
    "ScaledNetwork",
    "Search",
    "open_run",
    "scale",
    "search",
]


def __getattr__(name: str) -> Any:
    """Import a name when it is asked for: a command that needs none of them starts at once."""
    if name == "__version__":
        from importlib.metadata import version

        return version("scalectl")
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from scalectl import api

    return getattr(api, name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]


class _Package(ModuleType):
    """A package whose `search` is the function, although a subpackage has the same name.

    Importing a subpackage sets an attribute of its package, which would hide the function.
    """

    def __setattr__(self, name: str, value: object) -> None:
        if name != "search":
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
