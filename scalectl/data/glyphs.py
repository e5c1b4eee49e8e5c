"""Draw look-alike characters from TrueType fonts: demo data that need no download.

Characters are drawn finely for each resolution that is asked for, and looked up pixel by pixel, so
pixels carry information of their own up to the native size. Each split has scenes of its own.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from scalectl.data import SPLITS, Pixels, Split
from scalectl.data.account import make_account
from scalectl.errors import ScalectlError
from scalectl.trial import DataCard, Limits

CHARACTERS = "BRPEFCGOQD83S5Z2"
"""The classes: characters that differ in small strokes."""

_FONTS = (
    "DejaVuSans",
    "DejaVuSans-Bold",
    "DejaVuSans-Oblique",
    "DejaVuSans-BoldOblique",
    "DejaVuSansMono",
    "DejaVuSansMono-Bold",
    "DejaVuSansMono-Oblique",
    "DejaVuSerif",
    "DejaVuSerif-Bold",
    "DejaVuSerif-Italic",
    "DejaVuSerif-BoldItalic",
    "STIXGeneral",
    "STIXGeneralBol",
    "STIXGeneralItalic",
    "STIXGeneralBolIta",
    "cmr10",
    "cmss10",
    "cmtt10",
)
"""Files of matplotlib's fonts: with and without serifs, upright and slanted. All splits use all of them:
unlike faces would make scores depend on the luck of a seed more than on the network."""
_DEFAULT_SIZES: dict[Split, int] = {"train": 20_000, "select": 5_000, "test": 5_000}


class Glyphs:
    """The data set `glyphs`, which takes no argument."""

    def __init__(self, spec: str, limits: Limits) -> None:
        if spec != "glyphs":
            raise ScalectlError(f"The data set {spec!r} takes no argument.", "Write just glyphs.")
        self._sizes: dict[Split, int] = {
            split: getattr(limits, split) or size for split, size in _DEFAULT_SIZES.items()
        }

    @cached_property
    def card(self) -> DataCard:
        """Describe the data; digests are of the fonts' files, the size, and the way of drawing."""
        return DataCard(
            name="glyphs",
            classes=len(CHARACTERS),
            native=72,
            flip=False,
            note="glyphs is a demo proxy: use your own data for decisions",
            sizes={split: self._sizes[split] for split in self._sizes},
            digests={split: _digest(_VERSION, split, self._sizes[split]) for split in self._sizes},
            account=make_account(
                CHARACTERS,
                {
                    split: [n % len(CHARACTERS) for n in range(self._sizes[split])]
                    for split in SPLITS
                },
                {"glyphs": 72},
                native=72,
                channels=1,
            ),
        )

    def render(self, split: Split, resolution: int) -> Iterator[tuple[Pixels, int]]:
        """Yield grey images of characters, each with the index of its character."""
        count, sheet = self._sizes[split], _draw_sheet(resolution)
        labels = np.arange(count) % len(CHARACTERS)
        # Drawn row by row: a larger split begins with the smaller one, at every resolution.
        scenes, grain = (
            np.random.default_rng([_VERSION, SPLITS.index(split), part]) for part in range(2)
        )
        uniform = scenes.random((count, _DRAWS), np.float32)
        for start in range(0, count, _CHUNK):
            part = slice(start, start + _CHUNK)
            images = _compose(sheet, labels[part], _Scene(uniform[part]), resolution, grain)
            yield from zip(images, labels[part].tolist(), strict=True)


@lru_cache  # fonts have megabytes, and each split is opened for each resolution
def _digest(version: int, split: Split, size: int) -> str:
    content = hashlib.sha256(f"{version} {CHARACTERS} {split} {size}".encode())
    for name in _FONTS:
        content.update(_font_file(name).read_bytes())
    return content.hexdigest()[:16]


_VERSION = 3
"""Number of the way of drawing; it goes up when a change here draws other images."""
_DRAWS = 20
"""Random numbers that decide the scene of an image, grain apart."""
_CHUNK = 64
"""Images composed at once: their pixels stay in a core's cache."""
_FINENESS = 4
"""Dots of a drawn character per pixel of the image, in each direction."""
_SIZE = 0.33
"""Mean size of a character, as a fraction of the image's side."""
_SQUARE = 1.5
"""Side of the square that a character is drawn on, in sizes of the character."""

_Floats = NDArray[np.floating[Any]]
"""float32 throughout."""


@dataclass(frozen=True, slots=True)
class _Sheet:
    """All characters in all fonts, each drawn at the centre of a square."""

    dots: NDArray[np.uint8]
    """Coverage in 255ths, averaged over a pixel around each dot; one square after another."""
    side: int
    """Dots of a square's side."""
    size: float
    """Dots of a character's size."""


@lru_cache(maxsize=1)  # splits are rendered one after another
def _draw_sheet(resolution: int) -> _Sheet:
    size = _SIZE * _FINENESS * resolution
    side = round(_SQUARE * size)
    squares = []
    for name in _FONTS:
        font = ImageFont.truetype(str(_font_file(name)), size)
        for character in CHARACTERS:
            square = Image.new("L", (side, side))
            middle = (side / 2, side / 2)
            ImageDraw.Draw(square).text(middle, character, fill=255, font=font, anchor="mm")
            squares.append(np.asarray(square.filter(ImageFilter.BoxBlur((_FINENESS - 1) / 2))))
    return _Sheet(np.stack(squares).ravel(), side, size)


