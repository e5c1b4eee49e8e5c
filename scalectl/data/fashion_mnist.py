"""Open Fashion-MNIST (Xiao, Rasul & Vollgraf 2017): 70,000 grey images of 10 clothes, 28 px."""

import gzip
import struct
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from scalectl.data import Split
from scalectl.data.pictures import Picture, Pictures, digest_image, hold_out
from scalectl.errors import ScalectlError
from scalectl.parsing import expand_home
from scalectl.trial import Limits

_CLASSES = (
    "t-shirt",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "boot",
)
_HELD_OUT = 1 / 6


def open_fashion_mnist(spec: str, limits: Limits) -> Pictures:
    """Open `fashion_mnist:ROOT`: four IDX files in ROOT or ROOT/FashionMNIST/raw, plain or .gz.

    The select split is a sixth of the training file, by content. Left and right matter (sleeves
    and shoes all point one way), hence no mirroring.
    """
    root = expand_home(spec.partition(":")[2])
    if not spec.partition(":")[2] or not root.is_dir():
        raise ScalectlError(
            f"There is no folder {str(root)!r} for Fashion-MNIST.",
            "Write fashion_mnist:ROOT, where ROOT/FashionMNIST/raw has the four IDX files.",
        )
    select, train = hold_out(_read(root, "train"), _HELD_OUT)
    test = _read(root, "t10k")
    splits: dict[Split, list[Picture]] = {"train": train, "select": select, "test": test}
    return Pictures("fashion_mnist", _CLASSES, splits, limits, flip=False)


def _read(root: Path, part: str) -> list[Picture]:
    images = _read_idx(root, f"{part}-images-idx3-ubyte")
    labels = _read_idx(root, f"{part}-labels-idx1-ubyte")
    if len(images) != len(labels) or images.ndim != 3 or labels.ndim != 1:
        raise ScalectlError(
            f"The {part} images and labels in {root} do not belong together: their shapes are "
            f"{images.shape} and {labels.shape}.",
            "Put the original files back.",
        )
    if labels.size and labels.max() >= len(_CLASSES):
        raise ScalectlError(
            f"The {part} labels in {root} go up to {labels.max()}, and Fashion-MNIST has 10 classes.",
            "Put the original files back.",
        )
    pictures = []
    for index, (pixels, label) in enumerate(zip(images, labels, strict=True)):
        image = Image.fromarray(pixels)
        name = f"image {index} of {part}"
        pictures.append(Picture(name, int(label), digest_image(image), partial(image.copy)))
    return pictures


def _read_idx(root: Path, name: str) -> NDArray[np.uint8]:
    """Read LeCun's format: two zeros, a type (8 is a byte), the number of axes, their lengths, data."""
    path = _find(root, name)
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix else path.read_bytes()
        zeros, kind, axes = struct.unpack_from(">HBB", content)
        shape = struct.unpack_from(f">{axes}I", content, 4)
        values = np.frombuffer(content, np.uint8, offset=4 + 4 * axes).reshape(shape)
    except (OSError, EOFError, ValueError, struct.error) as problem:
        raise ScalectlError(f"{path} is damaged: {problem}.", "Download it again.") from None
    if (zeros, kind) != (0, 8):
        raise ScalectlError(f"{path} is not an IDX file of bytes.", "Download it again.")
    return values


def _find(root: Path, name: str) -> Path:
    for folder in (root / "FashionMNIST" / "raw", root):
        for path in (folder / name, folder / f"{name}.gz"):
            if path.is_file():
                return path
    raise ScalectlError(
        f"{root} has no {name}, neither plain nor .gz, there or in FashionMNIST/raw.",
        "Put the four files of Fashion-MNIST there.",
    )
