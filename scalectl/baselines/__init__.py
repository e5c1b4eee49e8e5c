"""Baselines, a slot: one file per family, and its line in `BASELINES`."""

from difflib import get_close_matches

from scalectl.architecture import Architecture
from scalectl.baselines import convnext, efficientnet, efficientnetv2, mobilenet, regnet, resnet
from scalectl.baselines.published import Published
from scalectl.errors import ScalectlError

BASELINES: dict[str, Published] = {
    **efficientnet.NETWORKS,
    **efficientnetv2.NETWORKS,
    **mobilenet.NETWORKS,
    **resnet.NETWORKS,
    **convnext.NETWORKS,
    **regnet.NETWORKS,
}
"""Name -> published network. Each can be scaled, and each is a size of its family."""


def baseline(name: str) -> Architecture:
    """The network of that name. Raises `ScalectlError`, with a suggestion, when there is none."""
    return find_published(name).architecture


def find_published(name: str) -> Published:
    """By name, or by the short names of EfficientNets: "b4", "lite3", "v2_s".

    Raises `ScalectlError`, with a suggestion, when there is none.
    """
    for full in (name, f"efficientnet_{name}", f"efficientnet{name}"):
        if full in BASELINES:
            return BASELINES[full]
    close = [
        *get_close_matches(name, BASELINES, n=1),
        *get_close_matches(f"efficientnet_{name}", BASELINES, n=1),
    ]
    raise ScalectlError(
        f"There is no baseline {name!r}{f'; did you mean {close[0]!r}?' if close else '.'}",
        "scalectl baselines lists them; a .toml or .json file or package.module:factory is one too.",
    )
