"""What the sentences of a report say, so that none can be read as its opposite."""

import re
from dataclasses import replace

import factories

from scalectl.analysis.preference import Preference
from scalectl.analysis.selection import select
from scalectl.report.prose import in_words
from scalectl.search.results import Results


def choose_another(results: Results) -> Results:
    """The same records, and a preference that takes what is behind by expectation."""
    selection = select(results.searched, Preference(by="closeness", delta=0.1))
    return replace(results, selection=selection)


def test_who_is_ahead_of_whom_is_said_in_words() -> None:
    text = in_words(factories.complete())
    sentence = next(line for line in text.split("\n") if line.startswith("At equal multiply-adds"))
    assert re.search(
        r"it is ahead of depth by \d+\.\d\d \(-?\d+\.\d\d to \d+\.\d\d\), of ", sentence
    )
    assert "behind" not in sentence
    other = in_words(choose_another(factories.complete()))
    sentence = next(line for line in other.split("\n") if line.startswith("At equal multiply-adds"))
    for low, high in re.findall(r"\((-?\d+\.\d\d) to (-?\d+\.\d\d)\)", sentence):
        assert float(low) <= float(high)
    assert re.search(r"; behind \w+ by \d+\.\d\d \(", sentence)


def test_what_the_added_compute_brought_is_said() -> None:
    """And that most of it came to nothing, where it did."""
    results = factories.few()
    baseline = next(each for each in results.summaries if each.candidate.shares is None)
    good, bad = (
        replace(
            results,
            summaries=tuple(
                replace(each, mean_top1=top1) if each is baseline else each
                for each in results.summaries
            ),
        )
        for top1 in (0.01, 0.999)
    )
    assert "has a top-1 of 1.00%" in in_words(good)
    assert "below it" not in in_words(good)
    networks = len(results.summaries) - 1
    assert f"{networks} networks with twice its multiply-adds are below it" in in_words(bad)
    assert f"{networks} networks and the baseline" in in_words(bad)
