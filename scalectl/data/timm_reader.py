"""Open data sets by timm's names: torch/NAME:ROOT (torchvision's) and hfds/NAME (Hugging Face's)."""

import os
from typing import Any

from PIL import Image

from scalectl.data import Split
from scalectl.data.pictures import Picture, Pictures, digest_image, hold_out
from scalectl.errors import ScalectlError
from scalectl.parsing import expand_home
from scalectl.trial import Limits

_HELD_OUT = 1 / 6


def open_timm(spec: str, limits: Limits) -> Pictures:
    """Open a data set as `timm.data.create_dataset` reads it from this machine; nothing is downloaded.

    The select split is a sixth of the training images, by content; the test split is what timm
    calls validation. Refused where that is the training images again, as timm's factory gives them
    for some data sets without a second split.
    """
    name, _, root = spec.partition(":")
    train_pictures = _read(name, root, "train")
    test = _read(name, root, "validation")
    if {picture.digest for picture in test} >= {picture.digest for picture in train_pictures}:
        raise ScalectlError(
            f"{spec} gives its training images for validation too.",
            "Use data with two splits, or folder:PATH, which holds out its own.",
        )
    select, train = hold_out(train_pictures, _HELD_OUT)
    labels = sorted({picture.label for picture in (*train_pictures, *test)})
    if labels != list(range(len(labels))):
        raise ScalectlError(
            f"The labels of {spec} are not 0 to {len(labels) - 1} without gaps.",
            "Use folder:PATH for it.",
        )
    splits: dict[Split, list[Picture]] = {"train": train, "select": select, "test": test}
    return Pictures(name, [str(label) for label in labels], splits, limits, flip=False)


def _read(name: str, root: str, split: str) -> list[Picture]:
    # Read when Hugging Face's library is loaded, which is now; 0 in the environment allows downloads.
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    from timm.data import create_dataset

    try:
        dataset = create_dataset(
            name, root=str(expand_home(root)) if root else None, split=split, download=False
        )
        pairs = (dataset[index] for index in range(len(dataset)))
        return [_keep(f"{name} {split} {n}", pair) for n, pair in enumerate(pairs)]
    except (
        RuntimeError,
        OSError,
        ImportError,
        LookupError,
        TypeError,
        ValueError,
        AssertionError,
    ) as problem:
        reason = str(problem).strip().partition("\n")[0].rstrip(".") or type(problem).__name__
        raise ScalectlError(
            f"{name} cannot be opened ({split}): {reason}.",
            "Write torch/NAME:ROOT with data that is there already, or hfds/NAME that is cached.",
        ) from None


def _keep(name: str, pair: tuple[Any, int]) -> Picture:
    image, label = pair
    if not isinstance(image, Image.Image):
        raise TypeError(f"its images are {type(image).__name__}, not PIL images")
    return Picture(name, int(label), digest_image(image), image.copy)
