"""Rendered splits on disk: made once, checked whenever they are opened, shared by all trials.

Trials map a split into their memory, where the system holds it once for all of them, as far as there
is room; so it may be larger than that.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scalectl import files
from scalectl.datasets import Dataset, Pixels, Split
from scalectl.errors import ScalectlError
from scalectl.seals import LENGTH, LONG, map_proven, seal_long
from scalectl.trial import DataCard

Images = NDArray[np.uint8]
"""(N, H, W, C), not to be written to."""
Labels = NDArray[np.int64]
"""(N,)"""


def rendered(
    card: DataCard, split: Split, resolution: int, folder: Path, source: Callable[[], Dataset]
) -> tuple[Images, Labels]:
    """A split at a resolution, from the cache; at first from the source, which is opened only then.

    Raises `ScalectlError` when the source no longer holds what the card describes.
    """
    path = folder / f"{card.digests[split]}-{split}-{resolution}{LONG}"
    count = card.sizes[split]
    with suppress(FileNotFoundError, ValueError):  # absent or damaged
        return _map(path, count, resolution)
    dataset = source()
    if dataset.card.digests[split] != card.digests[split]:
        raise ScalectlError(
            f"The {split} images of {card.name} are no longer those that the search began with.",
            "Put the data back, or start a new search with another -o.",
        )
    first, _label = next(dataset.render(split, resolution))
    row = _describe_row(*first.shape)
    files.make_folder(folder)
    files.stream(
        path,
        count * row.itemsize + LENGTH,
        lambda: seal_long(_pack(dataset.render(split, resolution), row)),
    )
    return _map(path, count, resolution)


def _describe_row(height: int, width: int, channels: int) -> np.dtype[np.void]:
    return np.dtype([("label", "<i8"), ("image", "u1", (height, width, channels))])


def _pack(pairs: Iterator[tuple[Pixels, int]], row: np.dtype[np.void]) -> Iterator[bytes]:
    """Rows, as many as fill a chunk at once."""
    while some := list(islice(pairs, max(1, _CHUNK // row.itemsize))):
        yield np.array([(label, image) for image, label in some], row).tobytes()


_CHUNK = 2**20


def _map(path: Path, count: int, resolution: int) -> tuple[Images, Labels]:
    """Raises `FileNotFoundError`, and `ValueError` where it is damaged."""
    body = map_proven(path)[:-LENGTH]
    channels = (len(body) // count - _describe_row(0, 0, 0).itemsize) // resolution**2
    rows = np.frombuffer(body, _describe_row(resolution, resolution, channels))
    return rows["image"], rows["label"].copy()
