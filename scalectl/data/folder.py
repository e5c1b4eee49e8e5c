"""Open a folder of class folders of images: the user's own data."""

import hashlib
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

from PIL import Image

from scalectl.data import Split
from scalectl.data.account import list_some
from scalectl.data.pictures import Picture, Pictures, hold_out, map_in_threads
from scalectl.data.remembered import Remembered
from scalectl.errors import ScalectlError, printable
from scalectl.parsing import expand_home
from scalectl.trial import Limits

SPLIT_NAMES: dict[Split, tuple[str, ...]] = {
    "train": ("train", "training"),
    "select": ("val", "valid", "validation", "dev", "select"),
    "test": ("test", "testing"),
}
"""What the folders of the splits may be called, in any case."""
_STUBS = ("BUFR", "GRIB", "HDF5", "MPEG", "WMF")
"""Formats that Pillow recognises, but does not decode by itself."""
_JUNK = ("__macosx", "thumbs.db", "desktop.ini")
"""Written beside images by operating systems, as hidden files are."""

Classes = dict[str, list[Path]]
"""Name of a class -> its folders: several where a name is written in several ways in Unicode."""


def open_folder(spec: str, limits: Limits) -> Pictures:
    """Open `folder:PATH`, where PATH has one folder for each class, or train/ and others that have.

    What is missing is held out by content, so that no image is ever in two splits: a flat folder is
    cut into 60 % train, 20 % select, 20 % test; train/ and val/ give val's halves to select and
    test; train/ and test/ give a fifth of train to select.
    """
    place = spec.partition(":")[2]
    root = expand_home(place)
    if not place or not root.is_dir():
        raise ScalectlError(
            f"There is no folder {str(root)!r}.",
            "Give --data folder:PATH, where PATH has one folder for each class.",
        )
    reader = _Reader(root)
    folders = reader.find_splits()
    classes = sorted(reader.list_classes(folders["train"]))
    read = {split: reader.read(folder, classes, split) for split, folder in folders.items()}
    return Pictures(
        f"folder {printable(root.name)}",
        [printable(name) for name in classes],
        _complete(read),
        limits,
        flip=True,
        left_out=reader.left_out,
        unreadable=reader.unreadable,
        shapes=reader.remembered.shapes,
        keep=reader.remembered.write,
    )


def _complete(read: Mapping[Split, list[Picture]]) -> dict[Split, list[Picture]]:
    """Hold out the splits that have no folder."""
    train = read["train"]
    if "select" in read and "test" in read:
        select, test = read["select"], read["test"]
    elif "select" in read:
        select, test = hold_out(read["select"], 0.5)
    elif "test" in read:
        test = read["test"]
        select, train = hold_out(train, 0.2)
    else:
        select, test, train = hold_out(train, 0.2, 0.2)
    return {"train": train, "select": select, "test": test}


