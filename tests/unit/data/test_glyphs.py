import numpy as np
import pytest
from factories import gather

from scalectl.data import SPLITS, open_dataset
from scalectl.data import glyphs as module
from scalectl.trial import Limits

LIMITS = Limits(160, 160, 160)
DATASET = open_dataset("glyphs", LIMITS)


def test_resolution_carries_information() -> None:
    """Twice the pixels are not the small picture enlarged: they hold detail of their own."""
    small, _ = gather(DATASET.render("train", 36))
    large, _ = gather(DATASET.render("train", 72))
    enlarged = small.repeat(2, axis=1).repeat(2, axis=2)
    detail = np.abs(large.astype(float) - enlarged).mean()
    assert detail > 5
    shrunk = large.reshape(160, 36, 2, 36, 2, 1).mean(axis=(2, 4))
    assert np.corrcoef(shrunk.ravel(), small.ravel())[0, 1] > 0.9


def test_a_larger_split_begins_with_the_smaller_one() -> None:
    """Whatever number of images is composed at once."""
    few = gather(open_dataset("glyphs", Limits(16, 16, 16)).render("select", 24))[0]
    many = gather(DATASET.render("select", 24))[0]
    assert np.array_equal(few, many[:16])
    assert len({image.tobytes() for image in many}) == len(many)


def test_classes_can_be_told_from_one_another() -> None:
    """The nearest mean of the training images is right more than twice as often as chance."""
    dataset = open_dataset("glyphs", Limits(1600, 640, 16))
    images, labels = gather(dataset.render("train", 36))
    others, truth = gather(dataset.render("select", 36))
    flat, unseen = (
        part.reshape(len(part), -1) - part.mean(axis=(1, 2, 3))[:, None]
        for part in (images, others)
    )
    means = np.stack([flat[labels == label].mean(axis=0) for label in range(16)])
    scores = unseen @ (means - means.mean(axis=0)).T
    assert np.mean(scores.argmax(axis=1) == truth) > 2 / 16


def test_characters_are_darker_than_their_paper() -> None:
    """No picture is blank, and none inverted."""
    images, _ = gather(DATASET.render("test", 37))
    values = images.reshape(len(images), -1)
    assert (np.median(values, axis=1) > 120).all()
    assert (values.min(axis=1) < 120).all()


def test_images_drawn_in_another_way_are_other_data(monkeypatch: pytest.MonkeyPatch) -> None:
    """So a run of them is not continued with these."""
    now = DATASET.card.digests
    monkeypatch.setattr(module, "_VERSION", module._VERSION - 1)
    other = open_dataset("glyphs", LIMITS).card.digests
    assert all(other[split] != now[split] for split in SPLITS)


def test_it_calls_itself_a_demo() -> None:
    assert "demo proxy" in DATASET.card.note
