"""Searches that are not over: what is there, what is missing, and what changes (`report --watch`)."""

import json
import os
import pty
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from command_server import TRIALS, CommandServer, search_in

from scalectl.analysis.summaries import summarise
from scalectl.cli import main
from scalectl.report.prose import in_words
from scalectl.search.results import read_results


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


@pytest.fixture(scope="module")
def finished(server: CommandServer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small search that was really run."""
    folder = tmp_path_factory.mktemp("followed")
    assert server.run(search_in(folder), folder) == 0
    return folder / "run"


@pytest.fixture
def unfinished(finished: Path, tmp_path: Path) -> tuple[Path, Path]:
    """The same, and one of its records at another place."""
    run, aside = tmp_path / "run", tmp_path / "aside.parquet"
    shutil.copytree(finished, run)
    shutil.move(max((run / "trials").iterdir()), aside)
    return run, aside


def test_how_much_is_over_is_known_without_the_images(
    finished: Path, unfinished: tuple[Path, Path]
) -> None:
    """By trial, not only by number."""
    run, aside = unfinished
    assert "Unfinished" not in invoke("report", str(finished)).stdout
    assert f"Unfinished: {TRIALS - 1} of {TRIALS} trials are over" in invoke("report", str(run)).stdout  # fmt: skip
    document = json.loads(invoke("report", str(run), "--json").stdout)
    assert document["planned"] == TRIALS
    (missing,) = document["missing"]
    (lost,) = read_results(aside).records
    assert missing == {"fingerprint": lost.trial.candidate.fingerprint, "seed": lost.trial.seed}
    assert json.loads(invoke("report", str(aside), "--json").stdout)["planned"] is None


def test_without_a_plan_nothing_is_invented(finished: Path, unfinished: tuple[Path, Path]) -> None:
    """A store of an older version: all that is said is which networks have fewer trainings."""
    run, _ = unfinished
    (run / "plan.json").unlink()
    results = read_results(run)
    assert results.outlook is None
    assert json.loads(invoke("report", str(run), "--json").stdout)["planned"] is None
    more = [
        replace(record, trial=replace(record.trial, seed=1))
        for record in read_results(finished).records
    ]
    records = (*results.records, *more)
    mixed = replace(results, records=records, summaries=summarise(records))
    assert "The networks have 1 to 2 trainings each, of an adaptive search or" in in_words(mixed)


def test_a_damaged_plan_is_named_and_made_again(
    server: CommandServer, finished: Path, tmp_path: Path
) -> None:
    """It is not believed, though it still reads."""
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    whole = (run / "plan.json").read_text()
    (run / "plan.json").write_text(whole.replace('"seed": 0', '"seed": 7', 1))
    result = invoke("report", str(run), "--json")
    assert result.exit_code == 3
    document = json.loads(result.stdout)
    assert document["planned"] is None
    assert [Path(file["path"]).name for file in document["damaged"]] == ["plan.json"]
    assert server.run(search_in(tmp_path), tmp_path) == 0
    assert (run / "plan.json").read_text() == whole
    assert [path.name for path in (run / "quarantine").glob("plan.json.1")] == ["plan.json.1"]


@contextmanager
def watching(run: Path, *more: str, stream: int = subprocess.PIPE) -> Iterator[subprocess.Popen[str]]:  # fmt: skip
    command = [sys.executable, "-m", "scalectl", "report", str(run), "--watch", *more]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stream, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_a_search_is_followed_to_its_end(unfinished: tuple[Path, Path], tmp_path: Path) -> None:
    """A line for each change, the page with them; in the end the usual report."""
    run, aside = unfinished
    page = tmp_path / "page.html"
    with watching(run, "--html", str(page)) as process:
        assert process.stderr
        assert process.stdout
        assert f"run: {TRIALS - 1} of {TRIALS} trials, 0 failed." in process.stderr.readline()
        shutil.move(aside, run / "trials" / f"{read_results(aside).records[0].trial.id}.parquet")
        assert f"run: {TRIALS} of {TRIALS} trials, 0 failed." in process.stderr.readline()
        assert "NOT IDENTIFIED" in process.stdout.read()
        assert process.wait() == 0
    assert "Unfinished" not in page.read_text()


def test_following_ends_with_ctrl_c(unfinished: tuple[Path, Path]) -> None:
    """On a terminal too, where the report is redrawn."""
    run, _ = unfinished
    ours, theirs = pty.openpty()
    with watching(run, stream=theirs) as process:
        os.close(theirs)
        seen = ""
        while f"{TRIALS - 1} of {TRIALS} trials" not in seen:
            seen += os.read(ours, 4096).decode(errors="replace")
        process.send_signal(signal.SIGINT)
        while True:
            try:
                more = os.read(ours, 4096)
            except OSError:  # its end, on Linux
                break
            if not more:
                break
            seen += more.decode(errors="replace")
        assert process.wait() == 130
    assert "Interrupted." in seen
    os.close(ours)


def test_a_run_that_has_not_begun_is_waited_for(unfinished: tuple[Path, Path]) -> None:
    """As long as it is one."""
    run, aside = unfinished
    held = run.parent / "held"
    shutil.move(run / "trials", held)
    (run / "trials").mkdir()
    with watching(run) as process:
        assert process.stderr
        assert process.stderr.readline() == "No trial is over yet.\n"
        shutil.rmtree(run / "trials")
        shutil.move(held, run / "trials")
        assert "trials, 0 failed" in process.stderr.readline()
    for path, message in ((aside, "is a file"), (run.parent / "missing", "There is no")):
        result = invoke("report", str(path), "--watch")
        assert result.exit_code == 2
        assert message in result.stderr
