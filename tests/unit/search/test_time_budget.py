import json
import re
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import pytest
from click.testing import CliRunner, Result
from factories import TINY

from scalectl.arch.baselines.efficientnet import B0
from scalectl.cli import main
from scalectl.errors import ScalectlError
from scalectl.parsing import humanise, parse_duration
from scalectl.search import estimate, resume
from scalectl.search.config import load_config
from scalectl.search.estimate import Choice, choose_plan, recall_plan
from scalectl.search.plan import Plan, make_plan, resize_plan
from scalectl.store.reader import DamagedFile, ReadResult
from scalectl.trial import Record, State

COMMAND = (
    "grid",
    "-o",
    "run",
    "--executor",
    "inline",
    *(part for override in TINY for part in ("--set", override)),
)


def plan_for(seconds: float) -> Plan:
    """Thirteen networks, six of them controls and one the baseline."""
    return make_plan(replace(load_config(None, ["design.degree=3"]), planned_for=seconds), B0)


def choose(seconds: float, records: tuple[Record, ...] = (), most: int | None = None) -> Choice:  # fmt: skip
    """Where each trial takes a second, one after another."""
    return choose_plan(plan_for(seconds), ReadResult(records), len, most)


def describe(plan: Plan) -> tuple[int, int]:
    """Seeds and candidates of a plan in which each candidate is trained equally often."""
    seeds, candidates = plan.config.seeds, plan.enumeration.candidates
    expected = {(candidate.fingerprint, seed) for candidate in candidates for seed in range(seeds)}
    assert {(trial.candidate.fingerprint, trial.seed) for trial in plan.trials} == expected
    assert len(plan.trials) == len(expected)
    return seeds, len(candidates)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("45m", 2700), ("2h", 7200), ("1h30m", 5400), ("1d", 86400), ("1.5h", 5400)],
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "0s", "0h0m", "-2h", "2", "2 h", "h", "30m1h", "2hours", "nan", "1e3s", "٣h"]
)
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match=re.escape(text) or "^$"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.2, "1 second"),
        (47.4, "47 seconds"),
        (431, "7 minutes"),
        (9000, "2.5 hours"),
        (400_000, "4.6 days"),
    ],
)
def test_durations_in_words(seconds: float, text: str) -> None:
    assert humanise(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "seeds", "candidates"),
    [(7, 1, 7), (13, 1, 7), (14, 2, 7), (20, 2, 10), (25.9, 2, 12), (26, 2, 13), (51, 3, 13), (131, 10, 13)],
)  # fmt: skip
def test_the_largest_balanced_plan_is_chosen(seconds: float, seeds: int, candidates: int) -> None:
    """The controls, twice; then more candidates; with all of them, more seeds."""
    choice = choose(seconds)
    assert describe(choice.plan) == (seeds, candidates)
    assert choice.seconds == seeds * candidates <= seconds < (choice.beyond or 0)
    kept = {candidate.control for candidate in choice.plan.enumeration.candidates}
    assert kept >= {"baseline", "depth", "width", "resolution", "dwr", "dWr", "paper"}
    assert len(choice.left_out) == 13 - candidates


def test_more_time_adds_and_takes_nothing_away() -> None:
    previous: set[str] = set()
    for seconds in (7, 14, 15, 20, 25, 26, 39, 60):
        trials = {trial.id for trial in choose(seconds, most=5).plan.trials}
        assert previous <= trials
        previous = trials


def test_no_more_seeds_than_are_asked_for() -> None:
    """With one seed, too, the candidates are thinned."""
    assert describe(choose(1000, most=3).plan) == (3, 13)
    assert choose(1000, most=3).beyond is None
    assert describe(choose(10, most=1).plan) == (1, 10)
    assert describe(choose(1000, most=1).plan) == (1, 13)


def test_what_is_there_costs_nothing_and_stays(records: list[Record]) -> None:
    """Two seeds of all candidates are in the run: a third one is paid alone."""
    there = tuple(records)
    choice = choose(5, there)
    assert (describe(choice.plan), choice.seconds, choice.beyond) == ((2, 13), 0, 13)
    choice = choose(13, there)
    assert (describe(choice.plan), choice.seconds) == ((3, 13), 13)
    assert describe(choose(5, there, most=1).plan) == (2, 13)


