"""Every system call of every write is the last one once, and fails once (docs/promises.md, 1, 2, 10)."""

from itertools import count
from pathlib import Path

import pytest
from command_server import EPOCHS, TRIALS, CommandServer, search_in, table

from scalectl.store.reader import read_run

PARTS = 4


def check_what_is_left(folder: Path) -> None:
    """Nothing is torn, and what was printed as done is there."""
    left = read_run(folder / "run")
    assert left.damaged == ()
    printed = [line for line in (folder / "stderr").read_text().splitlines() if " seed 0 " in line]
    assert len(printed) <= len(left.records)


def count_epochs(folder: Path) -> int:
    return (folder / "epochs").read_text().count("epoch")


def kill_at(
    number: int, server: CommandServer, folder: Path, undisturbed: str, bug: str = ""
) -> bool:
    """Kill the search at one call, run the same command again, compare; False beyond the last."""
    arguments = search_in(folder)
    if server.run(arguments, folder, fault=("kill", number), bug=bug) == 0:
        return False
    check_what_is_left(folder)
    assert server.run(arguments, folder, bug=bug) == 0
    assert table(folder / "run") == undisturbed
    assert count_epochs(folder) <= TRIALS * EPOCHS + 1
    return True


@pytest.mark.parametrize("part", range(PARTS))
def test_killed_at_every_call(
    part: int, server: CommandServer, undisturbed: str, tmp_path: Path
) -> None:
    """The same command ends the search with the same table, and redoes at most one epoch."""
    for number in count(part + 1, PARTS):
        if not kill_at(number, server, tmp_path / str(number), undisturbed):
            break
    assert number > 40 * PARTS, "there are more calls than that"


@pytest.mark.parametrize("part", range(PARTS))
def test_torn_at_every_write(
    part: int, server: CommandServer, undisturbed: str, tmp_path: Path
) -> None:
    """Half of a write, and then the end: it is not seen under any name."""
    torn = 0
    for number in count(2 + 4 * part, 4 * PARTS):
        folder = tmp_path / str(number)
        arguments = search_in(folder)
        if server.run(arguments, folder, fault=("short-write", number)) == 0:
            break
        torn += 1
        check_what_is_left(folder)
        assert server.run(arguments, folder) == 0
        assert table(folder / "run") == undisturbed
        assert not list((folder / "run").rglob(".*.tmp"))
    assert torn > 5


@pytest.mark.parametrize("part", range(PARTS))
def test_no_space_at_every_call(
    part: int, server: CommandServer, undisturbed: str, tmp_path: Path
) -> None:
    """Exit code 5 with the bytes needed, and the same command ends the search."""
    for number in count(1 + 5 * part, 5 * PARTS):
        folder = tmp_path / str(number)
        arguments = search_in(folder)
        code = server.run(arguments, folder, fault=("ENOSPC", number))
        if code == 0:
            break
        said = (folder / "stderr").read_text()
        assert (code, "Traceback" in said) == (5, False), said
        assert "No space is left to write the" in said
        check_what_is_left(folder)
        assert server.run(arguments, folder) == 0
        assert table(folder / "run") == undisturbed
    assert number > 150


@pytest.mark.parametrize(
    ("bug", "numbers"),
    [("in place", range(1, 60)), ("one stream", range(60, 160)), ("no checkpoint", range(60, 160))],
)
def test_planted_bugs_are_caught(
    bug: str, numbers: range, server: CommandServer, undisturbed: str, tmp_path: Path
) -> None:
    """By this very test: its checks are worth something."""
    reference = tmp_path / "reference"
    if bug == "one stream":  # which gives another table, even undisturbed
        assert server.run(search_in(reference), reference, bug=bug) == 0
        undisturbed = table(reference / "run")

    def kill_at_all() -> None:
        for number in numbers:
            kill_at(number, server, tmp_path / str(number), undisturbed, bug)

    with pytest.raises(AssertionError):
        kill_at_all()
