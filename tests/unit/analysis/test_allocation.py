"""Where further trainings go, on invented results."""

from typing import get_args

import numpy as np
import pytest
from factories import CANDIDATES, hill, simulate

from scalectl.analysis.allocation import choose_networks, draw_networks
from scalectl.analysis.preference import By, Preference
from scalectl.analysis.selection import select

NAMES = {candidate.fingerprint for candidate in CANDIDATES}


def test_leader_and_runner_up_are_trained() -> None:
    """Not what is behind in every draw, and never one network twice."""
    means = np.random.default_rng(0).normal([1.0, 0.95, 0.9, -5.0], 0.1, (500, 4))
    chosen = [draw_networks(means, 2, seed) for seed in range(200)]
    counts = np.bincount([number for pair in chosen for number in pair], minlength=4)
    assert counts[3] == 0
    assert (counts[:3] >= 40).all()
    assert all(len(set(pair)) == len(pair) == 2 for pair in chosen)
    assert draw_networks(means, 2, 7) == draw_networks(means, 2, 7)
    assert draw_networks(means, 1, 7) == draw_networks(means, 3, 7)[:1]


def test_a_certain_leader_is_compared_with_nobody() -> None:
    means = np.random.default_rng(0).normal([1.0, 0.0], 0.01, (500, 2))
    assert draw_networks(means, 2, 0) == [0]


def test_a_clear_search_needs_no_more() -> None:
    clear, noisy = simulate(hill, 0.0005, 0), simulate(hill, 0.02, 0)
    assert choose_networks(clear, Preference(delta=0.002), 4, 2) == ()
    chosen = choose_networks(noisy, Preference(delta=0.002), 4, 2)
    assert 1 <= len(chosen) <= 4
    assert set(chosen) <= NAMES
    assert chosen == choose_networks(noisy, Preference(delta=0.002), 4, 2)


@pytest.mark.parametrize("by", get_args(By))
def test_a_search_stops_exactly_when_its_report_says_identified(by: By) -> None:
    """Whatever decides among equals, and however near to 95 % the choice is."""
    preference = Preference(delta=0.004, by=by)
    verdicts = []
    for number in range(24):
        records = simulate(hill, 0.002 + number / 4000, number, seeds=2)
        selection = select(records, preference)
        verdicts.append(selection.status)
        assert (choose_networks(records, preference, 4, 2) == ()) == (
            selection.status == "identified"
        )
        assert selection.standing
        assert (selection.standing.chance_within >= 0.95) == (selection.status == "identified")
    assert set(verdicts) == {"identified", "not_identified"}
