"""Compare a built network with the library's own of its family, in what counting does not show."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Description = Mapping[str, frozenset[str]]
"""Convention, such as "padding", -> what a network does; of "initialisation ...", all that it may be."""

ON_BOTH_SIDES = "half a kernel on both sides"
AT_THE_END = "more at the end, as TensorFlow"
BETWEEN_PATCHES = "none between patches"
BEFORE_THE_CLASSIFIER = "before the classifier"
WHOLE_BRANCHES = "of whole branches"
WITHIN_BRANCHES = "of values in branches"


@dataclass(frozen=True, slots=True, kw_only=True)
class Convention:
    """What a built network does in one respect, beside the library's own network."""

    name: str
    built: list[str]
    own: list[str]
    """What the library's own network does; empty where there is no such thing."""
    same: bool | None
    """None where it could not be compared."""
    reason: str = ""
    """Why it differs on purpose, or could not be compared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    reference: str
    """The network that the library ships; "" where it ships none of the family."""
    conventions: list[Convention]

    @property
    def unmeant(self) -> list[Convention]:
        """What differs, and nobody knows why."""
        return [each for each in self.conventions if each.same is False and not each.reason]


OWN: Mapping[str, Mapping[str, str]] = {
    "timm": {
        "EfficientNet": "efficientnet_b0",
        "EfficientNet-EdgeTPU": "efficientnet_es",
        "EfficientNet-Lite": "efficientnet_lite0",
        "EfficientNetV2": "efficientnetv2_s",
        "MnasNet": "mnasnet_100",
        "MobileNetV1": "mobilenetv1_100",
        "MobileNetV2": "mobilenetv2_100",
        "MobileNetV3": "mobilenetv3_large_100",
        "ResNet": "resnet50",
        "RegNet": "regnety_004",
        "ConvNeXt": "convnext_tiny",
    },
    "torchvision": {
        "EfficientNet": "efficientnet_b0",
        "EfficientNetV2": "efficientnet_v2_s",
        "MobileNetV2": "mobilenet_v2",
        "MobileNetV3": "mobilenet_v3_large",
        "ResNet": "resnet50",
        "RegNet": "regnet_y_400mf",
        "ConvNeXt": "convnext_tiny",
    },
    "transformers": {
        "EfficientNet": "EfficientNetForImageClassification",
        "MobileNetV2": "MobileNetV2ForImageClassification",
        "ResNet": "ResNetForImageClassification",
        "ConvNeXt": "ConvNextForImageClassification",
    },
    "keras": {
        "EfficientNet": "EfficientNetB0",
        "EfficientNetV2": "EfficientNetV2B0",
        "MobileNetV1": "MobileNet",
        "MobileNetV2": "MobileNetV2",
        "MobileNetV3": "MobileNetV3Large",
        "ResNet": "ResNet50",
        "ConvNeXt": "ConvNeXtTiny",
    },
}
"""Library -> family -> a network of that family which the library ships."""

_AS_COUNTED = "equal zeros on both sides give maps of odd size the size that was counted"
MEANT: Mapping[tuple[str, str, str], str] = {
    ("transformers", "EfficientNet", "batch norms"): (
        "its own momentum of 0.99 would keep the statistics of the last batch alone"
    ),
    ("transformers", "EfficientNet", "padding"): _AS_COUNTED,
    ("transformers", "MobileNetV2", "padding"): _AS_COUNTED,
    (
        "transformers",
        "ConvNeXt",
        "layer norms",
    ): "its own last norm has 1e-12, its paper's code 1e-6",
    ("keras", "EfficientNet", "padding"): _AS_COUNTED,
    ("keras", "EfficientNetV2", "padding"): _AS_COUNTED,
    ("keras", "MobileNetV1", "padding"): _AS_COUNTED,
    ("keras", "MobileNetV2", "padding"): _AS_COUNTED,
    ("keras", "MobileNetV3", "padding"): _AS_COUNTED,
    ("keras", "MobileNetV3", "activations"): "its own hard sigmoid is written as relu6(x + 3) / 6",
}
"""Library, family and convention -> why emitted networks differ there."""

UNSEEN = {("torchvision", "ConvNeXt"): "torch draws truncated normals only where there is memory"}
"""Library and family -> why its initialisation is not compared."""

_WHOSE = {
    "timm": "timm's",
    "torchvision": "torchvision's",
    "transformers": "transformers'",
    "keras": "Keras'",
}


def tell_family(network: Mapping[str, Any]) -> str:
    """Tell the family of an unrolled network by its blocks, stem and head; "" where it has none."""
    blocks = [block for stage in network["stages"] for block in stage]
    kinds = {block["kind"] for block in blocks}
    if "convnext" in kinds:
        return "ConvNeXt"
    if kinds & {"basic", "bottleneck"}:
        return "RegNet" if network["stem"] == "conv3x3" else "ResNet"
    if network["head"] == "pooled_conv" and network["head_width"]:
        return "MobileNetV3"
    if network["activation"] == "silu":
        return "EfficientNetV2" if "fused" in kinds else "EfficientNet"
    if network["activation"] == "relu":
        return "EfficientNet-EdgeTPU" if "fused" in kinds else "MnasNet"
    if network["activation"] != "relu6":
        return ""
    if "separable" in kinds:
        return "MobileNetV1"
    wide = any(block["kernel"] > 3 for block in blocks)
    return "EfficientNet-Lite" if wide else "MobileNetV2"


def compare(library: str, family: str, built: Description, own: Description | None) -> Comparison:
    """Compare descriptions; `own` is that of the library's own network, None where it ships none."""
    if own is None:
        reason = f"{library} ships no {family or 'such network'}"
        conventions = [_describe_alone(name, does, reason) for name, does in built.items()]
        return Comparison(reference="", conventions=conventions)
    reference = f"{_WHOSE[library]} {OWN[library][family]}"
    conventions = []
    for name, does in built.items():
        blind = UNSEEN.get((library, family), "") if name.startswith("initialisation") else ""
        if blind or not own.get(name):
            conventions.append(_describe_alone(name, does, blind or f"{reference} has none"))
        else:
            reason = MEANT.get((library, family, _shorten(name)), "")
            conventions.append(_compare_each(name, does, own[name], reason))
    return Comparison(reference=reference, conventions=conventions)


