"""Compute what a network costs by arithmetic: exact, and much faster than building it."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from scalectl.arch.architecture import Architecture, Block


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

    def __mul__(self, count: int) -> "Cost":
        return Cost(self.params * count, self.macs * count, self.activations * count)


@lru_cache(maxsize=2**14)  # many multipliers round to one network
def compute_cost(architecture: Architecture) -> Cost:
    return sum((cost for _, cost in compute_stage_costs(architecture)), Cost())


def compute_stage_costs(architecture: Architecture) -> Iterator[tuple[str, Cost]]:
    """Yield the name and the cost of each part, from the stem to the classifier."""
    kernel, stride, pooling = _STEMS[architecture.stem]
    width, size = architecture.stem_width, _strided(architecture.resolution, stride)
    has_patches = architecture.stem == "patch4x4"
    if has_patches:  # what does not fill a patch is cut off
        size = architecture.resolution // stride
    yield "stem", _convolution(architecture.channels, width, kernel, size, bias=has_patches)
    size = _strided(size, pooling)
    for number, (first, rest, repeats) in enumerate(architecture.pair_blocks(), 1):
        cost = _measure_block(first, size)
        size = size // first.stride if first.kind == "convnext" else _strided(size, first.stride)
        width = first.out
        yield f"stage {number}", cost + _measure_block(rest, size) * (repeats - 1)
    features = architecture.features
    if architecture.head_width and architecture.head == "conv":
        yield "head", _convolution(width, features, 1, size)
    elif architecture.head_width:
        yield "head", _convolution(width, features, 1, 1, norm=False, bias=True)
    elif architecture.stages[-1].block == "convnext":
        yield "head", Cost(params=2 * features)
    classes = architecture.classes
    if classes:
        yield "classifier", Cost(params=(features + 1) * classes, macs=features * classes)


_STEMS = {"conv3x3": (3, 2, 1), "conv7x7_pool": (7, 2, 2), "patch4x4": (4, 4, 1)}
"""Kind of stem -> kernel, stride, and the stride of the pooling after it."""


@lru_cache(maxsize=2**16)  # sizes of one baseline share most of their blocks
def _measure_block(block: Block, size: int) -> Cost:
    """Compute a block's cost; `size` is the height and width of its input, in pixels."""
    return _BLOCKS[block.kind](block, size)


def _mbconv(block: Block, size: int) -> Cost:
    out = _strided(size, block.stride)
    cost = _convolution(block.hidden, block.hidden, block.kernel, out, groups=block.hidden)
    cost += _convolution(block.hidden, block.out, 1, out) + _squeeze(block)
    if block.expands:
        cost += _convolution(block.width, block.hidden, 1, size)
    return cost


def _fused(block: Block, size: int) -> Cost:
    out = _strided(size, block.stride)
    if block.hidden == block.width:
        return _convolution(block.width, block.out, block.kernel, out)
    cost = _convolution(block.width, block.hidden, block.kernel, out)
    return cost + _convolution(block.hidden, block.out, 1, out) + _squeeze(block)


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
    cost = _convolution(wide, wide, block.kernel, out, groups=wide, bias=True)
    if _changes_shape(block):
        cost += Cost(params=2 * block.width)
        cost += _convolution(block.width, wide, block.stride, out, norm=False, bias=True)
    # Per pixel, and so not a convolution: expand, project, and the layer scale.
    weights = 2 * wide * block.hidden
    return cost + Cost(params=weights + block.hidden + 2 * wide, macs=weights * out * out)


_BLOCKS = {
    "mbconv": _mbconv,
    "fused": _fused,
    "separable": _mbconv,  # one that never expands
    "basic": _basic,
    "bottleneck": _bottleneck,
    "convnext": _convnext,
}


def _squeeze(block: Block) -> Cost:
    if not block.squeezed:
        return Cost()
    reduce = _convolution(block.hidden, block.squeezed, 1, 1, norm=False, bias=True)
    return reduce + _convolution(block.squeezed, block.hidden, 1, 1, norm=False, bias=True)


def _projection(block: Block, out: int) -> Cost:
    """Compute the cost of the shortcut's convolution; none where a block keeps size and width."""
    return _convolution(block.width, block.out, 1, out) if _changes_shape(block) else Cost()


def _changes_shape(block: Block) -> bool:
    return block.stride != 1 or block.width != block.out


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
    """Compute the cost of a convolution whose output has `size` x `size` pixels.

    A norm has two parameters per channel, a bias has one.
    """
    weights = width // groups * out_width * kernel * kernel
    return Cost(
        params=weights + (2 * norm + bias) * out_width,
        macs=weights * size * size,
        activations=out_width * size * size,
    )


def _strided(size: int, stride: int) -> int:
    """Return the size after a stride; odd sizes round up, as padding of half a kernel makes them."""
    return -(-size // stride)
