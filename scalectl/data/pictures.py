"""Make data sets of stored images: disjoint splits, decoding, and scaling down."""

import hashlib
import os
import struct
import zlib
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, chain, zip_longest
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from scalectl.data import SPLITS, Pixels, Split
from scalectl.data.account import make_account
from scalectl.errors import ScalectlError, describe
from scalectl.trial import DataAccount, DataCard, Limits

T = TypeVar("T")
R = TypeVar("R")
Shape = tuple[int, int]
"""The shortest side of an image in pixels, and its channels: 1 or 3."""

SIXTEEN_BIT_MODES = ("I;16", "I;16B", "I;16L", "I;16N", "I")


@dataclass(frozen=True, slots=True)
class Picture:
    """A labelled image that is not decoded yet."""

    name: str
    """Where it is, for error messages."""
    label: int
    digest: str
    """Hash of its content, at least 8 hex digits."""
    open: Callable[[], Image.Image]


class Pictures:
    """A data set of pictures, as `scalectl.data.Dataset` asks for.

    A picture whose content is also in a later split (train < select < test) is left out of the
    earlier one. Splits are cut to their limits with the classes in turn, so that they stay balanced.
    `left_out` counts what the reader left out, by reason; `unreadable` has the reason by the name of
    each file that cannot be read at all; `shapes` are known from before, and completed,
    whereupon `keep` is called.
    """

    def __init__(
        self,
        name: str,
        classes: Sequence[str],
        splits: Mapping[Split, Sequence[Picture]],
        limits: Limits,
        *,
        flip: bool,
        left_out: Mapping[str, int] | None = None,
        unreadable: Mapping[str, str] | None = None,
        shapes: dict[str, Shape] | None = None,
        keep: Callable[[], None] | None = None,
    ) -> None:
        if len(classes) < 2:
            raise ScalectlError(
                f"{name} has {len(classes)} class{'es' * (len(classes) != 1)}: nothing to tell apart.",
                "A data set needs at least two.",
            )
        self._name, self._classes, self._flip = name, tuple(classes), flip
        self._limits, self._left_out = limits, dict(left_out or {})
        self._unreadable = dict(unreadable or {})
        self._small: set[str] = set()
        self._shapes = shapes if shapes is not None else {}
        self._keep = keep
        self._fresh: dict[Split, list[Picture]] = {}
        seen: set[str] = set()
        self._repeated = 0
        for split in reversed(SPLITS):
            fresh = [picture for picture in splits[split] if picture.digest not in seen]
            self._repeated += len(splits[split]) - len(fresh)
            seen.update(picture.digest for picture in fresh)
            self._fresh[split] = fresh

    @cached_property
    def card(self) -> DataCard:
        """Describe the data; every picture is decoded, so that corrupt ones are named at once."""
        left_out = f"{self._repeated} images that are in two splits were left out of the earlier"
        sides = self._sides.values()
        native = min(sides) if self._limits.skip_small_images else _find_native(sides)
        return DataCard(
            name=self._name,
            classes=len(self._classes),
            native=native,
            flip=self._flip,
            note=left_out if self._repeated else "",
            sizes={split: len(self._splits[split]) for split in SPLITS},
            digests={split: _digest_all(self._splits[split]) for split in SPLITS},
            account=self._give_account(native),
        )

    def render(self, split: Split, resolution: int) -> Iterator[tuple[Pixels, int]]:
        """Yield the central square of each picture; grey (one channel) only where all pictures are."""
        pictures = self._splits[split]
        channels = max(self._shapes[picture.name][1] for picture in pictures)
        fitted = map_in_threads(lambda picture: _fit(_open(picture), resolution), pictures)
        for picture, pixels in zip(pictures, fitted, strict=True):
            yield np.broadcast_to(pixels, (resolution, resolution, channels)), picture.label

    @cached_property
    def _splits(self) -> dict[Split, list[Picture]]:
        """The pictures that are used. All that cannot be decoded are named at once, or left out."""
        bad = self._unreadable
        splits = {split: self._decode_split(split) for split in SPLITS}
        if bad and not self._limits.skip_bad_images:
            raise _refuse_bad_images(bad)
        if self._limits.skip_small_images:
            used = chain.from_iterable(splits.values())
            native = _find_native([self._shapes[picture.name][0] for picture in used])
            splits = {split: self._decode_split(split, native) for split in SPLITS}
        if self._keep:
            self._keep()
        for split in SPLITS:
            self._check(split, splits[split])
        return splits

    def _decode_split(self, split: Split, smallest: int = 0) -> list[Picture]:
        """Cut a split to its limit, and decode it; others take the place of those left out.

        Left out are bad pictures, and those with a side below `smallest`, in pixels.
        """
        bad, small, skips = self._unreadable, self._small, self._limits.skip_bad_images
        while True:
            chosen = _limit(self._list_good(split), getattr(self._limits, split))
            unknown = [picture for picture in chosen if picture.name not in self._shapes]
            failed = False
            for picture, shape in zip(unknown, map_in_threads(_measure, unknown), strict=True):
                if isinstance(shape, str):
                    bad[picture.name], failed = shape, True
                else:
                    self._shapes[picture.name] = shape
            if failed and not skips:
                return chosen
            smaller = {
                picture.name
                for picture in chosen
                if picture.name not in bad and self._shapes[picture.name][0] < smallest
            }
            small |= smaller
            if not (failed or smaller):
                return chosen

    def _list_good(self, split: Split) -> list[Picture]:
        """List the pictures of a split that are not known to be left out."""
        left_out = self._unreadable.keys() | self._small
        return [picture for picture in self._fresh[split] if picture.name not in left_out]

    @cached_property
    def _sides(self) -> dict[str, int]:
        """The shortest side, in pixels, of each picture that is used, by name."""
        used = chain.from_iterable(self._splits[split] for split in SPLITS)
        return {picture.name: self._shapes[picture.name][0] for picture in used}

    def _give_account(self, native: int) -> DataAccount:
        labels = {split: [picture.label for picture in self._splits[split]] for split in SPLITS}
        left_out = dict(self._left_out)
        left_out["cannot be read"] = len(self._unreadable)
        left_out[f"smaller than {native} px"] = len(self._small)
        left_out["in a later split too"] = self._repeated
        duplicates, by_content = 0, defaultdict[str, set[int]](set)
        for split in SPLITS:
            used = self._splits[split]
            left_out[f"beyond proxy.{split}_images"] = len(self._list_good(split)) - len(used)
            duplicates += len(used) - len({picture.digest for picture in used})
            for picture in used:
                by_content[picture.digest].add(picture.label)
        return make_account(
            self._classes,
            labels,
            self._sides,
            native=native,
            channels=max(self._shapes[name][1] for name in self._sides),
            left_out=left_out,
            duplicates=duplicates,
            ambiguous=sum(len(each) > 1 for each in by_content.values()),
        )

    def _check(self, split: Split, pictures: Sequence[Picture]) -> None:
        if not pictures:
            raise ScalectlError(
                f"{self._name} has no images for the {split} split.",
                "Add images, or name folders train, val and test.",
            )
        present = {picture.label for picture in pictures}
        missing = [name for label, name in enumerate(self._classes) if label not in present]
        if split == "train" and missing:
            raise ScalectlError(
                f"{self._name} has no image of class {missing[0]!r} to train on.",
                "Add some, remove the class, or raise proxy.train_images.",
            )


