import json
import os
import struct
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from factories import TINY, flip, gather
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from scalectl.cli import main
from scalectl.data import SPLITS, Dataset, open_dataset, remembered
from scalectl.errors import ScalectlError
from scalectl.trial import DataAccount, Limits

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
    with pytest.raises(ScalectlError, match=r"emu has no images.*HEIC"):
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
    content = flip(path.read_bytes(), path.stat().st_size // 2)
    path.write_bytes(content)
    again = rendered(dataset.card, "train", 16, tmp_path, lambda: dataset)[0]
    assert again.tobytes() == first
    assert content != path.read_bytes()


def draw(path: Path, shade: int, side: int = 20) -> None:
    """Save one picture, in a shade of its own."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (side, side), (shade % 256, shade // 256, 7)).save(path)


def draw_splits(root: Path, *splits: str, count: int = 12) -> None:
    for number, split in enumerate(splits):
        for label, name in enumerate(("cat", "dog")):
            for index in range(count):
                shade = (2 * number + label) * count + index
                draw(root / split / name / f"{index}.png", shade)


def give_account(spec: str | Path, limits: Limits = ALL) -> DataAccount:
    account = open_dataset(f"folder:{spec}", limits).card.account
    assert account
    return account


@pytest.mark.parametrize(
    "names", [("Training", "Valid", "Testing"), ("TRAIN", "Dev", "test"), ("train", "val", "Test")]
)
def test_splits_are_known_by_their_usual_names(names: tuple[str, ...], tmp_path: Path) -> None:
    draw_splits(tmp_path, *names)
    draw(tmp_path / "extra" / "0.png", 0)
    account = give_account(tmp_path)
    assert account.images == {split: {"cat": 12, "dog": 12} for split in SPLITS}
    assert account.left_out == {"folders beside the splits: extra": 1}


@pytest.mark.parametrize(
    ("folders", "message"),
    [
        (("fold1/cat", "fold1/dog", "fold2/cat", "fold2/dog"), "fold1, fold2 are hardly classes"),
        (("val/cat", "val/dog", "test/cat", "test/dog"), "none to train on"),
        (("train", "test"), "train has no class folders"),
        (("Train/cat", "train/cat", "val/cat"), "two folders for the train split"),
        (("flowers/rose", "flowers/tulip"), "did you mean folder:.*flowers"),
    ],
)
def test_a_folder_that_is_laid_out_otherwise_is_refused(
    folders: tuple[str, ...], message: str, tmp_path: Path
) -> None:
    for shade, folder in enumerate(folders):
        draw(tmp_path / folder / "0.png", shade)
    with pytest.raises(ScalectlError, match=message):
        give_account(tmp_path)


def test_a_class_may_be_called_train(tmp_path: Path) -> None:
    for label, name in enumerate(("bus", "train")):
        for index in range(30):
            draw(tmp_path / name / f"{index}.png", 30 * label + index)
    assert list(give_account(tmp_path).images["train"]) == ["bus", "train"]


def test_links_to_folders_are_followed_and_loops_refused(root: Path) -> None:
    (root.parent / f"{root.name}-other").mkdir()
    for index in range(5):
        draw(root.parent / f"{root.name}-other" / f"{index}.png", 500 + index)
    (root / "cat" / "more").symlink_to(root.parent / f"{root.name}-other")
    (root / "cat" / "gone.png").symlink_to(root / "nowhere.png")
    account = give_account(root)
    assert sum(counts["cat"] for counts in account.images.values()) == 35
    assert account.left_out == {"links to nothing": 1}
    (root / "cat" / "loop").symlink_to(root)
    with pytest.raises(ScalectlError, match=r"cat/loop is a link to a folder that it is in"):
        give_account(root)


def test_what_is_no_image_is_counted_and_other_formats_are_read(root: Path) -> None:
    for index, suffix in enumerate(("jfif", "JPE", "tga", "ico", "jp2")):
        kind = {"jfif": "jpeg", "JPE": "jpeg", "jp2": "jpeg2000"}.get(suffix, suffix)
        picture = Image.new("RGB", (32, 32), (index, 200, 200))
        picture.save(root / "cat" / f"x.{suffix}", kind)
    (root / "cat" / "._0.png").write_bytes(b"Mac OS X")
    (root / "dog" / ".ipynb_checkpoints").mkdir()
    (root / "dog" / ".ipynb_checkpoints" / "0.png").write_bytes(b"")
    (root / "__MACOSX").mkdir()
    (root / "dog" / "labels.txt").write_text("dog")
    account = give_account(root)
    assert sum(counts["cat"] for counts in account.images.values()) == 35
    assert account.left_out == {
        "hidden or of an operating system": 2,
        "not of a kind that Pillow opens (.txt)": 1,
    }


def test_all_bad_images_are_named_at_once_or_left_out(root: Path) -> None:
    for index in range(3):
        (root / "cat" / f"bad{index}.jpg").write_bytes(b"no image")
    with pytest.raises(ScalectlError, match=r"3 files .*bad0\.jpg, bad1\.jpg, bad2\.jpg") as caught:
        give_account(root)
    assert "proxy.skip_bad_images=true" in caught.value.hint
    before = open_dataset(f"folder:{root}", Limits(0, 0, 0, skip_bad_images=True)).card
    assert before.account
    assert before.account.left_out == {"cannot be read": 3}
    for index in range(3):
        (root / "cat" / f"bad{index}.jpg").unlink()
    assert load(root).card.digests == before.digests


def test_names_of_any_bytes_work(tmp_path: Path) -> None:
    """And one name that is written in two ways in Unicode is one class."""
    draw_splits(tmp_path, "train", "val", "test")
    for split, written in (("train", "Caf\u00e9"), ("val", "Cafe\u0301"), ("test", "Caf\u00e9")):
        (tmp_path / split / "cat").rename(tmp_path / split / written)
        try:
            (tmp_path / split / "dog").rename(tmp_path / split / os.fsdecode(b"d\xff"))
        except OSError:
            pytest.skip("this file system has names in UTF-8 alone")
    assert give_account(tmp_path).images["select"] == {"Caf\u00e9": 12, r"d\udcff": 12}


def test_a_class_missing_in_val_is_a_warning(tmp_path: Path) -> None:
    draw_splits(tmp_path, "train", "val", "test")
    for path in (tmp_path / "val" / "dog").iterdir():
        path.unlink()
    (tmp_path / "val" / "dog").rmdir()
    account = give_account(tmp_path)
    assert account.images["select"] == {"cat": 12, "dog": 0}
    assert "The select split has no image of dog." in account.warnings


def test_the_native_size_is_one_that_nearly_all_images_have(root: Path) -> None:
    draw(root / "cat" / "small.png", 999, side=5)
    dataset = open_dataset(f"folder:{root}", ALL)
    account = dataset.card.account
    assert account
    assert (dataset.card.native, account.smallest, account.usual) == (20, 5, 20)
    (warning,) = [text for text in account.warnings if "are smaller" in text]
    assert "1 of 61" in warning
    assert "cat/small.png" in warning
    assert "proxy.skip_small_images=true" in warning


@pytest.mark.parametrize("limit", [0, 10])
def test_small_images_are_left_out_where_the_user_says_so(root: Path, limit: int) -> None:
    """Others take their places; the data are those of a folder without them."""
    limits = Limits(limit, limit, limit, skip_small_images=True)
    without = open_dataset(f"folder:{root}", limits).card
    for number in range(40):  # until a small one is among those that are used
        draw(root / "cat" / "small.png", 900 + number, side=5)
        card = open_dataset(f"folder:{root}", limits).card
        assert card.account
        assert card.digests == without.digests
        assert (card.native, card.account.smallest) == (20, 20)
        if "smaller than 20 px" in card.account.left_out:
            break
    assert card.account
    assert card.account.left_out["smaller than 20 px"] == 1
    assert not [text for text in card.account.warnings if "are smaller" in text]


def test_unequal_classes_and_few_images_are_warned_of(tmp_path: Path) -> None:
    draw_splits(tmp_path, "train", "val", "test")
    for index in range(100):
        draw(tmp_path / "val" / "cat" / f"more{index}.png", 1000 + index)
    account = give_account(tmp_path)
    assert account.majority == 112 / 124
    assert account.standard_error == pytest.approx(0.5 / 124**0.5)
    text = " ".join(account.warnings)
    assert "always answering cat has a top-1 of 90.3 %" in text
    assert "124 images: the standard error of a top-1 is up to 4.5 points" in text


def test_a_path_may_begin_at_home(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(root.parent))
    assert give_account(f"~/{root.name}") == give_account(root)


def test_unchanged_images_are_remembered(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By path, size and times; a change is noticed, and so is a damaged memory."""
    monkeypatch.setattr(remembered, "_SETTLED", -60)
    before = load(root).card
    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", forbid_images(Path.read_bytes))
        patch.setattr(Image, "open", forbid_images(Image.open))
        assert load(root).card == before
    draw(root / "cat" / "3.png", 777)
    assert load(root).card.digests != before.digests


def forbid_images(read: Callable[[Path], Any]) -> Callable[[Path], Any]:
    def read_others(path: Path) -> Any:
        assert path.suffix != ".png"
        return read(path)

    return read_others


def test_a_cache_file_under_anothers_name_is_drawn_again(tmp_path: Path) -> None:
    from scalectl.data.cache import rendered

    dataset = open_dataset("glyphs", Limits(16, 16, 16))
    train = rendered(dataset.card, "train", 16, tmp_path, lambda: dataset)[0].tobytes()
    (path,) = tmp_path.iterdir()
    select = rendered(dataset.card, "select", 16, tmp_path, lambda: dataset)[0].tobytes()
    (other,) = set(tmp_path.iterdir()) - {path}
    path.write_bytes(other.read_bytes())
    assert rendered(dataset.card, "train", 16, tmp_path, lambda: dataset)[0].tobytes() == train
    assert select != train


def test_a_plan_tells_of_its_data(tmp_path: Path) -> None:
    """On stderr and as JSON; ten images to choose by are the least."""
    draw_splits(tmp_path, "train", "val", "test")
    few = ["grid", "--data", f"folder:{tmp_path}", "--dry-run", "--no-probe"]
    few += ["--set", "proxy.allow_upsampling=true"]
    few += [text for field in TINY for text in ("--set", field)]
    result = CliRunner().invoke(main, [*few, "--set", "proxy.select_images=10", "--json"])
    assert result.exit_code == 0, result.stderr
    assert "select 10: cat 5, dog 5" in result.stderr
    account = json.loads(result.stdout)["account"]
    assert account["images"]["select"] == {"cat": 5, "dog": 5}
    result = CliRunner().invoke(main, [*few, "--set", "proxy.select_images=9"])
    assert result.exit_code == 2
    assert "9 images to choose by" in result.stderr


@settings(max_examples=15, deadline=None)
@given(
    tree=st.dictionaries(
        st.sampled_from(["ant", "Bee", "caf\u00e9", "d e", "10"]),
        st.lists(
            st.tuples(st.booleans(), st.sampled_from(["png", "JPG", "bmp", "txt"])), max_size=6
        ),
        min_size=2,
    )
)
def test_the_account_is_that_of_other_readers(tree: dict[str, list[tuple[bool, str]]]) -> None:
    """Classes and images of any tree are torchvision's, and their number is timm's."""
    datasets = pytest.importorskip("torchvision.datasets")
    from timm.data.readers.reader_image_folder import ReaderImageFolder

    with tempfile.TemporaryDirectory() as name:
        shades = iter(range(10_000))
        for split in ("train", "val", "test"):
            for label, files in tree.items():
                draw(Path(name) / split / label / "0.png", next(shades))
                for number, (nested, suffix) in enumerate(files):
                    folder = Path(name) / split / label / ("more" if nested else "")
                    draw(folder / f"x{number}.png", next(shades))
                    (folder / f"x{number}.png").rename(folder / f"x{number}.{suffix}")
        account = give_account(name)
        theirs = datasets.ImageFolder(Path(name) / "train")
        counts = Counter(theirs.classes[label] for label in theirs.targets)
        assert account.images["train"] == counts
        assert list(account.images["train"]) == theirs.classes
        timms = ReaderImageFolder(str(Path(name) / "train"))
        assert len(timms) == sum(not path.endswith(".bmp") for path, _ in theirs.samples)
        texts = 3 * sum(suffix == "txt" for files in tree.values() for _, suffix in files)
        assert account.left_out.get("not of a kind that Pillow opens (.txt)", 0) == texts
