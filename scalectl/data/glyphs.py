"""Draw look-alike characters from TrueType fonts: demo data that need no download.

Strokes are drawn at the resolution that is asked for, so pixels carry information of their own up
to the native size. Fonts of the select and test splits are never trained on.
"""

import hashlib
from collections.abc import Iterator
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from scalectl.data import Pixels, Split
from scalectl.errors import ScalectlError
from scalectl.trial import DataCard, Limits

CHARACTERS = "BRPEFCGOQD83S5Z2"
"""The classes: characters that differ in small strokes."""

# Files of matplotlib's fonts. Each split has a face with and without serifs, upright and slanted.
_FONTS: dict[Split, tuple[str, ...]] = {
    "train": (
        "DejaVuSans",
        "DejaVuSans-Bold",
        "DejaVuSansMono",
        "DejaVuSansMono-Oblique",
        "DejaVuSerif",
        "DejaVuSerif-BoldItalic",
        "STIXGeneral",
        "STIXGeneralBolIta",
        "cmr10",
        "cmtt10",
    ),
    "select": (
        "DejaVuSans-Oblique",
        "DejaVuSerif-Bold",
        "DejaVuSansMono-Bold",
        "STIXGeneralItalic",
    ),
    "test": ("DejaVuSans-BoldOblique", "DejaVuSerif-Italic", "STIXGeneralBol", "cmss10"),
}
_DEFAULT_SIZES: dict[Split, int] = {"train": 20_000, "select": 5_000, "test": 5_000}
_SUPERSAMPLING = 3


class Glyphs:
    """The data set `glyphs`, which takes no argument."""

    def __init__(self, spec: str, limits: Limits) -> None:
        if spec != "glyphs":
            raise ScalectlError(f"The data set {spec!r} takes no argument.", "Write just glyphs.")
        self._sizes: dict[Split, int] = {
            "train": limits.train or _DEFAULT_SIZES["train"],
            "select": limits.select or _DEFAULT_SIZES["select"],
            "test": limits.test or _DEFAULT_SIZES["test"],
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
            digests={split: self._digest(split) for split in self._sizes},
        )

    def render(self, split: Split, resolution: int) -> Iterator[tuple[Pixels, int]]:
        """Yield grey images of characters, each with the index of its character."""
        fonts = [str(_font_file(name)) for name in _FONTS[split]]
        for index in range(self._sizes[split]):
            label = index % len(CHARACTERS)
            # Seeded per image: the same scene at every resolution, whatever the size of the split.
            random = np.random.default_rng([_VERSION, list(_FONTS).index(split), index])
            yield _draw(CHARACTERS[label], fonts, resolution, random)[..., None], label

    def _digest(self, split: Split) -> str:
        content = hashlib.sha256(f"{_VERSION} {CHARACTERS} {split} {self._sizes[split]}".encode())
        for name in _FONTS[split]:
            content.update(_font_file(name).read_bytes())
        return content.hexdigest()[:16]


_VERSION = 1
"""Number of the way of drawing; it goes up when a change here draws other images."""


def _draw(
    character: str, fonts: list[str], resolution: int, random: np.random.Generator
) -> NDArray[np.uint8]:
    """Draw a character on (resolution, resolution) pixels, randomly placed, sized, turned and lit."""
    side = resolution * _SUPERSAMPLING
    paper, ink = _contrast(random)
    canvas = Image.new("L", (side, side), paper)
    _scribble(canvas, random, side)
    font = ImageFont.truetype(
        fonts[random.integers(len(fonts))], max(4, side * random.uniform(0.4, 0.7))
    )
    stamp = Image.new("L", (side, side), 0)
    place = tuple(side * random.uniform(0.42, 0.58, 2))
    ImageDraw.Draw(stamp).text(place, character, fill=255, font=font, anchor="mm")
    stamp = stamp.rotate(random.uniform(-12, 12), center=place, resample=Image.Resampling.BILINEAR)
    canvas.paste(ink, mask=stamp)
    small = canvas.resize((resolution, resolution), Image.Resampling.BOX)
    if random.random() < 0.3:
        small = small.filter(ImageFilter.GaussianBlur(resolution / 150))
    noise = random.normal(0, random.uniform(4, 16), (resolution, resolution))
    return np.clip(np.asarray(small) + noise, 0, 255).astype(np.uint8)


def _contrast(random: np.random.Generator) -> tuple[int, int]:
    """Draw the grey levels of the paper and of the darker ink, at least 70 apart."""
    return int(random.integers(160, 256)), int(random.integers(0, 90))


def _scribble(canvas: Image.Image, random: np.random.Generator, side: int) -> None:
    draw = ImageDraw.Draw(canvas)
    for _ in range(random.integers(1, 4)):
        ends = [float(end) for end in random.uniform(0, side, 4)]
        draw.line(ends, fill=int(random.integers(60, 200)), width=max(1, side // 60))


def _font_file(name: str) -> Path:
    package = find_spec("matplotlib")
    if package is None or package.origin is None:
        raise ScalectlError(
            "The data set glyphs draws with the fonts of matplotlib, which is not installed.",
            "Run: python -m pip install matplotlib",
        )
    path = Path(package.origin).parent / "mpl-data" / "fonts" / "ttf" / f"{name}.ttf"
    if not path.exists():
        raise ScalectlError(
            f"The font {path} is missing, which the data set glyphs draws with.",
            "Reinstall matplotlib, or choose other data with --data.",
        )
    return path
