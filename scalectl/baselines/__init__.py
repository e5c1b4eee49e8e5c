"""Baselines, a slot: one file per family, and the line of each network in `BASELINES`."""

from difflib import get_close_matches

from scalectl.architecture import Architecture
from scalectl.baselines import efficientnet
from scalectl.errors import ScalectlError

BASELINES: dict[str, Architecture] = {
    "efficientnet_b0": efficientnet.B0,
}
"""Name -> network, at the size that it was designed at."""


def baseline(name: str) -> Architecture:
    """The network of that name. Raises `ScalectlError`, with a suggestion, when there is none."""
    if name not in BASELINES:
        close = get_close_matches(name, BASELINES, n=1)
        raise ScalectlError(
            f"There is no baseline {name!r}{f'; did you mean {close[0]!r}?' if close else '.'}",
            f"Known are {', '.join(BASELINES)}, and any .toml or .json that scalectl emitted.",
        )
    return BASELINES[name]
