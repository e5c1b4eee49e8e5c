"""Compound scaling as a tool: search depth, width and resolution, scale a ConvNet, show why."""


def __getattr__(name: str) -> str:
    """Look up `__version__` when it is asked for: that takes longer than a command does to start."""
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib.metadata import version

    return version("scalectl")