def test_what_is_begun_is_ended_first(records: list[Record]) -> None:
    """A part of the second seed is there, and so is a failure, which is tried again."""
    there = tuple(
        record for record in records if record.trial.seed == 0 or record.trial.candidate.control
    )
    failed = replace(there[0], state=State.ERROR, top1=None)
    missing = 26 - len(there) + 1
    begun = (failed, *there[1:])
    choice = choose(missing, begun)
    assert (describe(choice.plan), choice.seconds) == ((2, 13), missing)
    with pytest.raises(ScalectlError, match=f"To end what is begun, 2 seeds of 13 networks, takes about {missing} seconds, more than the --time-budget of 2 seconds"):  # fmt: skip
        choose(2, begun)


def test_too_little_time_is_refused() -> None:
    """And it is said how much the least takes."""
    with pytest.raises(ScalectlError, match="1 seed of 7 networks, takes about 7 seconds"):
        choose(6.9)


def test_a_plan_for_the_same_time_is_recalled(tmp_path: Path) -> None:
    """Whatever the machine would say now; for another time it is not."""
    chosen = resize_plan(plan_for(60), 4, 8)
    resume.claim(chosen, tmp_path / "run")
    recalled = recall_plan(plan_for(60), tmp_path / "run", ReadResult())
    assert recalled
    assert recalled.trials == chosen.trials
    damaged = ReadResult(damaged=(DamagedFile(tmp_path / "run" / "grid.toml", "a bit flipped"),))
    assert recall_plan(plan_for(60), tmp_path / "run", damaged) is None
    assert recall_plan(plan_for(61), tmp_path / "run", ReadResult()) is None
    assert recall_plan(plan_for(60), tmp_path / "elsewhere", ReadResult()) is None
    resume.claim(resize_plan(plan_for(61), 2, 0), tmp_path / "run")


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(main, [*COMMAND, *arguments])


def test_a_time_is_kept_from_the_probe_to_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    """Shown, refused where it is too short, trained, and continued as it was."""
    monkeypatch.chdir(tmp_path)
    long = ("--time-budget", "1d", "--seeds", "2")
    shown = invoke("--dry-run", "--json", *long)
    assert shown.exit_code == 0, shown.stderr
    document = json.loads(shown.stdout)
    assert document["estimated_seconds"] > 0
    assert document["trials"] == 2 * len(document["candidates"])
    assert f"2 seeds of {len(document['candidates'])} candidates" in shown.stderr
    short = invoke("--time-budget", "0.001s")
    assert short.exit_code == 2
    assert "The smallest balanced plan, 1 seed of" in short.stderr
    assert list(tmp_path.iterdir()) == []

    assert invoke("--quiet", *long).exit_code == 0
    trained = json.loads(CliRunner().invoke(main, ["report", "run", "--json"]).stdout)
    assert {candidate["n"] for candidate in trained["candidates"]} == {2}
    assert len(trained["records"]) == document["trials"]
    again = invoke("--quiet", *long)
    assert again.exit_code == 0
    assert "was planned for the same time" in again.stderr
    assert f"{document['trials']} of {document['trials']} trials are in run" in again.stderr
    rest = invoke("--dry-run", "--seeds", "2")
    assert "Nothing is left to train" in rest.stdout
    more = invoke("--dry-run", "--seeds", "3")
    assert "It takes about" in more.stdout
    other = invoke("--time-budget", "1h", "--set", "proxy.epochs=3")
    assert other.exit_code == 2
    assert "holds another search: proxy.epochs is 2 there" in other.stderr
    assert "to see how fast" not in other.stderr


def test_a_dry_run_does_without_a_probe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it fails, the reason is said; where it is not wanted, nothing is trained."""
    monkeypatch.chdir(tmp_path)

    def fail(*_arguments: object) -> NoReturn:
        raise ScalectlError("A training of the probe failed: as invented.")

    with monkeypatch.context() as patch:
        patch.setattr(estimate, "probe", fail)
        failed = invoke("--dry-run", "--json")
    assert failed.exit_code == 0
    assert json.loads(failed.stdout)["estimated_seconds"] is None
    assert "There is no estimate: A training of the probe failed" in failed.stderr
    unwanted = invoke("--dry-run", "--json", "--no-probe")
    assert json.loads(unwanted.stdout)["estimated_seconds"] is None
    assert "to see how fast" not in unwanted.stderr