class _Reader:
    """Lists the images of a folder, and counts what it leaves out."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.left_out = Counter[str]()
        self.unreadable: dict[str, str] = {}
        """File -> why it cannot be read."""
        self.remembered = Remembered(root)
        Image.init()
        self._suffixes = {
            suffix
            for suffix, name in Image.registered_extensions().items()
            if name in Image.OPEN and name not in _STUBS
        }

    def find_splits(self) -> dict[Split, Path]:
        """Find the folders of the splits by their names; a folder without them is one of classes."""
        folders = self._list_folders(self._root)
        if not folders:
            raise _refuse_empty(self._root)
        splits: dict[Split, Path] = {}
        others = []
        for path in folders:
            split = _find_split(path.name)
            if split is None:
                others.append(path)
            elif split in splits:
                raise ScalectlError(
                    f"{self._root} has two folders for the {split} split: {splits[split].name} and "
                    f"{path.name}.",
                    "Keep one of them, or unite their images.",
                )
            else:
                splits[split] = path
        if "train" in splits and self._list_folders(splits["train"]):
            if others:
                reason = f"folders beside the splits: {list_some([path.name for path in others])}"
                self.left_out[printable(reason)] += len(others)
            return splits
        if not others:
            if "train" in splits:
                raise _refuse_empty(splits["train"])
            raise ScalectlError(
                f"{self._root} has folders named like splits, and none to train on.",
                "Name one of them train.",
            )
        self._refuse_one_wrapper(folders)
        return {"train": self._root}

    def list_classes(self, folder: Path) -> Classes:
        """Raises `ScalectlError` where there is none, or they look like splits or other parts."""
        classes: Classes = {}
        for path in self._list_folders(folder):
            classes.setdefault(unicodedata.normalize("NFC", path.name), []).append(path)
        if not classes:
            raise _refuse_empty(folder)
        inner = [
            {path.name for path in self._list_folders(each)} for (each, *_) in classes.values()
        ]
        if len(inner) > 1 and len(inner[0]) > 1 and all(names == inner[0] for names in inner):
            raise ScalectlError(
                f"Every folder in {folder} has the same folders inside: "
                f"{list_some(sorted(inner[0]))}. So {list_some(sorted(classes))} are hardly classes.",
                "Name the splits train, val and test, or put the images of each class directly into "
                "its folder.",
            )
        return classes

    def read(self, folder: Path, classes: list[str], split: Split) -> list[Picture]:
        """Read the images of a split. Raises `ScalectlError` for classes that are not in `classes`."""
        folders = self.list_classes(folder)
        strangers = sorted(set(folders) - set(classes))
        if strangers:
            raise ScalectlError(
                f"{folder / strangers[0]} is a class that the training images do not have.",
                "Every split must have the same classes.",
            )
        paths: list[tuple[Path, int]] = []
        above = frozenset(_identify(each) for each in (self._root, folder))
        for label, name in enumerate(classes):
            images = [
                path for each in folders.get(name, ()) for path in self._list_images(each, above)
            ]
            if not images and split == "train":
                raise ScalectlError(
                    f"The class folder {folder / name} has no images.",
                    "Add some that Pillow opens, such as JPEG or PNG (HEIC it does not), or remove the folder.",
                )
            paths += [(path, label) for path in images]
        digests = map_in_threads(self._digest, [path for path, _ in paths])
        return [
            Picture(str(path), label, digest, partial(Image.open, path))
            for (path, label), digest in zip(paths, digests, strict=True)
            if digest
        ]

    def _digest(self, path: Path) -> str:
        """Hash a file; "" where it cannot be read, which is noted."""
        try:
            status = path.stat()
            known = self.remembered.find_digest(str(path), status)
            if known:
                return known
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
        except OSError as problem:
            self.unreadable[str(path)] = problem.strerror or "it cannot be opened"
            return ""
        self.remembered.add(str(path), status, digest)
        return digest

    def _list_images(self, folder: Path, above: frozenset[tuple[int, int]]) -> Iterator[Path]:
        """Yield images at any depth, through links; `above` are the folders that this one is in."""
        place = _identify(folder)
        if place in above:
            raise ScalectlError(
                f"{folder} is a link to a folder that it is in, so its images have no end.",
                "Remove the link.",
            )
        for path in _list(folder):
            suffix = path.suffix.lower()
            if _is_junk(path.name):
                self.left_out["hidden or of an operating system"] += 1
            elif path.is_dir():
                yield from self._list_images(path, above | {place})
            elif not path.is_file():
                self.left_out["links to nothing"] += 1
            elif suffix in self._suffixes:
                yield path
            else:
                self.left_out[
                    printable(f"not of a kind that Pillow opens ({suffix or 'no suffix'})")
                ] += 1

    def _list_folders(self, folder: Path) -> list[Path]:
        return [path for path in _list(folder) if path.is_dir() and not _is_junk(path.name)]

    def _refuse_one_wrapper(self, folders: list[Path]) -> None:
        """An unpacked archive often has all in one folder, whose folders are the classes."""
        inner = self._list_folders(folders[0]) if len(folders) == 1 else []
        if len(inner) > 1:
            raise ScalectlError(
                f"{self._root} has 1 class: nothing to tell apart.",
                f"Its folder has {len(inner)} folders: did you mean folder:{folders[0]}?",
            )


def _find_split(name: str) -> Split | None:
    return next((split for split, names in SPLIT_NAMES.items() if name.casefold() in names), None)


def _is_junk(name: str) -> bool:
    return name.startswith(".") or name.casefold() in _JUNK


def _list(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError as problem:
        raise ScalectlError(
            f"{folder} cannot be listed: {problem.strerror}.", "Allow it, or remove the folder."
        ) from None


def _identify(folder: Path) -> tuple[int, int]:
    status = folder.stat()
    return status.st_dev, status.st_ino


def _refuse_empty(folder: Path) -> ScalectlError:
    return ScalectlError(
        f"{folder} has no class folders.", "Put the images of each class in a folder of its own."
    )
