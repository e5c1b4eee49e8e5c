"""A store that a released version wrote stays readable (docs/promises.md, 13).

`python tests/durability/test_golden.py` adds the store of this version; those that are there are never changed.
"""

import json
import re
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from command_server import run_here, search_in
from factories import ROOT

from scalectl.cli import main
from scalectl.store.reader import read_run
from scalectl.store.writer import Store
from scalectl.training import checkpoint
from scalectl.trial import Record, State

GOLDEN = ROOT / "tests" / "golden"
STORES = sorted(GOLDEN.glob("store-*"))


def describe(run: Path) -> dict[str, Any]:
    """What is stored, as `report --json` prints it; not what is made of it."""
    result = CliRunner().invoke(main, ["report", str(run), "--json"])
    assert result.exit_code == 0, result.stderr
    document = json.loads(result.stdout)
    return {key: document[key] for key in ("data", "recipe", "records", "damaged", "fingerprints")}


@pytest.mark.parametrize("folder", STORES, ids=lambda path: path.name)
def test_an_old_store_is_read_as_it_was(folder: Path, tmp_path: Path) -> None:
    """Every value of it, from small and from compact files; and the search goes on."""
    run = tmp_path / "run"
    shutil.copytree(folder / "run", run)
    expected = json.loads((folder / "report.json").read_text())
    assert {record["state"] for record in expected["records"]} == {"done", "diverged", "stalled"}
    document = describe(run)
    for record, old in zip(document["records"], expected["records"], strict=True):
        assert record["stage"] == "search"  # there was nothing else
        assert {key: record[key] for key in old} == old
    assert {**document, "records": [], "recipe": {}} == {**expected, "records": [], "recipe": {}}
    recipe = expected["recipe"]  # parts that came later have their defaults
    assert {key: document["recipe"][key] for key in recipe} == recipe
    for path in (run / "checkpoints").iterdir():
        assert checkpoint.decode(path.read_bytes())["trial"] == path.name
    result = CliRunner().invoke(main, ["grid", str(run / "grid.toml"), "-o", str(run), "--dry-run"])
    assert "net.toml cannot be read" in result.stderr  # the baseline was a file of its own
    store = Store(run)
    assert len(store.list_ended()) == len(expected["records"]) - 1


def test_the_newest_version_has_one() -> None:
    """To be written before it is released."""
    assert GOLDEN / f"store-{find_version()}" in STORES


def find_version() -> str:
    """The first that CHANGELOG names; the package's own is another one between two tags."""
    heading = re.search(
        r"^## \[?(\d+\.\d+\.\d+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE
    )
    assert heading
    return heading[1]


def write() -> None:
    """A search with a compact file, a diverged trial, one that failed, and a checkpoint."""
    target = GOLDEN / f"store-{find_version()}"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        arguments = search_in(folder)
        run_here(arguments, folder)
        store = Store(folder / "run")
        store.compact()
        trials = [record.trial for record in read_run(folder / "run").records]
        wild, asleep = (replace(trial, seed=1) for trial in trials[:2])
        store.write(Record(trial=wild, state=State.DIVERGED, curve=(2.0,), error="not finite"))
        store.write(Record(trial=asleep, state=State.STALLED, error="it took no step"))
        state = {"trial": asleep.id, "environment": {}, "past": {}, "learner": {}}
        (store.checkpoints / asleep.id).write_bytes(checkpoint.encode(state))
        (folder / "run" / "selection.json").unlink()
        for leave in ("cache", "locks"):
            shutil.rmtree(folder / "run" / leave)
        shutil.copytree(folder / "run", target / "run")
        (target / "report.json").write_text(json.dumps(describe(folder / "run"), indent=1) + "\n")


if __name__ == "__main__":
    write()
