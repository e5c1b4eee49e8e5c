"""Make data sets of stored images: disjoint splits, decoding, and scaling down."""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, zip_longest

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from scalectl.data import SPLITS, Pixels, Split
from scalectl.errors import ScalectlError
from scalectl.trial import DataCard, Limits

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
    """

    def __init__(
        self,
        name: str,
        classes: Sequence[str],
        splits: Mapping[Split, Sequence[Picture]],
        limits: Limits,
        *,
        flip: bool,
    ) -> None:
        if len(classes) < 2:
            raise ScalectlError(
                f"{name} has {len(classes)} class{'es' * (len(classes) != 1)}: nothing to tell apart.",
                "A data set needs at least two.",
            )
        self._name, self._classes, self._flip = name, tuple(classes), flip
        self._splits: dict[Split, list[Picture]] = {}
        seen: set[str] = set()
        self._repeated = 0
        for split in reversed(SPLITS):
            fresh = [picture for picture in splits[split] if picture.digest not in seen]
            self._repeated += len(splits[split]) - len(fresh)
            seen.update(picture.digest for picture in fresh)
            self._splits[split] = _limit(fresh, getattr(limits, split))
            self._check(split)

    @cached_property
    def card(self) -> DataCard:
        """Describe the data; every picture is decoded, so that corrupt ones are named at once."""
        left_out = f"{self._repeated} images that are in two splits were left out of the earlier"
        return DataCard(
            name=self._name,
            classes=len(self._classes),
            native=min(self._shapes[split][0] for split in SPLITS),
            flip=self._flip,
            note=left_out if self._repeated else "",
            sizes={split: len(self._splits[split]) for split in SPLITS},
            digests={split: _digest_all(self._splits[split]) for split in SPLITS},
        )

    def render(self, split: Split, resolution: int) -> Iterator[tuple[Pixels, int]]:
        """Yield the central square of each picture; grey (one channel) only where all pictures are."""
        shape = (resolution, resolution, self._shapes[split][1])
        for picture in self._splits[split]:
            yield np.broadcast_to(_fit(_decode(picture), resolution), shape), picture.label

    @cached_property
    def _shapes(self) -> dict[Split, tuple[int, int]]:
        """The shortest side in pixels, and the most channels, of the pictures of each split."""
        shapes: dict[Split, tuple[int, int]] = {}
        for split in SPLITS:
            decoded = (_decode(picture) for picture in self._splits[split])
            sizes = [(min(image.size), len(image.getbands())) for image in decoded]
            shapes[split] = min(side for side, _ in sizes), max(bands for _, bands in sizes)
        return shapes

    def _check(self, split: Split) -> None:
        if not self._splits[split]:
            raise ScalectlError(
                f"{self._name} has no images for the {split} split.",
                "Add images, or name folders train, val and test.",
            )
        present = {picture.label for picture in self._splits[split]}
        missing = [name for label, name in enumerate(self._classes) if label not in present]
        if split == "train" and missing:
            raise ScalectlError(
                f"{self._name} has no image of class {missing[0]!r} to train on.",
                "Add some, remove the class, or raise proxy.train_images.",
            )


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


def _decode(picture: Picture) -> Image.Image:
    """Decode a picture: upright, 8 bits a channel, "L" or "RGB"; what is transparent becomes white."""
    try:
        with picture.open() as opened:
            image = ImageOps.exif_transpose(opened)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as problem:
        raise ScalectlError(
            f"{picture.name} cannot be read as an image: {problem}.", "Mend or remove it."
        ) from None
    if image.mode in SIXTEEN_BIT_MODES:
        wide = np.asarray(image).astype(np.int64)
        return Image.fromarray((wide.clip(0, 65535) // 257).astype(np.uint8))
    if image.mode == "F":
        raise ScalectlError(
            f"{picture.name} has floating-point pixels, whose range nobody knows.",
            "Convert it to 8 or 16 bits.",
        )
    if image.has_transparency_data:
        layered = image.convert("RGBA")
        paper = Image.new("RGBA", layered.size, "white")
        image = Image.alpha_composite(paper, layered).convert("L" if image.mode == "LA" else "RGB")
    return image.convert("L" if image.mode in ("1", "L") else "RGB")


def _fit(image: Image.Image, resolution: int) -> NDArray[np.uint8]:
    """Crop the central square and scale it to (resolution, resolution, 1 or 3)."""
    fitted = ImageOps.fit(image, (resolution, resolution), Image.Resampling.BICUBIC)
    return np.asarray(fitted, np.uint8).reshape(resolution, resolution, -1)