def map_in_threads(function: Callable[[T], R], items: Sequence[T]) -> Iterator[R]:
    """Yield the function's value for each item in order; threads read and decode on all cores.

    At most a few hundred values wait to be taken.
    """
    with ThreadPoolExecutor(min(16, os.cpu_count() or 1)) as pool:
        for start in range(0, len(items), _BATCH):
            yield from pool.map(function, items[start : start + _BATCH])


_BATCH = 256


def hold_out(pictures: Sequence[Picture], *fractions: float) -> tuple[list[Picture], ...]:
    """Divide pictures by content into parts of about these fractions, and the rest as the last part.

    Equal contents stay together.
    """
    parts: tuple[list[Picture], ...] = tuple([] for _ in (*fractions, None))
    edges = np.cumsum(fractions)
    for picture in pictures:
        place = int(picture.digest[:8], 16) / 16**8
        parts[int(np.searchsorted(edges, place, side="right"))].append(picture)
    return parts


def digest_image(image: Image.Image) -> str:
    """Hash the decoded pixels of an image, as hexadecimal text."""
    return hashlib.sha256(f"{image.mode} {image.size}".encode() + image.tobytes()).hexdigest()


def _limit(pictures: Sequence[Picture], limit: int) -> list[Picture]:
    """Take the classes in turn; within a class by content, which is like random order, but stable."""
    by_class: dict[int, list[Picture]] = defaultdict(list)
    for picture in sorted(pictures, key=lambda picture: picture.digest):
        by_class[picture.label].append(picture)
    turns = zip_longest(*(by_class[label] for label in sorted(by_class)))
    ordered = [picture for picture in chain.from_iterable(turns) if picture]
    return ordered[:limit] if limit else ordered


