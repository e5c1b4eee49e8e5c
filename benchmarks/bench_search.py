import json
import math
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator

from scalectl.executors.hardware import count_cores


def measure() -> Iterator[tuple[str, str]]:
    """README's search by the command that a user has, alone on the machine.

    What it costs over its trainings is its whole time, from the start of the command to its end,
    over the seconds of all trainings divided by the trials at once. The noise is that of the fit: what one
    training differs from another of the same network, once their seeds' common part is taken out; a
    standard error after an hour of one core is that of the mean of as many trainings as fit into it.
    """
    jobs = count_cores()
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        run("grid", "-o", folder, "-q", "--jobs", str(jobs))
        wall = time.perf_counter() - start
        found = json.loads(run("report", folder, "--json"))
    seconds = [record["seconds"] for record in found["records"]]
    noise = found["selection"]["fit"]["pure_error_sd"]
    yield "trials", f"{len(seconds)}"
    yield "wall-clock", f"{wall:.0f} s"
    yield "over the bare trainings", f"{wall * jobs / sum(seconds):.3f}"
    yield "seconds of a training (median)", f"{statistics.median(seconds):.1f} s"
    yield "top-1 (mean)", f"{statistics.mean(one['top1'] for one in found['records']):.1%}"
    yield "noise of a training", f"{100 * noise:.2f} points"
    hourly = 100 * noise * math.sqrt(statistics.mean(seconds) / 3600)
    yield "standard error after a core-hour", f"{hourly:.3f} points"


def run(*arguments: str) -> str:
    """A command of scalectl; what it prints."""
    command = [sys.executable, "-m", "scalectl", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
