"""Brief against longer trainings, on invented results."""

import math
from dataclasses import replace

import pytest
from factories import SHAPES, hill_of_depth, train_for

from scalectl.analysis.fidelity import compare_epochs
from scalectl.trial import State


def test_the_same_order_and_how_the_best_moves() -> None:
    """The best depth moves from .2 to .6; what noise leaves of the order is below 1."""
    brief, longer = (
        train_for("search", hill_of_depth(0.2), 0.01, 2),
        train_for("fidelity", hill_of_depth(0.6), 0.01, 1),
    )
    fidelity = compare_epochs([*brief, *longer])
    assert fidelity
    assert (fidelity.epochs, fidelity.longer, len(fidelity.pairs)) == (4, 12, len(SHAPES))
    assert fidelity.shares
    assert fidelity.longer_shares
    assert fidelity.longer_shares.depth - fidelity.shares.depth == pytest.approx(0.4, abs=0.1)
    assert fidelity.ceiling is not None
    assert 0 < fidelity.ceiling < 1
    assert "depth moves by +0." in fidelity.note


def test_tau_counts_the_pairs_that_agree() -> None:
    """By its definition, without ties; and its interval by Fieller's variance."""
    brief, longer = (
        train_for("search", hill_of_depth(0.2), 0.02, 1),
        train_for("fidelity", hill_of_depth(0.3), 0.02, 1),
    )
    fidelity = compare_epochs([*brief, *longer])
    assert fidelity
    short, long = ([record.top1 or 0.0 for record in records] for records in (brief, longer))
    count = len(short)
    signs = [
        math.copysign(1, (short[i] - short[j]) * (long[i] - long[j]))
        for i in range(count)
        for j in range(i)
    ]
    tau = sum(signs) / len(signs)
    assert fidelity.tau == pytest.approx(tau)
    reach = 1.96 * (0.437 / (count - 4)) ** 0.5
    assert fidelity.interval[1] == pytest.approx(math.tanh(math.atanh(tau) + reach))
    assert fidelity.ceiling is None


def test_few_or_unfinished_ones_say_nothing() -> None:
    brief, longer = (
        train_for("search", hill_of_depth(0.2), 0.02, 1),
        train_for("fidelity", hill_of_depth(0.3), 0.02, 1),
    )
    assert compare_epochs(brief) is None
    assert compare_epochs([*brief, *longer[:4]]) is None
    broken = [replace(record, state=State.KILLED, top1=None) for record in longer]
    assert compare_epochs([*brief, *broken]) is None


def test_an_order_of_nothing_is_none() -> None:
    """Where all longer trainings end the same."""
    longer = train_for("fidelity", [0.5] * len(SHAPES), 0.0, 1)
    fidelity = compare_epochs([*train_for("search", hill_of_depth(0.2), 0.0, 1), *longer])
    assert fidelity
    assert fidelity.tau == 0
    assert fidelity.note.startswith("It is not shown")
