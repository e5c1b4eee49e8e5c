"""How fast commands start, costs are counted, candidates enumerated and large stores read.

`nox -s bench -- scale` prints it, within some minutes.
"""

import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import factories

from scalectl.arch.baselines.efficientnet import B0
from scalectl.arch.cost import compute_cost
from scalectl.arch.scaling import Multipliers, scale
from scalectl.search.candidates import enumerate_candidates, shrink
from scalectl.search.config import Config, Design, Proxy, dump_config
from scalectl.store.checksum import add_checksum
from scalectl.store.parquet import encode
from scalectl.store.writer import Store
from scalectl.trial import Candidate, Record

SIZES = {10: (10, 1), 1_000: (1_000, 1), 10_000: (10_000, 1), 100_000: (10_000, 10)}
"""Records -> candidates and seeds."""
TIMES = 3


def measure() -> list[tuple[str, str]]:
    """Medians, and the peak memory of what is a process of its own. To open a store is to know which trials
    ended; to prove it is to read and check every record.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        return [
            *(
                (f"scalectl {line}", _time_command(line.split(), folder, times=9))
                for line in ("--help", "scale --phi 4")
            ),
            ("cost of 100,000 architectures", _time(_cost_many())),
            ("enumeration, default", _time(_enumerate(Design()))),
            ("enumeration, lattice of .025", _time(_enumerate(Design(kind="lattice", step=0.025)))),
            *_measure_stores(folder),
        ]


def _measure_stores(folder: Path) -> list[tuple[str, str]]:
    known, rows = make_candidates(10_000), []
    for records, (count, seeds) in SIZES.items():
        run = folder / f"run-{records}"
        there = factories.train(known[:count], seeds)
        make_store(run, there)
        rows += [
            (f"{what}, {records:,} records", _time_step(what, run)) for what in ("open", "prove")
        ]
        rows.append((f"report, {records:,} records", _time_command(["report", str(run)], folder)))
        rows.append((f"put into {records:,} records", _time_puts(Store(run), there[0])))
    for count, seeds in ((5_000, 2), (100, 100)):
        run = folder / f"run-{count}x{seeds}"
        make_store(run, factories.train(known[:count], seeds))
        figure = _time_command(["report", str(run)], folder)
        rows.append((f"report, {count:,} candidates x {seeds} seeds", figure))
    return rows


def make_candidates(count: int) -> tuple[Candidate, ...]:
    """Different networks: sizes of a baseline so large that rounding merges few of them."""
    baseline = shrink(B0, Proxy(width=1.0, resolution=3000), 16)
    design = Design(budget="nominal", degree=1 + int((2.4 * count) ** 0.5))
    candidates = enumerate_candidates(design, baseline, 2**16).candidates[1 : count + 1]
    assert len(candidates) == count
    return candidates


def make_store(run: Path, records: Sequence[Record]) -> None:
    """As a search leaves it, all of its records compacted."""
    Store(run)
    content = encode(sorted(records, key=lambda record: record.trial.id))
    (run / "compact" / "all.parquet").write_bytes(content)
    grid = dump_config(Config(seeds=len({record.trial.seed for record in records})))
    (run / "grid.toml").write_bytes(add_checksum(grid.encode(), ".toml"))


def _cost_many() -> Callable[[], object]:
    draw = random.Random(0)
    sizes = [
        scale(B0, Multipliers(draw.uniform(1, 4), draw.uniform(1, 3), draw.uniform(1, 3)))
        for _ in range(100_000)
    ]
    return lambda: [compute_cost(size) for size in sizes]


def _enumerate(design: Design) -> Callable[[], object]:
    # Of another one each time, so that nothing of it is known.
    networks = (replace(shrink(B0, Proxy(), classes), classes=classes) for classes in range(2, 99))
    return lambda: enumerate_candidates(design, next(networks), 72)


def _time(action: Callable[[], object]) -> str:
    return _show([_clock(action) for _ in range(TIMES)])


def _clock(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def _time_puts(store: Store, record: Record) -> str:
    records = [replace(record, trial=replace(record.trial, seed=seed)) for seed in range(500, 550)]
    seconds = statistics.median(_clock(partial(store.write, record)) for record in records)
    return f"{1000 * seconds:.1f} ms"


def _time_command(arguments: Sequence[str], folder: Path, times: int = TIMES) -> str:
    """A whole process."""
    return _show_runs([_run(["-m", "scalectl", *arguments], folder) for _ in range(times)])


def _time_step(name: str, run: Path) -> str:
    """A process whose imports do not count."""
    return _show_runs([_run([__file__, name, str(run)], run) for _ in range(TIMES)])


def _run(arguments: Sequence[str], folder: Path) -> tuple[float, int]:
    """Seconds, as the process says them or as it took, and its peak memory in bytes."""
    command = [sys.executable, "-c", _LAUNCHER, sys.executable, *arguments]
    path = os.pathsep.join(filter(None, [str(Path(__file__).parents[1]), os.getenv("PYTHONPATH")]))
    environment = {**os.environ, "PYTHONPATH": path}
    output = subprocess.check_output(command, cwd=folder, env=environment, text=True)
    said, seconds, peak = json.loads(output)
    if arguments[0] == __file__:
        seconds = json.loads(said)
    return seconds, peak * (1 if sys.platform == "darwin" else 1024)


# A process inherits the peak of the one that starts it, which therefore is a small one.
_LAUNCHER = """
import json, resource, subprocess, sys, time
start = time.perf_counter()
said = subprocess.check_output(sys.argv[1:], stderr=subprocess.DEVNULL, text=True)
seconds = time.perf_counter() - start
print(json.dumps([said, seconds, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss]))
"""


def _show_runs(runs: Sequence[tuple[float, int]]) -> str:
    peak = max(memory for _, memory in runs)
    return f"{_show([seconds for seconds, _ in runs])}, {peak / 2**20:,.0f} MiB"


def _show(seconds: Sequence[float]) -> str:
    return f"{statistics.median(seconds):.2f} s"


STEPS: dict[str, Callable[[Path], object]] = {
    "open": lambda run: Store(run).list_ended(),
    "prove": lambda run: Store(run).read(),
}
"""Who has ended, which is what a search needs to go on; and every record, with its proof."""


if __name__ == "__main__":
    step, run = STEPS[sys.argv[1]], Path(sys.argv[2])
    print(json.dumps(_clock(lambda: step(run))))
