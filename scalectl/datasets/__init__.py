"""Data sets, a slot: one file per kind, and its line in `DATASETS`.

A data set is opened from what follows its kind's name (`folder:PATH` -> `PATH`), and gives three
disjoint splits. Everything is numpy: the training turns it into tensors.
"""

from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from scalectl.errors import ScalectlError
from scalectl.trial import DataCard, Limits

Split = Literal["train", "select", "test"]
SPLITS: tuple[Split, ...] = ("train", "select", "test")

Pixels = NDArray[np.uint8]
"""(H, W, C) with H == W and C 1 (grey) or 3 (RGB)."""


class Dataset(Protocol):
    """What a data set must offer. Opening it, or asking for its card, raises `ScalectlError`,
    naming the file, for whatever could not be trained on.
    """

    @property
    def card(self) -> DataCard:
        """Name, classes, native resolution, and a digest of the content of each split."""

    def render(self, split: Split, resolution: int) -> Iterator[tuple[Pixels, int]]:
        """Each image of a split and its label, counted from 0, one after the other.

        Scaled down to `resolution` x `resolution` with antialiasing, all with as many channels. The
        order is that of the data set, the same at every resolution.
        """


DATASETS: dict[str, str] = {
    "glyphs": "scalectl.datasets.glyphs:Glyphs",
    "fashion_mnist": "scalectl.datasets.fashion_mnist:open_fashion_mnist",
    "folder": "scalectl.datasets.folder:open_folder",
    "torch": "scalectl.datasets.timm_reader:open_timm",
    "hfds": "scalectl.datasets.timm_reader:open_timm",
}
"""Kind -> where the function or class is that opens it. Imported then: some need heavy libraries."""


def open_dataset(spec: str, limits: Limits) -> Dataset:
    """The data set that `spec` names: KIND, KIND:ARGUMENT, or timm's torch/NAME:ROOT, hfds/NAME."""
    kind = spec.partition(":")[0].partition("/")[0]
    if kind not in DATASETS:
        raise ScalectlError(
            f"There is no data set of kind {kind!r} (proxy.data = {spec!r}).",
            "Use glyphs, fashion_mnist:ROOT, folder:PATH, torch/NAME:ROOT or hfds/NAME.",
        )
    module, _, name = DATASETS[kind].partition(":")
    factory: Callable[[str, Limits], Any] = getattr(import_module(module), name)
    dataset: Dataset = factory(spec, limits)
    return dataset
