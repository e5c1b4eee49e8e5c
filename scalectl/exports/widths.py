"""Find the width multiplier from which a library would derive given widths."""

from collections.abc import Callable, Iterable

from scalectl.arch.rounding import make_divisible


def find_multiplier(
    pairs: Iterable[tuple[int, int]], before: Callable[[float], float] = float
) -> float | None:
    """Find a w with make_divisible(before(base * w), 8) == width for all (base, width), or None.

    Exact ratios are tried, and points of the interval that all pairs allow, which the 10 % rule makes
    ragged. `before` is what a library does to a width before it rounds to eights.
    """
    known = list(pairs)
    low = max((width - 4) / base for base, width in known)
    high = min((width + 4) / base for base, width in known)
    exact = [width / base for base, width in known]
    between = [low + (high - low) * step / 20 for step in range(1, 20)]
    for multiplier in [*exact, *between]:
        if multiplier > 0 and all(
            make_divisible(before(base * multiplier), 8) == width for base, width in known
        ):
            return multiplier
    return None