def _digest_all(pictures: Sequence[Picture]) -> str:
    content = "".join(f"{picture.digest} {picture.label}\n" for picture in pictures)
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def _find_native(sides: Collection[int]) -> int:
    """Return the largest side, in pixels, that at least 95 % of the images have."""
    return sorted(sides)[len(sides) // 20]


def _refuse_bad_images(bad: Mapping[str, str]) -> ScalectlError:
    """Make the error that names all of them, as far as a message may be long."""
    hint = "Mend or remove {}, or leave out what is bad: --set proxy.skip_bad_images=true."
    (first, reason), *others = sorted(bad.items())
    if not others:
        return ScalectlError(f"{first} cannot be read as an image: {reason}.", hint.format("it"))
    folder = os.path.commonpath([str(Path(name).parent) for name in bad])
    names = [os.path.relpath(name, folder) for name in sorted(bad)]
    named = [
        name for name, end in zip(names, accumulate(map(len, names)), strict=True) if end < 800
    ]
    rest = f" and {len(names) - len(named):,} more" if len(names) > len(named) else ""
    return ScalectlError(
        f"{len(bad):,} files {f'in {folder} ' if folder != '.' else ''}cannot be read as images: "
        f"{', '.join(named)}{rest}. The first: {reason}.",
        hint.format("them"),
    )


def _measure(picture: Picture) -> Shape | str:
    """Decode a picture; return its shortest side in pixels and its channels, or why that fails."""
    try:
        image = _decode(picture)
    except _UNREADABLE as problem:
        return describe(problem).rstrip(".")
    return min(image.size), len(image.getbands())


_UNREADABLE = (
    *(OSError, SyntaxError, ValueError, EOFError, LookupError, ArithmeticError, TypeError),
    *(AttributeError, struct.error, zlib.error, Image.DecompressionBombError),
)
"""What Pillow's decoders raise for damaged files."""


def _open(picture: Picture) -> Image.Image:
    """Decode a picture. Raises `ScalectlError` where it was damaged since it was measured."""
    try:
        return _decode(picture)
    except _UNREADABLE as problem:
        raise _refuse_bad_images({picture.name: describe(problem).rstrip(".")}) from None


def _decode(picture: Picture) -> Image.Image:
    """Decode a picture: upright, 8 bits a channel, "L" or "RGB"; what is transparent becomes white."""
    with picture.open() as opened:
        image = ImageOps.exif_transpose(opened)
    if image.mode in SIXTEEN_BIT_MODES:
        wide = np.asarray(image).astype(np.int64)
        return Image.fromarray((wide.clip(0, 65535) // 257).astype(np.uint8))
    if image.mode == "F":
        raise ValueError("it has floating-point pixels, whose range nobody knows")
    if image.has_transparency_data:
        layered = image.convert("RGBA")
        paper = Image.new("RGBA", layered.size, "white")
        image = Image.alpha_composite(paper, layered).convert("L" if image.mode == "LA" else "RGB")
    return image.convert("L" if image.mode in ("1", "L") else "RGB")


def _fit(image: Image.Image, resolution: int) -> NDArray[np.uint8]:
    """Crop the central square and scale it to (resolution, resolution, 1 or 3)."""
    fitted = ImageOps.fit(image, (resolution, resolution), Image.Resampling.BICUBIC)
    return np.asarray(fitted, np.uint8).reshape(resolution, resolution, -1)
