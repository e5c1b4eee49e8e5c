"""Flipped bits, cut files and lost files of any kind, and clocks that jump (docs/promises.md, 6, 14)."""

import json
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from command_server import CommandServer, search_in, table
from factories import flip

from scalectl.cli import main
from scalectl.store.reader import read_run
from scalectl.store.writer import Store


@pytest.fixture(scope="module")
def unfinished(server: CommandServer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A search that was killed in its third trial: it has files of every kind."""
    folder = tmp_path_factory.mktemp("unfinished")
    run, arguments = folder / "run", search_in(folder)
    assert server.run(arguments, folder) == 0
    selection = (run / "selection.json").read_bytes()
    for number in range(120, 200, 7):
        shutil.rmtree(run)
        assert server.run(arguments, folder, fault=("kill", number)) < 0
        store = Store(run)
        store.clean_up()
        if len(store.list_ended()) == 2 and list((run / "checkpoints").iterdir()):
            break
    first, second = (run / "trials").iterdir()
    second = second.rename(folder / second.name)
    store.compact()
    assert not first.exists()
    second.rename(run / "trials" / second.name)
    (run / "selection.json").write_bytes(selection)
    return folder


def list_files(run: Path) -> list[Path]:
    """All that hold anything: locks are empty, and quarantined files are damaged already."""
    return sorted(
        path
        for path in run.rglob("*")
        if path.is_file() and path.parent.name not in ("locks", "quarantine")
    )


@pytest.fixture
def copies(unfinished: Path, tmp_path: Path) -> Callable[[], Path]:
    """Fresh copies of that search, one after another."""

    def copy() -> Path:
        shutil.rmtree(tmp_path / "copy", ignore_errors=True)
        return Path(shutil.copytree(unfinished, tmp_path / "copy"))

    return copy


KINDS = [
    "FORMAT.json",
    "grid.toml",
    "selection.json",
    "trials/*",
    "compact/*",
    "checkpoints/*",
    "cache/*",
]


def report(run: Path) -> tuple[int, str, dict[str, list[dict[str, str]]]]:
    result = CliRunner().invoke(main, ["report", str(run), "--json"])
    return result.exit_code, result.stderr, json.loads(result.stdout)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_file_is_there(kind: str, unfinished: Path) -> None:
    """The tests of this file are about something."""
    assert list((unfinished / "run").glob(kind))
    assert report(unfinished / "run")[0] == 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_flipped_bit_is_named_and_the_rest_is_shown(
    kind: str, copies: Callable[[], Path]
) -> None:
    """At some places of every file, with exit code 3; what it held is not believed."""
    run, dice = copies() / "run", random.Random(0)
    whole = {record["trial_id"]: record for record in report(run)[2]["records"]}
    for path in run.glob(kind):
        content = path.read_bytes()
        for position in {0, len(content) - 1, *dice.sample(range(len(content)), 4)}:
            path.write_bytes(flip(content, position, dice.randrange(8)))
            code, said, document = report(run)
            assert code == 3
            assert str(path) in said
            assert [file["path"] for file in document["damaged"]] == [str(path)]
            shown = {record["trial_id"]: record for record in document["records"]}
            assert all(whole[name] == record for name, record in shown.items())
            assert len(shown) >= len(whole) - (kind in ("trials/*", "compact/*"))
        path.write_bytes(content)
    assert report(run)[0] == 0


def flip_in_the_middle(path: Path) -> None:
    path.write_bytes(flip(path.read_bytes(), path.stat().st_size // 2, 4))


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def empty(path: Path) -> None:
    os.truncate(path, 0)


@pytest.mark.parametrize("damage", [flip_in_the_middle, cut, empty, Path.unlink])
@pytest.mark.parametrize("kind", KINDS)
def test_the_same_command_repairs_it(
    kind: str,
    damage: Callable[[Path], None],
    copies: Callable[[], Path],
    server: CommandServer,
    undisturbed: str,
) -> None:
    """One damaged or lost file of each kind: it ends with the table of an undisturbed search."""
    folder = copies()
    run = folder / "run"
    path = min(run.glob(kind))
    damage(path)
    assert server.run(search_in(folder), folder) == 0
    assert table(run) == undisturbed
    said = (folder / "stderr").read_text()
    if damage is not Path.unlink:
        assert f"1 damaged file moved to run/quarantine, to be made again; the first is {path.name}" in said  # fmt: skip
        assert {path.name for path in (run / "quarantine").iterdir()} == {
            f"{path.name}.1",
            f"{path.name}.1.reason.txt",
        }


def test_everything_damaged_at_once(copies: Callable[[], Path], server: CommandServer, undisturbed: str) -> None:  # fmt: skip
    """Is the same as nothing, and costs no more than that."""
    folder = copies()
    for path in list_files(folder / "run"):
        flip_in_the_middle(path)
    assert server.run(search_in(folder), folder) == 0
    assert table(folder / "run") == undisturbed


def test_clocks_that_jump_change_nothing(copies: Callable[[], Path], server: CommandServer, undisturbed: str) -> None:  # fmt: skip
    """Files of the last century and of the next one: their times decide nothing."""
    folder = copies()
    for number, path in enumerate(list_files(folder / "run")):
        os.utime(path, (number % 2 * 4e9, number % 2 * 4e9))
    assert read_run(folder / "run").damaged == ()
    assert server.run(search_in(folder), folder) == 0
    assert table(folder / "run") == undisturbed
