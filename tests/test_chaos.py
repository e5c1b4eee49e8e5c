"""Some seconds of `chaos.py`: searches of one to four commands, killed at random."""

import random
from pathlib import Path

import pytest
from chaos import Tally, torment
from forge import Forge


@pytest.mark.parametrize("part", range(4))
def test_killed_at_random(part: int, forge: Forge, undisturbed: str, tmp_path: Path) -> None:
    """The same command always ends with the same table; no kill costs more than an epoch."""
    tally, start = Tally(), 1000 * part + random.Random(part).randrange(1000)
    while tally.kills < 50:
        seed = start + tally.searches
        torment(forge, tmp_path / str(seed), seed, undisturbed, tally)
    assert tally.violations == 0
