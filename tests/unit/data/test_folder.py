import struct
from pathlib import Path

import numpy as np
import pytest
from factories import gather
from PIL import Image

from scalectl.data import SPLITS, Dataset, open_dataset
from scalectl.errors import ScalectlError
from scalectl.trial import Limits

ALL = Limits(0, 0, 0)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two classes of 30 pictures in shades of their own."""
    for name, base in (("cat", 0), ("dog", 100)):
        (tmp_path / name).mkdir()
        for index in range(30):
            Image.new("RGB", (20, 20), (base + index, 9, 9)).save(tmp_path / name / f"{index}.png")
    return tmp_path


def load(root: Path) -> Dataset:
    dataset = open_dataset(f"folder:{root}", ALL)
    assert dataset.card.classes
    return dataset


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("mnist:x", "no data set of kind 'mnist'"),
        ("folder:", "no folder"),
        ("folder:missing", "no folder 'missing'"),
        ("fashion_mnist:missing", "no folder 'missing'"),
        ("fashion_mnist:.", "has no train-images-idx3-ubyte"),
        ("glyphs:x", "takes no argument"),
        ("torch/fashion_mnist:.", "cannot be opened"),
        ("torch/no_such_set:.", "cannot be opened"),
        ("hfds/no/such_set", "cannot be opened"),
    ],
)
def test_what_is_not_there_is_named(spec: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    """Nothing is downloaded instead."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    if spec.startswith("torch/"):
        pytest.importorskip("torchvision")
    with pytest.raises(ScalectlError, match=message):
        open_dataset(spec, ALL)


def test_an_empty_class_is_refused(root: Path) -> None:
    (root / "emu").mkdir()
    (root / "emu" / "readme.txt").write_text("no image")
    with pytest.raises(ScalectlError, match=r"emu has no images"):
        load(root)


def test_one_class_is_refused(root: Path) -> None:
    for path in (root / "dog").iterdir():
        path.unlink()
    (root / "dog").rmdir()
    with pytest.raises(ScalectlError, match="has 1 class"):
        load(root)


def test_no_class_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ScalectlError, match="no class folders"):
        load(tmp_path)


@pytest.mark.parametrize("content", [b"", b"not an image"])
def test_a_corrupt_image_is_named(root: Path, content: bytes) -> None:
    (root / "cat" / "broken.png").write_bytes(content)
    with pytest.raises(ScalectlError, match=r"cat/broken\.png cannot be read as an image"):
        load(root)


def test_a_cut_off_image_is_named(root: Path) -> None:
    """Its head is fine, so that only decoding finds out."""
    path = root / "dog" / "cut.png"
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    Image.fromarray(pixels).save(path)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(ScalectlError, match=r"dog/cut\.png cannot be read as an image"):
        load(root)


def test_a_class_that_training_lacks_is_refused(root: Path) -> None:
    for name in ("train/cat", "train/dog", "val/cat", "val/emu"):
        (root / name).mkdir(parents=True)
        Image.new("L", (20, 20), len(name)).save(root / name / "one.png")
    with pytest.raises(ScalectlError, match=r"val/emu is a class that"):
        load(root)


def test_a_picture_in_two_splits_is_trained_on_in_none(tmp_path: Path) -> None:
    """The leak that nobody sees: it stays in the later split, and the card says so."""
    for split, start in (("train", 0), ("val", 5), ("test", 20)):
        for label, name in enumerate(("cat", "dog")):
            (tmp_path / split / name).mkdir(parents=True)
            for index in range(start, start + 10):
                picture = Image.new("RGB", (20, 20), (index, label, 7))
                picture.save(tmp_path / split / name / f"{index}.png")
    card = load(tmp_path).card
    assert card.sizes == {"train": 10, "select": 20, "test": 20}
    assert "10 images" in card.note


