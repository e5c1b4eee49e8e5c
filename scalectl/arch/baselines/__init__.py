"""Baselines, a slot: one file per family, and its line in `BASELINES`."""

import re

from scalectl.arch.architecture import Architecture
from scalectl.arch.baselines import (
    convnext,
    efficientnet,
    efficientnetv2,
    mobilenet,
    regnet,
    resnet,
)
from scalectl.arch.baselines.published import Published
from scalectl.errors import ScalectlError
from scalectl.parsing import suggest

BASELINES: dict[str, Published] = {
    **efficientnet.NETWORKS,
    **efficientnetv2.NETWORKS,
    **mobilenet.NETWORKS,
    **resnet.NETWORKS,
    **convnext.NETWORKS,
    **regnet.NETWORKS,
}
"""Name -> published network. Each can be scaled, and each is a size of its family."""


def find_architecture(name: str) -> Architecture:
    """Find the network of that name. Raises `ScalectlError`, with a suggestion, if there is none."""
    return find_published(name).architecture


def find_published(name: str) -> Published:
    """Find a published network by its name, or an EfficientNet's short one: "b4", "lite3", "v2_s".

    Raises `ScalectlError`, with a suggestion, where there is none.
    """
    for full in (name, f"efficientnet_{name}", f"efficientnet{name}"):
        if full in BASELINES:
            return BASELINES[full]
    close = suggest(name, BASELINES)
    if not close and re.match("b[0-9]|lite|v2_", name):  # else anything is near an EfficientNet
        close = suggest(f"efficientnet_{name}", BASELINES)
    raise ScalectlError(
        f"There is no baseline {name!r}{f'; did you mean {close!r}?' if close else '.'}",
        "scalectl baselines lists them; a .toml or .json file or package.module:factory is one too.",
    )
