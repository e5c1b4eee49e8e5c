"""Which networks the next trainings go to: top-two Thompson sampling (Russo 2016)."""

from collections.abc import Sequence

import numpy as np

from scalectl.analysis.evidence import judge
from scalectl.analysis.posterior import Floats
from scalectl.analysis.preference import Preference
from scalectl.trial import Record


def choose_networks(
    trained: Sequence[Record], preference: Preference, count: int, seed: int
) -> tuple[str, ...]:
    """Return the fingerprints of up to `count` networks to train once more; none if the choice is sure.

    A function of the trainings and the seed alone. `trained` are finished trainings of candidates.
    """
    judgement = judge(trained, preference)
    if judgement.is_identified:
        return ()
    chosen = draw_networks(judgement.means, count, seed)
    return tuple(judgement.networks[number] for number in chosen)


def draw_networks(means: Floats, count: int, seed: int) -> list[int]:
    """Choose up to `count` of the G networks by (C, G) draws of their means.

    Each is the best of a draw or, as often, the best of the next draw that has another best one: so
    the runner-up is trained as often as the leader, which decides between them soonest.
    """
    random = np.random.default_rng(seed)
    leaders: list[int] = random.permutation(means).argmax(axis=1).tolist()
    chosen: dict[int, None] = {}
    while len(chosen) < count and leaders:
        leader = leaders.pop()
        if random.random() < 1 / 2:
            others = (other for other in reversed(leaders) if other != leader)
            leader = next(others, leader)
        chosen.setdefault(leader)
    return list(chosen)
