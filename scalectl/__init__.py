"""Compound scaling as a tool: search depth, width and resolution, scale a ConvNet, show why."""

from importlib.metadata import version

__version__ = version("scalectl")
