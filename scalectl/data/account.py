"""Tell what a data set holds and what of it is left out, before anything is trained."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from scalectl.data import SPLITS, Split
from scalectl.trial import DataAccount

FEW_SELECT = 400
"""Images of the select split below which a warning is given: 2.5 points of standard error."""
_NAMED = 5
"""Most names in a warning."""


def make_account(
    classes: Sequence[str],
    labels: Mapping[Split, Sequence[int]],
    sides: Mapping[str, int],
    *,
    native: int,
    channels: int,
    left_out: Mapping[str, int] | None = None,
    duplicates: int = 0,
    ambiguous: int = 0,
) -> DataAccount:
    """Summarise the images that are used.

    `labels` are those of each split's images, `sides` the pixels of the shortest side of each image by
    its name, and `ambiguous` the number of contents that have more than one label.
    """
    counts = {split: Counter(labels[split]) for split in SPLITS}
    images: dict[str, dict[str, int]] = {
        split: {name: counts[split][label] for label, name in enumerate(classes)}
        for split in SPLITS
    }
    total = len(labels["select"])
    ordered = sorted(sides.values())
    account = DataAccount(
        images=images,
        left_out={reason: count for reason, count in (left_out or {}).items() if count},
        smallest=ordered[0],
        usual=ordered[len(ordered) // 2],
        channels=channels,
        duplicates=duplicates,
        majority=max(counts["select"].values()) / total,
        standard_error=0.5 / math.sqrt(total),
    )
    return replace(account, warnings=tuple(_list_warnings(account, sides, native, ambiguous)))


def list_some(names: Sequence[str]) -> str:
    """Name the first few, and count the others."""
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def _list_warnings(
    account: DataAccount, sides: Mapping[str, int], native: int, ambiguous: int
) -> Iterator[str]:
    for split in ("select", "test"):
        missing = [name for name, count in account.images[split].items() if not count]
        if missing:
            yield f"The {split} split has no image of {list_some(missing)}."
    select = account.images["select"]
    total = sum(select.values())
    if total < FEW_SELECT:
        yield (
            f"The select split has {total} images: the standard error of a top-1 is up to "
            f"{100 * account.standard_error:.1f} points, and smaller differences between networks "
            "cannot be seen."
        )
    if account.is_unequal:
        yield (
            f"The classes are unequal: always answering {max(select, key=select.__getitem__)} has a top-1 "
            f"of {100 * account.majority:.1f} %, so compare every top-1 with that, not with chance; the "
            "ranking has a balanced top-1, in which every class counts alike."
        )
    smaller = sorted(name for name, side in sides.items() if side < native)
    if smaller:
        yield (
            f"{len(smaller):,} of {len(sides):,} images are smaller than {native} px, which the others "
            f"have, and are scaled up where a network takes more: {list_some(smaller)}. "
            "--set proxy.skip_small_images=true leaves them out."
        )
    if ambiguous:
        yield f"{ambiguous:,} images are in more than one class."
