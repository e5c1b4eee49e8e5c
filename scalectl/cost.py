"""What a network costs, by arithmetic alone: exact, and some thousands of times faster than building it."""

from collections.abc import Iterator
from dataclasses import dataclass

from scalectl.architecture import Architecture, Stage, hidden_width


@dataclass(frozen=True, slots=True)
class Cost:
    """Size and compute of one forward pass of one image."""

    params: int = 0
    """Trainable parameters."""
    macs: int = 0
    """Multiply-adds of convolutions and linear layers. The EfficientNet paper calls these FLOPS."""
    activations: int = 0
    """Elements out of convolutions (Radosavovic et al. 2020, section 3)."""

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(
            self.params + other.params,
            self.macs + other.macs,
            self.activations + other.activations,
        )

    def times(self, count: int) -> "Cost":
        """The cost of `count` equal parts."""
        return Cost(self.params * count, self.macs * count, self.activations * count)


def measure(architecture: Architecture) -> Cost:
    """The cost of the whole network."""
    return sum((cost for _, cost in measure_stages(architecture)), Cost())


def measure_stages(architecture: Architecture) -> Iterator[tuple[str, Cost]]:
    """The cost of each part, from the stem to the classifier, with its name."""
    size = _strided(architecture.resolution, 2)
    width = architecture.stem_width
    yield "stem", _convolution(3, width, 3, size)
    for number, stage in enumerate(architecture.stages, 1):
        first = _mbconv(stage, width, size, stage.stride)
        size = _strided(size, stage.stride)
        rest = _mbconv(stage, stage.width, size, 1)
        width = stage.width
        yield f"stage {number}", first + rest.times(stage.repeats - 1)
    yield "head", _convolution(width, architecture.head_width, 1, size)
    features, classes = architecture.head_width, architecture.classes
    yield "classifier", Cost(params=(features + 1) * classes, macs=features * classes)


def _mbconv(stage: Stage, width: int, size: int, stride: int) -> Cost:
    hidden = hidden_width(width, stage.expansion)
    out = _strided(size, stride)
    cost = _convolution(hidden, hidden, stage.kernel, out, groups=hidden)
    cost += _convolution(hidden, stage.width, 1, out)
    if stage.expansion != 1:
        cost += _convolution(width, hidden, 1, size)
    if stage.se_ratio:
        squeezed = round(width * stage.se_ratio)
        cost += _convolution(hidden, squeezed, 1, 1, norm=False)
        cost += _convolution(squeezed, hidden, 1, 1, norm=False)
    return cost


def _convolution(
    width: int, out_width: int, kernel: int, size: int, *, groups: int = 1, norm: bool = True
) -> Cost:
    """`size` is that of the output. A norm has two parameters per channel; without, there is a bias."""
    weights = width // groups * out_width * kernel * kernel
    return Cost(
        params=weights + (2 if norm else 1) * out_width,
        macs=weights * size * size,
        activations=out_width * size * size,
    )


def _strided(size: int, stride: int) -> int:
    """Odd maps round up, as padding of half a kernel makes them."""
    return -(-size // stride)
