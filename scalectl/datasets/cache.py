"""Rendered splits on disk: made once, checked whenever they are read, shared by all trials."""

from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np

from scalectl import files
from scalectl.datasets import Dataset, Images, Labels, Split
from scalectl.errors import ScalectlError
from scalectl.seals import seal, unseal
from scalectl.trial import DataCard


def rendered(
    card: DataCard, split: Split, resolution: int, folder: Path, source: Callable[[], Dataset]
) -> tuple[Images, Labels]:
    """A split at a resolution, from the cache or else from the source, which is opened only then.

    Raises `ScalectlError` when the source no longer holds what the card describes.
    """
    path = folder / f"{card.digests[split]}-{split}-{resolution}"
    cached = _load(path)
    if cached:
        return cached
    dataset = source()
    if dataset.card.digests[split] != card.digests[split]:
        raise ScalectlError(
            f"The {split} images of {card.name} are no longer those that the search began with.",
            "Put the data back, or start a new search with another -o.",
        )
    images, labels = dataset.render(split, resolution)
    _publish(path, images, labels)
    return images, labels


def _load(path: Path) -> tuple[Images, Labels] | None:
    """What was stored, or None when it is absent or damaged; then it is rendered again."""
    try:
        body = unseal(path.read_bytes(), "")
    except (FileNotFoundError, ValueError):
        return None
    with np.load(BytesIO(body), allow_pickle=False) as arrays:
        return arrays["images"], arrays["labels"]


def _publish(path: Path, images: Images, labels: Labels) -> None:
    body = BytesIO()
    np.savez(body, images=images, labels=labels)
    files.make_folder(path.parent)
    files.replace(path, seal(body.getvalue(), ""))
