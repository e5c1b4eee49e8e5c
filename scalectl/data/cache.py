"""Keep rendered splits on disk: written once, verified whenever they are opened, shared by all trials.

Trials map a split into their memory, where the system holds it once for all of them; so a split may
be larger than the memory.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from hashlib import sha256
from itertools import chain, islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scalectl.data import Dataset, Pixels, Split
from scalectl.errors import ScalectlError
from scalectl.store import atomic
from scalectl.store.checksum import CHECKSUM_BYTES, STREAMED, append_checksum, map_verified
from scalectl.trial import DataCard

Images = NDArray[np.uint8]
"""(N, H, W, C), read-only."""
Labels = NDArray[np.int64]
"""(N,)"""


def rendered(
    card: DataCard, split: Split, resolution: int, folder: Path, source: Callable[[], Dataset]
) -> tuple[Images, Labels]:
    """Read a split at a resolution from the cache; render it from the source where it is not there.

    Raises `ScalectlError` when the source no longer holds what the card describes.
    """
    name = f"{card.digests[split]}-{split}-{resolution}"
    path = folder / f"{name}{STREAMED}"
    count = card.sizes[split]
    with suppress(FileNotFoundError, ValueError):  # absent or damaged
        return _map(path, name, count, resolution)
    dataset = source()
    if dataset.card.digests[split] != card.digests[split]:
        raise ScalectlError(
            f"The {split} images of {card.name} are no longer those that the search began with.",
            "Put the data back, or start a new search with another -o.",
        )
    first, _label = next(dataset.render(split, resolution))
    row = _describe_row(*first.shape)
    atomic.make_folder(folder)
    atomic.stream(
        path,
        count * row.itemsize + _NAME_BYTES + CHECKSUM_BYTES,
        lambda: append_checksum(
            chain(_pack(dataset.render(split, resolution), row), [_seal(name)])
        ),
    )
    return _map(path, name, count, resolution)


def _describe_row(height: int, width: int, channels: int) -> np.dtype[np.void]:
    return np.dtype([("label", "<i8"), ("image", "u1", (height, width, channels))])


def _pack(pairs: Iterator[tuple[Pixels, int]], row: np.dtype[np.void]) -> Iterator[bytes]:
    """Yield rows, in chunks of about a mebibyte."""
    while chunk := list(islice(pairs, max(1, _CHUNK // row.itemsize))):
        yield np.array([(label, image) for image, label in chunk], row).tobytes()


_CHUNK = 2**20


def _seal(name: str) -> bytes:
    """Hash what the images are of: data, split and resolution. It ends the rows of each file."""
    return sha256(name.encode()).digest()


_NAME_BYTES = 32


def _map(path: Path, name: str, count: int, resolution: int) -> tuple[Images, Labels]:
    """Map a rendered split.

    Raises `FileNotFoundError`, and `ValueError` where it is damaged or of other images.
    """
    whole = map_verified(path)[:-CHECKSUM_BYTES]
    body, seal = whole[:-_NAME_BYTES], whole[-_NAME_BYTES:]
    if seal != _seal(name):
        raise ValueError("it has the images of another split, resolution or data set")
    channels = (len(body) // count - _describe_row(0, 0, 0).itemsize) // resolution**2
    rows = np.frombuffer(body, _describe_row(resolution, resolution, channels))
    return rows["image"], rows["label"].copy()
