"""Width multipliers that libraries derive widths from, found again from the widths."""

from collections.abc import Callable, Iterable

from scalectl.architecture import round_width


def find_multiplier(
    pairs: Iterable[tuple[int, int]], before: Callable[[float], float] = float
) -> float | None:
    """A w with round_width(before(base * w), 8) == width for all (base, width), or None.

    Tried are the exact ratios, and points of the interval that all pairs allow; the 10 % rule makes
    it ragged. `before` is what a library does to a width before it rounds to eights.
    """
    known = list(pairs)
    low = max((width - 4) / base for base, width in known)
    high = min((width + 4) / base for base, width in known)
    exact = [width / base for base, width in known]
    between = [low + (high - low) * step / 20 for step in range(1, 20)]
    for multiplier in [*exact, *between]:
        if multiplier > 0 and all(
            round_width(before(base * multiplier), 8) == width for base, width in known
        ):
            return multiplier
    return None
