import gzip
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from factories import gather
from PIL import Image

from scalectl.data import SPLITS, open_dataset
from scalectl.trial import Limits

ALL = Limits(0, 0, 0)


def make_glyphs(_: Path) -> str:
    return "glyphs"


def make_fashion_mnist(root: Path) -> str:
    """The four files in miniature, one of them compressed."""
    random = np.random.default_rng(0)
    for part, count in (("train", 240), ("t10k", 60)):
        labels = np.arange(count, dtype=np.uint8) % 10
        images = random.integers(0, 256, (count, 28, 28), np.uint8)
        (root / f"{part}-labels-idx1-ubyte").write_bytes(
            struct.pack(">HBBI", 0, 8, 1, count) + labels.tobytes()
        )
        content = struct.pack(">HBB3I", 0, 8, 3, count, 28, 28) + images.tobytes()
        if part == "train":
            (root / f"{part}-images-idx3-ubyte.gz").write_bytes(gzip.compress(content))
        else:
            (root / f"{part}-images-idx3-ubyte").write_bytes(content)
    return f"fashion_mnist:{root}"


def paint(folder: Path, count: int, seed: int) -> None:
    folder.mkdir(parents=True)
    random = np.random.default_rng(seed)
    for index in range(count):
        pixels = random.integers(0, 256, (40, 50, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{index}.png")


def make_flat_folder(root: Path) -> str:
    for seed, name in enumerate(("cat", "dog", "eel")):
        paint(root / name, 40, seed)
    return f"folder:{root}"


def make_split_folder(root: Path) -> str:
    for seed, name in enumerate(("train/cat", "train/dog", "val/cat", "val/dog")):
        paint(root / name, 20, seed)
    return f"folder:{root}"


def make_torch(root: Path) -> str:
    """torchvision's own layout of Fashion-MNIST, read by torchvision."""
    raw = root / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    make_fashion_mnist(raw)
    packed = raw / "train-images-idx3-ubyte.gz"
    packed.with_suffix("").write_bytes(gzip.decompress(packed.read_bytes()))
    packed.unlink()
    return f"torch/fashion_mnist:{root}"


MAKERS = [make_glyphs, make_fashion_mnist, make_flat_folder, make_split_folder, make_torch]


@pytest.mark.parametrize("make", MAKERS)
def test_splits_are_disjoint_whole_and_stable(make: Callable[[Path], str], tmp_path: Path) -> None:
    """No picture in two splits; the card says what is rendered; the same data, the same digests."""
    if make is make_torch:
        pytest.importorskip("torchvision")
    limits = Limits(64, 32, 32) if make is make_glyphs else ALL
    spec = make(tmp_path)
    dataset = open_dataset(spec, limits)
    card, seen = dataset.card, set[bytes]()
    assert set(card.sizes) == set(card.digests) == set(SPLITS)
    assert len(set(card.digests.values())) == 3
    for split in SPLITS:
        images, labels = gather(dataset.render(split, 16))
        assert images.shape[:3] == (card.sizes[split], 16, 16)
        assert images.dtype == np.uint8
        assert len(images) == len(labels) > 0
        assert set(labels) <= set(range(card.classes))
        contents = {image.tobytes() for image in images}
        assert not contents & seen
        seen |= contents
        native = gather(dataset.render(split, card.native))[1]
        assert (native == labels).all()
    assert set(gather(dataset.render("train", 16))[1]) == set(range(card.classes))
    assert open_dataset(spec, limits).card == card


@pytest.mark.parametrize("make", [make_fashion_mnist, make_flat_folder])
def test_limits_keep_the_classes_balanced(make: Callable[[Path], str], tmp_path: Path) -> None:
    """And are part of the digest."""
    spec = make(tmp_path)
    dataset = open_dataset(spec, Limits(30, 6, 6))
    labels = gather(dataset.render("train", 16))[1]
    assert len(labels) == 30
    assert np.ptp(np.bincount(labels)) <= 1
    assert dataset.card.digests["train"] != open_dataset(spec, ALL).card.digests["train"]
