"""What a network costs, by arithmetic alone: exact, and some thousands of times faster than building it.

The same arithmetic serves one network and arrays of them (`architecture.stack`). So it knows no
branches over numbers: what a block does not have is counted 0 times.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from scalectl.architecture import Architecture, Block, is_absent, stack

if TYPE_CHECKING:  # which needs Cost itself
    from scalectl.factory import Baseline


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
        """The cost of `count` equal parts; of none, where that is False."""
        return Cost(self.params * count, self.macs * count, self.activations * count)


def measure(network: "Baseline") -> Cost:
    """The cost of the whole network; that of a factory was counted when it was built."""
    if not isinstance(network, Architecture):
        return network.cost
    return sum((cost for _, cost in measure_stages(network)), Cost())


def measure_all(sizes: "Sequence[Baseline]") -> list[Cost]:
    """What `measure` gives for each of many sizes of one network, a hundred times as fast.

    Raises `ValueError` where they are not sizes of one network.
    """
    networks = [one for one in sizes if isinstance(one, Architecture)]
    if not networks or len(networks) < len(sizes):  # factories were counted when they were built
        return list(map(measure, sizes))
    cost: Any = measure(stack(networks))
    columns = (cost.params.tolist(), cost.macs.tolist(), cost.activations.tolist())
    return list(map(Cost, *columns))


def measure_stages(architecture: Architecture) -> Iterator[tuple[str, Cost]]:
    """The cost of each part, from the stem to the classifier, with its name."""
    kernel, stride, pooling = _STEMS[architecture.stem]
    width, size = architecture.stem_width, _strided(architecture.resolution, stride)
    patches = architecture.stem == "patch4x4"
    if patches:  # what does not fill a patch is cut off
        size = architecture.resolution // stride
    yield "stem", _convolution(3, width, kernel, size, bias=patches)
    size = _strided(size, pooling)
    for number, (first, rest, repeats) in enumerate(architecture.pair_blocks(), 1):
        cost = _BLOCKS[first.kind](first, size)
        size, width = _shrunk(first, size), first.out
        yield f"stage {number}", cost + _BLOCKS[first.kind](rest, size).times(repeats - 1)
    features, has_head = architecture.features, not is_absent(architecture.head_width)
    if has_head and architecture.head == "conv":
        yield "head", _convolution(width, features, 1, size)
    elif has_head:
        yield "head", _convolution(width, features, 1, 1, norm=False, bias=True)
    elif architecture.stages[-1].block == "convnext":
        yield "head", Cost(params=2 * features)
    classes = architecture.classes
    yield "classifier", Cost(params=(features + 1) * classes, macs=features * classes)


_STEMS = {"conv3x3": (3, 2, 1), "conv7x7_pool": (7, 2, 2), "patch4x4": (4, 4, 1)}
"""Kernel, stride, and the stride of a pooling."""


def _mbconv(block: Block, size: int) -> Cost:
    out = _strided(size, block.stride)
    cost = _convolution(block.hidden, block.hidden, block.kernel, out, groups=block.hidden)
    cost += _convolution(block.hidden, block.out, 1, out)
    expand = _convolution(block.width, block.hidden, 1, size)
    return cost + expand.times(block.hidden != block.width) + _squeeze(block)


def _fused(block: Block, size: int) -> Cost:
    out, expands = _strided(size, block.stride), block.hidden != block.width
    bare = _convolution(block.width, block.out, block.kernel, out)
    cost = _convolution(block.width, block.hidden, block.kernel, out)
    cost += _convolution(block.hidden, block.out, 1, out) + _squeeze(block)
    return cost.times(expands) + bare.times(1 - expands)


def _separable(block: Block, size: int) -> Cost:
    out = _strided(size, block.stride)
    cost = _convolution(block.width, block.width, block.kernel, out, groups=block.width)
    return cost + _convolution(block.width, block.out, 1, out) + _squeeze(block)


def _basic(block: Block, size: int) -> Cost:
    out = _strided(size, block.stride)
    cost = _convolution(block.width, block.out, block.kernel, out)
    cost += _convolution(block.out, block.out, block.kernel, out)
    return cost + _projection(block, out)


def _bottleneck(block: Block, size: int) -> Cost:
    out = _strided(size, block.stride)
    cost = _convolution(block.width, block.hidden, 1, size)
    cost += _convolution(block.hidden, block.hidden, block.kernel, out, groups=block.groups)
    cost += _convolution(block.hidden, block.out, 1, out)
    return cost + _squeeze(block) + _projection(block, out)


def _convnext(block: Block, size: int) -> Cost:
    out, wide = size // block.stride, block.out
    cost = _convolution(block.width, wide, block.stride, out, norm=False, bias=True)
    cost += Cost(params=2 * block.width)
    cost = cost.times(_changes(block))
    cost += _convolution(wide, wide, block.kernel, out, groups=wide, bias=True)
    # Per pixel, and so not a convolution: expand, project, and the layer scale.
    weights = 2 * wide * block.hidden
    return cost + Cost(params=weights + block.hidden + 2 * wide, macs=weights * out * out)


_BLOCKS = {
    "mbconv": _mbconv,
    "fused": _fused,
    "separable": _separable,
    "basic": _basic,
    "bottleneck": _bottleneck,
    "convnext": _convnext,
}


def _squeeze(block: Block) -> Cost:
    hidden, squeezed = block.hidden, block.squeezed
    reduce = _convolution(hidden, squeezed, 1, 1, norm=False, bias=True)
    restore = _convolution(squeezed, hidden, 1, 1, norm=False, bias=True)
    return (reduce + restore).times(block.squeezed > 0)


def _projection(block: Block, out: int) -> Cost:
    """Of the shortcut, where a block changes size or width."""
    return _convolution(block.width, block.out, 1, out).times(_changes(block))


def _changes(block: Block) -> bool:
    """Whether it gives another size or width than it takes."""
    return (block.stride != 1) | (block.width != block.out)


def _convolution(
    width: int,
    out_width: int,
    kernel: int,
    size: int,
    *,
    groups: int = 1,
    norm: bool = True,
    bias: bool = False,
) -> Cost:
    """`size` is that of the output. A norm has two parameters per channel, a bias one."""
    weights = width // groups * out_width * kernel * kernel
    return Cost(
        params=weights + (2 * norm + bias) * out_width,
        macs=weights * size * size,
        activations=out_width * size * size,
    )


def _shrunk(block: Block, size: int) -> int:
    return size // block.stride if block.kind == "convnext" else _strided(size, block.stride)


def _strided(size: int, stride: int) -> int:
    """Odd maps round up, as padding of half a kernel makes them."""
    return -(-size // stride)