def _describe_alone(name: str, does: frozenset[str], reason: str) -> Convention:
    return Convention(name=name, built=sorted(does), own=[], same=None, reason=reason)


def _compare_each(name: str, does: frozenset[str], own: frozenset[str], reason: str) -> Convention:
    """Compare what a network does with all that the library's own does; readings need one in common."""
    if name.startswith("initialisation"):
        same = bool(does & own)
    else:
        same = does == own if reason else does <= own
    return Convention(
        name=name,
        built=sorted(does),
        own=sorted(own),
        same=same,
        reason="" if same else reason,
    )


def _shorten(name: str) -> str:
    return name.partition(" of ")[0]


def comment_rates(dropouts: Iterable[tuple[str, float]], claims: Mapping[str, Any]) -> str:
    """Say where the largest rates of dropout and drop-path are not those that a file claims; else "".

    `dropouts` are the places where a network drops something, and how often.
    Block i of n drops its branch with i / n of the claimed rate, or i / (n - 1), as a library has it.
    """
    built = {"dropout": 0.0, "drop_path": 0.0}
    for place, rate in dropouts:
        name = "dropout" if place == BEFORE_THE_CLASSIFIER else "drop_path"
        built[name] = max(built[name], rate)
    least = {"dropout": claims["dropout"], "drop_path": claims["drop_path"] / 2}
    return "".join(
        f"; but its {name} is {rate:.3g}, the file says {claims[name]:.3g}"
        for name, rate in built.items()
        if not least[name] - 1e-6 < rate < claims[name] + 1e-6
    )


def tell(comparison: Comparison) -> Iterator[str]:
    """Say what is the same, what is other, on purpose or not, and what could not be compared."""
    conventions = comparison.conventions
    same = _list_names(conventions, [each for each in conventions if each.same])
    if same:
        yield f"as in {comparison.reference}: {same}"
    for each in comparison.unmeant:
        yield tell_difference(each, comparison.reference)
    explained = [each for each in conventions if each.reason]
    for reason in dict.fromkeys(each.reason for each in explained):
        alike = [each for each in explained if each.reason == reason]
        if alike[0].same is None:
            yield f"not compared: {_list_names(conventions, alike)}; {reason}"
        else:
            yield f"other than {comparison.reference}, since {reason}: {_contrast(alike)}"


def _list_names(all_of_them: list[Convention], chosen: list[Convention]) -> str:
    """List names, and the short name alone where all that begin with it are chosen."""
    others = {_shorten(each.name) for each in all_of_them if each not in chosen}
    shorts = [(_shorten(each.name), each.name) for each in chosen]
    return ", ".join(dict.fromkeys(name if short in others else short for short, name in shorts))


def _contrast(conventions: list[Convention]) -> str:
    return "; ".join(
        f"{each.name}, {_join(each, each.built)} instead of {_join(each, each.own)}"
        for each in conventions
    )


def tell_difference(each: Convention, reference: str) -> str:
    return f"{each.name}: {_join(each, each.built)}; {reference} has {_join(each, each.own)}"


def _join(each: Convention, side: list[str]) -> str:
    """Join what a network does; of several readings of how weights are drawn, give the shortest."""
    return min(side, key=len) if each.name.startswith("initialisation") else " and ".join(side)
