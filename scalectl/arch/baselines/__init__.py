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

    A name may be timm's, such as "tf_efficientnet_b0", "timm/resnet50.a1_in1k": weights are left out.
    Raises `ScalectlError`, with a suggestion or the reason, where there is none.
    """
    bare = strip_weights(name)
    for full in (name, f"efficientnet_{name}", f"efficientnet{name}", bare):
        if full in BASELINES:
            return BASELINES[full]
    close = suggest(name, BASELINES)
    if not re.match("b[0-9]|lite|v2_", name):
        refuse_model_of_timm(name)
    elif not close:  # for other names, anything is near an EfficientNet
        close = suggest(f"efficientnet_{name}", BASELINES)
    raise ScalectlError(
        f"There is no baseline {name!r}{f'; did you mean {close!r}?' if close else '.'}",
        "scalectl baselines lists them; a .toml, .json or pycls' .yaml, timm's block strings and "
        "package.module:factory are some too.",
    )


def strip_weights(name: str) -> str:
    """Return the architecture in a name of timm's, without what says whose weights they are.

    Networks with "tf_" have the same layers, padded as TensorFlow does, more at the right and bottom.
    """
    model = _cut_address(name).removeprefix("tf_")
    return re.sub(r"_(ns|ap|in21k|in21ft1k)$", "", model)


def refuse_model_of_timm(name: str) -> None:
    """Raise `ScalectlError` with the reason where a name is of a model that timm alone has."""
    import timm

    model = _cut_address(name)
    if not timm.is_model(model):
        return
    module = timm.models.model_entrypoint(model).__module__.rpartition(".")[2]
    letters = _name_family(strip_weights(model))
    family = [known for known in BASELINES if _name_family(known) == letters]
    reason = (
        f"of that family are {', '.join(family)}"
        if family
        else f"scalectl has no stages for networks of timm's {module}.py"
    )
    raise ScalectlError(
        f"timm's {model} is no baseline: {reason}.",
        "Scale another, write its stages to a .toml file, or give package.module:factory that builds it.",
    )


def _cut_address(name: str) -> str:
    """Return "resnet50" of "hf-hub:timm/resnet50.a1_in1k"."""
    return re.sub(r"^(hf[-_]hub:)?(timm/)?", "", name).partition(".")[0]


def _name_family(name: str) -> str:
    """Return the letters that a name begins with: "mobilenetv" of "mobilenetv2_050"."""
    return re.match("[a-z]*", name)[0]  # type: ignore[index]
