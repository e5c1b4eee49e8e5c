import json
from dataclasses import replace
from statistics import fmean, stdev
from typing import Any

import factories
import pytest
from factories import CARD, RECORDS, confirmed, hill_of_depth, train_for

from scalectl.analysis.confirmation import confirm
from scalectl.analysis.fidelity import compare_epochs
from scalectl.arch.scaling import NAMED
from scalectl.report.advice import advise
from scalectl.report.json_document import describe_run
from scalectl.report.prose import in_words
from scalectl.report.tables import Table, tabulate
from scalectl.report.tables.comparison import tabulate_runs
from scalectl.report.tables.confirmation import COLUMNS
from scalectl.search.results import Results, read_results
from scalectl.trial import DataAccount, State


@pytest.fixture(scope="module")
def results() -> Results:
    return read_results(RECORDS)


def top1(results: Results, control: str) -> dict[int, float]:
    """The top-1 of a control in the search, by seed."""
    return {
        record.trial.seed: record.top1
        for record in results.searched
        if record.trial.candidate.control == control and record.top1 is not None
    }


def read(table: Table, column: str) -> list[Any]:
    return [row[column] for row in table.rows]


def test_the_ranking_is_by_what_may_be_lost(results: Results) -> None:
    """The recommended network first, what is far behind last; and means over seeds."""
    ranking = tabulate("ranking", results)
    assert read(ranking, "behind")[0] is None
    behind = [part for part in read(ranking, "behind") if part is not None]
    assert behind == pytest.approx(sorted(behind), abs=1e-9)
    assert behind[0] > 0
    marks = read(ranking, "mark")
    assert "winner" in marks[0]
    assert "ruled out" in marks[len(behind)]
    (dwr,) = (row for row in ranking.rows if row["candidate"] == "dwr")
    assert dwr["mean_top1"] == pytest.approx(fmean(top1(results, "dwr").values()))
    assert dwr["sd_top1"] == pytest.approx(stdev(top1(results, "dwr").values()))


def test_a_balanced_top1_is_shown_where_classes_are_unequal() -> None:
    account = DataAccount(
        images={split: {"cat": 90, "dog": 10} for split in ("train", "select", "test")},
        left_out={},
        smallest=32,
        usual=32,
        channels=3,
        duplicates=0,
        majority=0.9,
        standard_error=0.05,
    )
    assert account.is_unequal
    assert not replace(account, majority=0.55).is_unequal
    records = [
        replace(
            record,
            balanced_top1=0.5,
            trial=replace(record.trial, data=replace(CARD, account=account)),
        )
        for record in factories.few().records
    ]
    for results, shown in ((factories.few(), False), (factories.gathered("few", records), True)):
        ranking = tabulate("ranking", results)
        assert ("mean_balanced_top1" in [column.name for column in ranking.columns]) == shown
    assert set(read(ranking, "mean_balanced_top1")) == {0.5}
    # A network that always answers "cat" has a top-1 of 90 %.
    assert "These trainings cannot tell: the highest top-1 is" in in_words(results)
    assert "cannot tell" not in in_words(factories.few())


def test_controls_are_compared_seed_by_seed(results: Results) -> None:
    rows = {row["control"]: row for row in tabulate("controls", results).rows}
    assert rows.keys() >= {"baseline", "depth", "width", "resolution", "dwr", "dWr", "paper"}
    reference = results.selection.network
    assert reference is not None
    own = {
        record.trial.seed: record.top1 or 0.0
        for record in results.searched
        if record.trial.candidate.fingerprint == reference.candidate.fingerprint
    }
    for control in ("depth", "width"):
        theirs = top1(results, control)
        assert 2 <= len(theirs) < len(own)
        pairs = [own[seed] - theirs[seed] for seed in theirs]
        assert rows[control]["difference"] == pytest.approx(fmean(pairs))
        assert rows[control]["pairs"] == len(pairs)


def test_nothing_beats_the_frontier(results: Results) -> None:
    """Every network has one on the frontier that costs no more and is no worse."""
    frontier = tabulate("frontier", results)
    macs, means = read(frontier, "macs"), read(frontier, "mean_top1")
    for summary in results.summaries:
        assert any(
            cost <= summary.candidate.cost.macs and mean >= summary.mean_top1
            for cost, mean in zip(macs, means, strict=True)
        )
    assert macs == sorted(macs)
    assert means == sorted(means)


def test_the_family_is_the_ladder_at_full_size(results: Results) -> None:
    family = tabulate("family", results)
    assert read(family, "phi") == [0.5, 1, 2, 3.5, 5, 6, 7]
    assert read(family, "macs")[1] > 7e8


def test_records_of_several_machines_are_flagged(results: Results) -> None:
    """Their last bits may differ, and a reader has to know."""
    assert len(results.fingerprints) == 1
    assert "kinds of machines" not in in_words(results)
    first, *others = results.records
    elsewhere = replace(first, environment={**first.environment, "torch": "3.0.0"})
    mixed = replace(results, records=(elsewhere, *others))
    assert "from 2 kinds of machines or versions" in in_words(mixed)
    assert [environment["torch"] for environment in mixed.fingerprints] == [
        first.environment["torch"],
        "3.0.0",
    ]


