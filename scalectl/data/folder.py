"""Open a folder of class folders of images: the user's own data."""

import hashlib
from functools import partial
from pathlib import Path

from PIL import Image

from scalectl.data import Split
from scalectl.data.pictures import Picture, Pictures, hold_out
from scalectl.errors import ScalectlError
from scalectl.trial import Limits

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm")
"""Suffixes of the files that are read; others are skipped."""
_SELECT_NAMES = ("val", "validation", "valid", "select")


def open_folder(spec: str, limits: Limits) -> Pictures:
    """Open `folder:PATH`, where PATH has one folder for each class, or train/ and others that have.

    What is missing is held out by content, so that no image is ever in two splits: a flat folder is
    cut into 60 % train, 20 % select, 20 % test; train/ and val/ give val's halves to select and
    test; train/ and test/ give a fifth of train to select.
    """
    root = Path(spec.partition(":")[2])
    if not spec.partition(":")[2] or not root.is_dir():
        raise ScalectlError(
            f"There is no folder {str(root)!r}.",
            "Write folder:PATH, where PATH has one folder for each class.",
        )
    classes = _list_classes(root / "train" if (root / "train").is_dir() else root)
    return Pictures(f"folder {root.name}", classes, _split(root, classes), limits, flip=True)


def _split(root: Path, classes: list[str]) -> dict[Split, list[Picture]]:
    if not (root / "train").is_dir():
        select, test, train = hold_out(_read(root, classes), 0.2, 0.2)
        return {"train": train, "select": select, "test": test}
    train = _read(root / "train", classes)
    validation = next((root / name for name in _SELECT_NAMES if (root / name).is_dir()), None)
    test_folder = root / "test"
    if validation and test_folder.is_dir():
        select, test = _read(validation, classes), _read(test_folder, classes)
    elif validation:
        select, test = hold_out(_read(validation, classes), 0.5)
    elif test_folder.is_dir():
        test = _read(test_folder, classes)
        select, train = hold_out(train, 0.2)
    else:
        select, test, train = hold_out(train, 0.2, 0.2)
    return {"train": train, "select": select, "test": test}


def _list_classes(folder: Path) -> list[str]:
    classes = sorted(
        path.name for path in folder.iterdir() if path.is_dir() and path.name[0] != "."
    )
    if not classes:
        raise ScalectlError(
            f"{folder} has no class folders.",
            "Put the images of each class in a folder of its own.",
        )
    return classes


def _read(folder: Path, classes: list[str]) -> list[Picture]:
    strangers = sorted(set(_list_classes(folder)) - set(classes))
    if strangers:
        raise ScalectlError(
            f"{folder / strangers[0]} is a class that the training images do not have.",
            "Every split must have the same classes.",
        )
    pictures = []
    for label, name in enumerate(classes):
        paths = _list_images(folder / name)
        if not paths:
            raise ScalectlError(
                f"The class folder {folder / name} has no images.",
                f"Known are {', '.join(SUFFIXES)}; add some or remove the folder.",
            )
        pictures += [_describe(path, label) for path in paths]
    return pictures


def _list_images(folder: Path) -> list[Path]:
    paths = folder.rglob("*") if folder.is_dir() else ()
    return sorted(path for path in paths if path.suffix.lower() in SUFFIXES)


def _describe(path: Path, label: int) -> Picture:
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as problem:
        raise ScalectlError(
            f"{path} cannot be read: {problem.strerror}.", "Mend or remove it."
        ) from None
    return Picture(str(path), label, digest, partial(Image.open, path))
