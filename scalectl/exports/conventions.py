"""Batch norms as each library's own networks have them: what counting parameters does not show."""

from collections.abc import Iterable, Mapping

Norm = tuple[float, float]
"""Momentum in torch's sense, the part that is new, and epsilon."""

OWN: Mapping[tuple[str, str], frozenset[Norm]] = {
    ("timm", "EfficientNet"): frozenset({(0.1, 1e-5)}),
    ("timm", "MobileNetV3"): frozenset({(0.1, 1e-5)}),
    ("timm", "ByobNet"): frozenset({(0.1, 1e-5)}),
    # B0 to B4; B5 to B7; V2.
    ("torchvision", "EfficientNet"): frozenset({(0.1, 1e-5), (0.01, 1e-3), (0.1, 1e-3)}),
    ("torchvision", "MobileNetV2"): frozenset({(0.1, 1e-5)}),
    ("torchvision", "MobileNetV3"): frozenset({(0.01, 1e-3)}),
    ("torchvision", "ResNet"): frozenset({(0.1, 1e-5)}),
    ("torchvision", "RegNet"): frozenset({(0.1, 1e-5)}),
    # Its momentum is Keras' 0.99, which torch takes for the part that is new.
    ("transformers", "EfficientNet"): frozenset({(0.99, 1e-3), (0.1, 1e-3)}),
    ("transformers", "MobileNetV2"): frozenset({(0.997, 1e-3)}),
    ("transformers", "ResNet"): frozenset({(0.1, 1e-5)}),
    ("keras", "EfficientNet"): frozenset({(0.01, 1e-3)}),
    ("keras", "MobileNet"): frozenset({(0.001, 1e-3)}),
    ("keras", "ResNet"): frozenset({(0.01, 1.001e-5)}),
}
"""Library and class -> the norms of the networks that the library ships."""


def compare_norms(library: str, family: str, norms: Iterable[Norm]) -> str:
    """Say where batch norms are others than in the library's own networks; "" where they are not."""
    own = OWN.get((library, family))
    others = {(round(momentum, 6), eps) for momentum, eps in norms} - (own or set())
    if own is None or not others:
        return ""
    momentum, eps = min(others)
    known = " or ".join(f"{momentum:g} and {eps:g}" for momentum, eps in sorted(own))
    return f"; batch norms have momentum {momentum:g} and eps {eps:g}, in {library}'s own {family} {known}"
