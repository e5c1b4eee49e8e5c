import json
from dataclasses import replace
from pathlib import Path
from statistics import fmean, stdev

import invented
import pytest
from test_comparison import confirmed
from test_fidelity import hill, train

from scalectl.comparison import confirm
from scalectl.evidence import Evidence, gather
from scalectl.fidelity import compare_epochs
from scalectl.reports import REPORTS, tabulate
from scalectl.reports.advice import advise
from scalectl.reports.comparison import tabulate_runs
from scalectl.reports.confirmation import COLUMNS
from scalectl.reports.document import document_evidence
from scalectl.reports.verdict import in_words
from scalectl.scaling import NAMED
from scalectl.trial import State

RECORDS = Path(__file__).parents[1] / "grids" / "efficientnet_b0-fashion_mnist.parquet"


@pytest.fixture(scope="module")
def evidence() -> Evidence:
    return gather(RECORDS)


MADE_UP = ("confirmation", "fidelity", "failures")
"""Tables of what the committed records do not hold."""


def top1(evidence: Evidence, control: str) -> list[float]:
    records = sorted(evidence.records, key=lambda one: one.trial.seed)
    return [
        one.top1
        for one in records
        if one.trial.candidate.control == control and one.top1 is not None
    ]


@pytest.mark.parametrize("name", REPORTS)
def test_every_row_fills_every_column(name: str, evidence: Evidence) -> None:
    if name in MADE_UP:
        assert not tabulate(name, evidence).rows
        evidence = invented.complete()
    table = tabulate(name, evidence)
    assert table.name == name
    assert table.rows
    for row in table.rows:
        assert {column.name for column in table.columns} <= row.keys()


def test_the_ranking_is_of_means_over_seeds(evidence: Evidence) -> None:
    rows = tabulate("ranking", evidence).rows
    means = [row["mean_top1"] for row in rows]
    assert means == sorted(means, reverse=True)
    (dwr,) = (row for row in rows if row["candidate"] == "dwr")
    assert dwr["mean_top1"] == pytest.approx(fmean(top1(evidence, "dwr")))
    assert dwr["sd_top1"] == pytest.approx(stdev(top1(evidence, "dwr")))


def test_controls_are_compared_seed_by_seed(evidence: Evidence) -> None:
    rows = {row["control"]: row for row in tabulate("controls", evidence).rows}
    assert rows.keys() >= {"baseline", "depth", "width", "resolution", "dwr", "dWr", "paper"}
    reference = evidence.selection.winner or evidence.selection.argmax
    assert reference is not None
    for control in ("depth", "width"):
        own = [
            one.top1 or 0.0
            for one in sorted(evidence.records, key=lambda one: one.trial.seed)
            if one.trial.candidate.fingerprint == reference.candidate.fingerprint
        ]
        pairs = [a - b for a, b in zip(own, top1(evidence, control), strict=True)]
        assert rows[control]["difference"] == pytest.approx(fmean(pairs))
        assert rows[control]["pairs"] == len(pairs)


def test_nothing_beats_the_frontier(evidence: Evidence) -> None:
    """Every network has one on the frontier that costs no more and is no worse."""
    frontier = tabulate("frontier", evidence).rows
    for one in evidence.summaries:
        assert any(
            row["macs"] <= one.candidate.cost.macs and row["mean_top1"] >= one.mean_top1
            for row in frontier
        )
    assert [row["macs"] for row in frontier] == sorted(row["macs"] for row in frontier)
    assert [row["mean_top1"] for row in frontier] == sorted(row["mean_top1"] for row in frontier)


def test_the_family_is_the_ladder_at_full_size(evidence: Evidence) -> None:
    rows = tabulate("family", evidence).rows
    assert [row["phi"] for row in rows] == [0.5, 1, 2, 3.5, 5, 6, 7]
    assert rows[1]["macs"] > 7e8


def test_records_of_several_machines_are_flagged(evidence: Evidence) -> None:
    """Their last bits may differ, and a reader has to know."""
    assert len(evidence.fingerprints) == 1
    assert "kinds of machines" not in in_words(evidence)
    first, *others = evidence.records
    elsewhere = replace(first, environment={**first.environment, "torch": "3.0.0"})
    mixed = replace(evidence, records=(elsewhere, *others))
    assert "from 2 kinds of machines or versions" in in_words(mixed)
    assert [one["torch"] for one in mixed.fingerprints] == [first.environment["torch"], "3.0.0"]


def test_confirmations_and_longer_trainings_have_their_tables(evidence: Evidence) -> None:
    """The claim and the note are under them."""
    found = replace(
        evidence,
        confirmations=confirm(confirmed(8), NAMED["dwr"]),
        fidelity=compare_epochs(
            [*train("search", hill(0.2), 0.01, 2), *train("fidelity", hill(0.6), 0.01, 1)]
        ),
    )
    first, second = (tabulate(name, found) for name in ("confirmation", "fidelity"))
    assert [row["control"] for row in first.rows] == ["depth", "width"]
    assert all({column.name for column in COLUMNS} <= row.keys() for row in first.rows)
    assert "better than depth" in first.notes[0]
    assert "Confirmation. dwr at phi = 1: better than depth" in in_words(found)
    assert "Fidelity. " in in_words(found)
    longer = [row["longer_top1"] for row in second.rows]
    assert longer == sorted(longer, reverse=True)
    assert "tau" in second.notes[0]
    document = document_evidence(found)
    assert json.loads(json.dumps(document["confirmations"]))[0]["phi"] == 1
    assert len(document["fidelity"]["pairs"]) == len(second.rows)


def test_several_runs_are_compared() -> None:
    """Row by row, whatever they lack."""
    table = tabulate_runs([gather(RECORDS), invented.few(), invented.complete()])
    real, few, complete = table.rows
    assert {column.name for column in table.columns} == real.keys()
    assert [one["status"] for one in table.rows] == ["not_identified"] * 2 + ["identified"]
    assert (real["data"], real["epochs"], real["seeds"]) == ("fashion_mnist", 2, 3)
    assert real["resolution_share"] == pytest.approx(0.64)
    assert few["resolution_share"] is None
    assert complete["macs_spent"] == 39 * 10**12


def test_what_comes_next_follows_from_the_verdict() -> None:
    """Scaling, more seeds, or the end of the search."""
    good, doubtful = invented.complete(), invented.few()
    assert [step.command for step in advise(good, "runs/x")] == [
        "scalectl scale --from runs/x --phi 4"
    ]
    more, balanced = advise(doubtful, "my run")
    assert more.command.startswith("scalectl grid 'my run/grid.toml' -o 'my run'")
    assert more.command.endswith("--seeds 2")
    assert balanced.command == "scalectl scale --from 'my run' --phi 4"
    known = replace(doubtful.selection, seeds_needed=9)
    assert advise(replace(doubtful, selection=known), "x")[0].command.endswith("--seeds 9")
    failed = [replace(one, state=State.DIVERGED, top1=None) for one in doubtful.records]
    (again,) = advise(invented.gathered("x", failed), "x")
    assert "once more" in again.why
