"""Data sets, a slot: one file per kind, and its line in `DATASETS`.

A data set is opened from what follows its kind's name (`folder:PATH` -> `PATH`), and gives three
disjoint splits. Everything is numpy: the training turns it into tensors.
"""

from collections.abc import Callable, Iterator
from pkgutil import resolve_name
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from scalectl.errors import ScalectlError
from scalectl.trial import DataCard, Limits

Split = Literal["train", "select", "test"]
SPLITS: tuple[Split, ...] = ("train", "select", "test")

Pixels = NDArray[np.uint8]
"""(H, W, C) with H == W and C 1 (grey) or 3 (RGB)."""


class Dataset(Protocol):
    """What a data set offers.

    Opening it, or asking for its card, raises `ScalectlError`, naming the file, for whatever could
    not be trained on.
    """

    @property
    def card(self) -> DataCard:
        """Describe the data: name, classes, native resolution, a digest of each split's content."""

    def render(self, split: Split, resolution: int) -> Iterator[tuple[Pixels, int]]:
        """Yield each image of a split with its label, counted from 0.

        Images are scaled down to `resolution` x `resolution` pixels with antialiasing, and have equal
        numbers of channels. The order is the data set's, the same at every resolution.
        """


DATASETS: dict[str, str] = {
    "glyphs": "scalectl.data.glyphs:Glyphs",
    "fashion_mnist": "scalectl.data.fashion_mnist:open_fashion_mnist",
    "folder": "scalectl.data.folder:open_folder",
    "torch": "scalectl.data.timm_reader:open_timm",
    "hfds": "scalectl.data.timm_reader:open_timm",
}
"""Kind -> module:name of what opens it; imported when it is asked for, since libraries are heavy."""


def open_dataset(spec: str, limits: Limits) -> Dataset:
    """Open the data set that `spec` names: KIND, KIND:ARGUMENT, or timm's torch/NAME:ROOT, hfds/NAME.

    Raises `ScalectlError` where there is no such kind, or it cannot be trained on.
    """
    kind = spec.partition(":")[0].partition("/")[0]
    if kind not in DATASETS:
        raise ScalectlError(
            f"There is no data set of kind {kind!r} (proxy.data = {spec!r}).",
            "Use glyphs, fashion_mnist:ROOT, folder:PATH, torch/NAME:ROOT or hfds/NAME.",
        )
    factory: Callable[[str, Limits], Dataset] = resolve_name(DATASETS[kind])
    return factory(spec, limits)