def test_confirmations_and_longer_trainings_have_their_tables(results: Results) -> None:
    """The claim and the note are under them."""
    whole = replace(
        results,
        confirmations=confirm(confirmed(8), NAMED["dwr"]),
        fidelity=compare_epochs(
            [
                *train_for("search", hill_of_depth(0.2), 0.01, 2),
                *train_for("fidelity", hill_of_depth(0.6), 0.01, 1),
            ]
        ),
    )
    first, second = (tabulate(name, whole) for name in ("confirmation", "fidelity"))
    assert [row["control"] for row in first.rows] == ["depth", "width"]
    assert all({column.name for column in COLUMNS} <= row.keys() for row in first.rows)
    assert "better than depth" in first.notes[0]
    assert "Confirmation. dwr at phi = 1, 8 seeds: in top-1 better than depth" in in_words(whole)
    assert "Fidelity. " in in_words(whole)
    longer = read(second, "longer_top1")
    assert longer == sorted(longer, reverse=True)
    assert "tau" in second.notes[0]
    document = describe_run(whole)
    assert json.loads(json.dumps(document["confirmations"]))[0]["phi"] == 1
    assert len(document["fidelity"]["pairs"]) == len(second.rows)


def test_several_runs_are_compared() -> None:
    """Row by row, whatever they lack."""
    table = tabulate_runs([read_results(RECORDS), factories.few(), factories.complete()])
    real, few, complete = table.rows
    assert {column.name for column in table.columns} == real.keys()
    assert [row["status"] for row in table.rows] == ["identified", "not_identified", "identified"]
    assert (real["data"], real["epochs"], real["seeds"]) == ("fashion_mnist", 2, 4)
    assert real["resolution_share"] == pytest.approx(1)
    assert few["regret"] is None
    assert complete["macs_spent"] == 39 * 10**12


def embed(results: Results) -> Results:
    """The same, of the embedded images."""
    trial = replace(results.records[0].trial, data=replace(CARD, name="glyphs"))
    return replace(results, records=(replace(results.records[0], trial=trial),))


def test_what_comes_next_follows_from_the_verdict() -> None:
    """Scaling, more seeds, or the end of the search."""
    good, doubtful = factories.complete(), factories.few()
    assert [step.command for step in advise(good, "runs/x")] == [
        "scalectl scale --from runs/x --phi 4"
    ]
    more, *_ = advise(doubtful, "my run")
    assert more.command == (
        "scalectl grid 'my run/grid.toml' --data simulated:PATH -o 'my run' --seeds 2"
    )
    assert more.why.endswith("PATH is where its images are.")
    known, *_ = advise(doubtful, "my run", "folder:/data")
    assert "--data folder:/data -o" in known.command
    assert "PATH" not in known.why
    doubtful, good = (embed(results) for results in (doubtful, good))
    more, balanced, longer = advise(doubtful, "my run")
    assert more.command.startswith("scalectl grid 'my run/grid.toml' -o 'my run'")
    assert more.command.endswith("--seeds 2")
    assert balanced.command == "scalectl scale --from 'my run' --phi 4"
    # Some networks are below the baseline, which has half of their multiply-adds.
    assert longer.command.endswith("'my run/grid.toml' -o 'my run' --set fidelity.seeds=1")
    assert advise(doubtful, "one.parquet")[0].command == ""
    unsure = replace(good.selection, status="not_identified", trainings_needed=26)
    assert advise(replace(good, selection=unsure), "x")[0].command.endswith("--seeds 6")
    (records, _) = advise(replace(good, selection=unsure), "one.parquet")
    assert records.why.endswith("Run the command that made it again, with --seeds 6.")
    failed = [replace(record, state=State.DIVERGED, top1=None) for record in doubtful.records]
    (again,) = advise(factories.gathered("x", failed), "x")
    assert "once more" in again.why


@pytest.mark.parametrize("why", ["alike", "chance"])
def test_what_tells_nothing_is_trained_longer_and_not_scaled(why: str) -> None:
    """Into a folder of its own, since a run has one recipe; then with more seeds."""
    results = factories.complete()
    evidence = results.selection.evidence
    assert evidence is not None
    if why == "alike":
        evidence = replace(evidence, noise=replace(evidence.noise, networks_p=0.6))
    else:
        summaries = tuple(replace(each, mean_top1=0.06) for each in results.summaries)
        results = replace(results, summaries=summaries)
    selection = replace(results.selection, status="not_identified", evidence=evidence)
    results = replace(results, selection=selection)
    epochs = results.records[0].trial.recipe.epochs
    longer, seeds = advise(results, "runs/x", "folder:photos of mine")
    assert longer.command == (
        f"scalectl grid runs/x/grid.toml --data 'folder:photos of mine' -o runs/x-longer "
        f"--set proxy.epochs={2 * epochs}"
    )
    assert seeds.command.endswith("-o runs/x --seeds 8")
    images = 2 * results.records[0].trial.data.sizes["train"]
    drawn, _ = advise(embed(results), "runs/x")
    assert drawn.command.endswith(f"--set proxy.train_images={images}")
