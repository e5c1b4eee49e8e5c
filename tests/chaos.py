"""Searches killed at random, again and again, by one command or several on one store.

`nox -s chaos` runs it for as long as it is told; the tests run it for some seconds. Every seed is
printed: `python tests/chaos.py --seed N --rounds 1` repeats what happened, as far as time allows.
"""

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from command_server import EPOCHS, TRIALS, CommandServer, search_in, table

from scalectl.store.reader import read_run

LONGEST = 0.3
"""Seconds until a kill: most come before the search would end."""


@dataclass
class Tally:
    """What has been done so far."""

    searches: int = 0
    commands: int = 0
    kills: int = 0
    epochs_redone: int = 0
    violations: int = 0


def torment(server: CommandServer, folder: Path, seed: int, undisturbed: str, tally: Tally) -> None:
    """One search, killed until it comes to its end. Raises `AssertionError` where a promise breaks."""
    dice = random.Random(seed)
    arguments, together = search_in(folder), dice.choice((1, 1, 2, 3, 4))
    kills, done = 0, False
    while not done:
        running = [server.start(arguments, folder) for _ in range(together)]
        for process in [process for process in running if dice.random() < 0.85]:
            time.sleep(dice.uniform(0, LONGEST))
            with suppress(ProcessLookupError):
                if dice.random() < 0.1:  # a machine that sleeps for a while
                    os.kill(process, signal.SIGSTOP)
                    time.sleep(dice.uniform(0, LONGEST))
                os.kill(process, signal.SIGKILL)
        codes = [server.wait(process) for process in running]
        tally.commands += together
        kills += codes.count(-signal.SIGKILL)
        assert set(codes) <= {0, -signal.SIGKILL}, (folder / "stderr").read_text()
        assert read_run(folder / "run").damaged == () if (folder / "run").exists() else True
        done = 0 in codes
    tally.searches += 1
    tally.kills += kills
    assert table(folder / "run") == undisturbed
    redone = (folder / "epochs").read_text().count("epoch") - TRIALS * EPOCHS
    tally.epochs_redone += redone
    assert 0 <= redone <= kills
    assert not list((folder / "run" / "checkpoints").iterdir()) or kills


def seeds(first: int | None, rounds: int, minutes: float) -> Iterator[int]:
    """As many as asked for, or as time allows."""
    start, seed = time.monotonic(), random.randrange(10**6) if first is None else first
    while rounds > 0 or time.monotonic() - start < 60 * minutes:
        yield seed
        seed, rounds = seed + 1, rounds - 1


def main() -> int:
    """The number of violations, as an exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--rounds", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=0)
    options = parser.parse_args()
    tally = Tally()
    with CommandServer() as server, tempfile.TemporaryDirectory() as name:
        reference = Path(name) / "undisturbed"
        assert server.run(search_in(reference), reference) == 0
        undisturbed = table(reference / "run")
        for seed in seeds(options.seed, options.rounds, options.minutes):
            try:
                with tempfile.TemporaryDirectory(dir=name) as folder:
                    torment(server, Path(folder), seed, undisturbed, tally)
            except AssertionError as problem:
                tally.violations += 1
                print(f"seed {seed}: {problem}", file=sys.stderr, flush=True)
            if tally.searches % 50 == 0:
                print(tally, flush=True)
    print(tally)
    return min(tally.violations, 1)


if __name__ == "__main__":
    sys.exit(main())