def test_every_kind_of_pixel_arrives_as_eight_bits(tmp_path: Path) -> None:
    """Grey, 16 bits, alpha, palette, black and white: as a viewer would show them."""
    wide = Image.fromarray(np.full((20, 20), 40_000, np.uint16))
    clear = Image.new("RGBA", (20, 20), (9, 9, 9, 0))
    kinds = {
        "grey": (Image.new("L", (20, 20), 77), (77, 77, 77)),
        "wide": (wide, (155, 155, 155)),
        "clear": (clear, (255, 255, 255)),
        "palette": (Image.new("RGB", (20, 20), (1, 2, 3)).quantize(), (1, 2, 3)),
        "bitmap": (Image.new("1", (20, 20), 1), (255, 255, 255)),
    }
    for split in ("train", "val", "test"):
        for name, (image, _) in kinds.items():
            (tmp_path / split / name).mkdir(parents=True)
            picture = image.crop((0, 0, 20, 20 - len(split) % 4))
            picture.save(tmp_path / split / name / "one.png")
    images, labels = gather(load(tmp_path).render("train", 10))
    assert images.shape == (5, 10, 10, 3)
    for image, label in zip(images, labels, strict=True):
        expected = kinds[sorted(kinds)[label]][1]
        assert image.reshape(-1, 3).tolist() == [list(expected)] * 100


def test_grey_data_stays_grey(tmp_path: Path) -> None:
    for name, shade in (("cat", 10), ("dog", 200)):
        (tmp_path / name).mkdir()
        for index in range(30):
            Image.new("L", (24, 20), shade + index).save(tmp_path / name / f"{index}.png")
    dataset = load(tmp_path)
    assert gather(dataset.render("select", 12))[0].shape[-1] == 1
    assert dataset.card.native == 20


def test_pictures_are_turned_upright(tmp_path: Path) -> None:
    """A camera's orientation tag is obeyed: here a quarter turn."""
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        for index in range(30):
            pixels = np.zeros((20, 20, 3), np.uint8)
            pixels[:10] = 200 + index
            picture = Image.fromarray(pixels)
            exif = picture.getexif()
            exif[0x0112] = 6
            picture.save(tmp_path / name / f"{index}.png", exif=exif)
            with (tmp_path / name / f"{index}.png").open("ab") as file:
                file.write(name.encode())
    image = next(load(tmp_path).render("train", 20))[0]
    assert image[:, 12:].min() >= 190
    assert image[:, :8].max() == 0


def test_damaged_index_files_are_named(tmp_path: Path) -> None:
    for part in ("train", "t10k"):
        (tmp_path / f"{part}-images-idx3-ubyte").write_bytes(struct.pack(">HBB3I", 0, 8, 3, 9, 28, 28))  # fmt: skip
        (tmp_path / f"{part}-labels-idx1-ubyte").write_bytes(b"")
    with pytest.raises(ScalectlError, match="train-images-idx3-ubyte is damaged"):
        open_dataset(f"fashion_mnist:{tmp_path}", ALL)


def test_data_that_changed_is_noticed(root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Between two trials of one search."""
    from scalectl.data.cache import rendered

    card = load(root).card
    (root / "cat" / "3.png").write_bytes((root / "cat" / "4.png").read_bytes())
    cache = tmp_path_factory.mktemp("cache")
    changed = [split for split in SPLITS if load(root).card.digests[split] != card.digests[split]]
    assert changed
    with pytest.raises(ScalectlError, match="no longer those"):
        rendered(card, changed[0], 16, cache, lambda: load(root))


def test_a_damaged_cache_is_drawn_again(tmp_path: Path) -> None:
    """And gives the same images."""
    from scalectl.data.cache import rendered

    dataset = open_dataset("glyphs", Limits(32, 16, 16))
    first = rendered(dataset.card, "train", 16, tmp_path, lambda: dataset)[0].tobytes()
    (path,) = tmp_path.iterdir()
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    again = rendered(dataset.card, "train", 16, tmp_path, lambda: dataset)[0]
    assert again.tobytes() == first
    assert bytes(content) != path.read_bytes()