class _Scene:
    """Random numbers of some images, used up column by column."""

    def __init__(self, uniform: _Floats) -> None:
        self._columns = iter(uniform.T)

    def between(self, low: float, high: float) -> _Floats:
        """Return a number in [low, high) for each image, (N,)."""
        drawn: _Floats = np.float32(low) + np.float32(high - low) * next(self._columns)
        return drawn

    def choose(self, count: int) -> NDArray[np.intp]:
        """Return a whole number in [0, count) for each image, (N,)."""
        return np.minimum(self.between(0, count).astype(np.intp), count - 1)


@dataclass(frozen=True, slots=True)
class _Hand:
    """How the characters of each image are written; all are (N,), lengths in sides of the image."""

    size: _Floats
    turn: _Floats
    """Radians."""
    slant: _Floats
    """Sideways per height."""
    narrowness: _Floats
    """Height over width, in those of the font."""


def _compose(
    sheet: _Sheet,
    labels: NDArray[np.intp],
    scene: _Scene,
    resolution: int,
    grain: np.random.Generator,
) -> NDArray[np.uint8]:
    """Draw a character between two others on lit paper, crossed by a line: (N, side, side, 1)."""
    place = (np.arange(resolution, dtype=np.float32) + 0.5) / resolution - 0.5
    light = [scene.between(-40, 40)[:, None] * place for _ in range(2)]
    images = _add(*light) + scene.between(150, 240)[:, None, None]
    ink, font = scene.between(0, 70), scene.choose(len(_FONTS)) * len(CHARACTERS)
    hand = _Hand(
        scene.between(0.29, 0.37),
        scene.between(-0.06, 0.06),
        scene.between(-0.1, 0.1),
        scene.between(0.9, 1.1),
    )
    across, down = scene.between(-0.02, 0.02), scene.between(-0.02, 0.02)
    _paint(images, _write(sheet, font + labels, (across, down), hand, place), ink)
    for side in (-1, 1):
        away = side * hand.size * scene.between(0.9, 1.3)
        centre = across + away * np.cos(hand.turn), down + away * np.sin(hand.turn)
        other = font + scene.choose(len(CHARACTERS))
        _paint(images, _write(sheet, other, centre, hand, place), ink)
    _paint(images, _rule(scene, place), scene.between(60, 200))
    noise = grain.standard_normal(images.shape, np.float32)
    images += noise * scene.between(2, 8)[:, None, None]
    return np.clip(images, 0, 255).astype(np.uint8)[..., None]


def _write(
    sheet: _Sheet,
    squares: NDArray[np.intp],
    centre: tuple[_Floats, _Floats],
    hand: _Hand,
    place: _Floats,
) -> _Floats:
    """Return how much of each pixel the characters in these squares cover, (N, side, side)."""
    across, down = (place - part[:, None] for part in centre)
    scale = sheet.size / hand.size
    cos, sin = scale * np.cos(hand.turn), scale * np.sin(hand.turn)
    middle, last = np.float32(sheet.side / 2), np.float32(sheet.side - 1)
    row = _add(-sin[:, None] * across, cos[:, None] * down + middle)
    column = _add(
        (hand.narrowness * (cos - hand.slant * sin))[:, None] * across,
        (hand.narrowness * (sin + hand.slant * cos))[:, None] * down + middle,
    )
    dot = np.clip(row, 0, last, out=row).astype(np.int32) * np.int32(sheet.side)
    dot += np.clip(column, 0, last, out=column).astype(np.int32)  # a square's border is blank
    dot += (squares * sheet.side**2).astype(np.int32)[:, None, None]
    covered: _Floats = sheet.dots[dot] * np.float32(1 / 255)
    return covered


def _rule(scene: _Scene, place: _Floats) -> _Floats:
    """Return how much of each pixel a line through the image covers, (N, side, side)."""
    angle, offset = scene.between(0, np.pi), scene.between(-0.4, 0.4)
    pixels = len(place)
    width = pixels * scene.between(0.008, 0.025)
    distance = _add(
        pixels * np.cos(angle)[:, None] * place,
        pixels * (np.sin(angle)[:, None] * place - offset[:, None]),
    )
    covered = (width / 2 + 0.5)[:, None, None] - np.abs(distance, out=distance)
    return np.clip(covered, 0, np.minimum(width, 1)[:, None, None], out=covered)


def _add(across: _Floats, down: _Floats) -> _Floats:
    """Add a number for each column, (N, W), and one for each row, (N, H): (N, H, W)."""
    return across[:, None, :] + down[:, :, None]


def _paint(images: _Floats, covered: _Floats, grey: _Floats) -> None:
    """Mix a grey level for each image, (N,), into images, (N, side, side), in place."""
    covered *= grey[:, None, None] - images
    images += covered


def _font_file(name: str) -> Path:
    package = find_spec("matplotlib")
    assert package is not None
    assert package.origin is not None
    path = Path(package.origin).parent / "mpl-data" / "fonts" / "ttf" / f"{name}.ttf"
    if not path.exists():
        raise ScalectlError(
            f"The font {path} is missing, which the data set glyphs draws with.",
            "Reinstall matplotlib, or choose other data with --data.",
        )
    return path
