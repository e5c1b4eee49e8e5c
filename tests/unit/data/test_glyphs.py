import numpy as np
from factories import gather

from scalectl.data import open_dataset
from scalectl.data.glyphs import _FONTS
from scalectl.trial import Limits

DATASET = open_dataset("glyphs", Limits(160, 160, 160))


def test_fonts_of_one_split_are_in_no_other() -> None:
    used = [set(fonts) for fonts in _FONTS.values()]
    assert len(set.union(*used)) == sum(map(len, used))


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
    """Images are seeded one by one."""
    few = gather(open_dataset("glyphs", Limits(16, 16, 16)).render("select", 24))[0]
    many = gather(DATASET.render("select", 24))[0]
    assert np.array_equal(few, many[:16])


def test_it_calls_itself_a_demo() -> None:
    assert "demo proxy" in DATASET.card.note
